"""What a store keeps for users who are not signed in, below the level of devices and servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from solidb_sync import LocalStore, VersionVector
from solidb_sync.json_value import canonical
from solidb_sync.storage.departures import drop_clean_rows
from solidb_sync.storage.edits import Minted, record_save
from solidb_sync.storage.other_users import (
    CHANGES_PER_PAGE,
    CLIENTS_REMEMBERED_MAX,
    change_hands,
    changes_put_away,
    client_of,
    kept_for_others,
    note_author,
    users_of,
)
from solidb_sync.storage.records import BlobState, ChangeState, StoredBlob

pytestmark = pytest.mark.anyio


@pytest.fixture
async def phone(anyio_backend: str) -> AsyncIterator[LocalStore]:
    """A store of a device called phone."""
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        yield store


async def handed_to(store: LocalStore, client_id: str, owner: str, *, before: str, author: str = "") -> int:
    """Have the store go on as another client, without a server."""
    return await store.commit(
        lambda engine: change_hands(engine, client_id=client_id, owner=owner, owner_before=before, author=author)
    )


def make_edits(store: LocalStore, count: int) -> list[str]:
    """Make edits that wait, and return the ids that the server would know them by."""
    for number in range(count):
        store.add_pending_change("notes", f"{number}", "insert", {"n": number}, VersionVector())
    return [change.change_id for change in store.get_pending_changes()][-count:]


async def test_many_edits_come_back_in_their_order_and_under_their_ids(phone: LocalStore) -> None:
    """They are put away in pages, of which nothing is left."""
    made = make_edits(phone, 2 * CHANGES_PER_PAGE + 1)
    settings = phone.view(lambda reader: set(reader.settings()))
    assert await handed_to(phone, "phone.b", "bob", before="ann") == len(made)
    assert phone.get_pending_changes() == []
    assert phone.list_documents("notes") == []
    assert phone.view(kept_for_others) == len(made)
    assert [change.change_id for change in phone.view(lambda reader: list(changes_put_away(reader, "phone")))] == made
    assert phone.view(lambda reader: list(changes_put_away(reader, "phone.b"))) == []
    assert await handed_to(phone, "phone", "ann", before="bob") == 0
    assert [change.change_id for change in phone.get_pending_changes()] == made
    assert len(phone.list_documents("notes")) == len(made)
    assert phone.view(lambda reader: set(reader.settings())) - settings == {"users"}


async def test_of_an_emptied_collection_nothing_is_shown_to_another_user(phone: LocalStore) -> None:
    """The row stood only for the sake of an edit; its base copy is of a document that is nowhere else any more."""
    phone.put_document("notes", "a", {"server": 1}, VersionVector({"server": 1}))
    edit = canonical({"ann": 1})
    await phone.commit(lambda engine: record_save(engine, Minted("c", "t"), ("notes", "a"), edit, merge=True))
    await phone.commit(lambda engine: drop_clean_rows(engine, "notes", but=(), upto=2))
    assert phone.get_document("notes", "a") == ({"server": 1, "ann": 1}, VersionVector({"server": 1, "phone": 1}))
    await handed_to(phone, "phone.b", "bob", before="ann")
    assert phone.list_documents("notes") == []
    await handed_to(phone, "phone", "ann", before="bob")
    assert [change.data for change in phone.get_pending_changes()] == [{"ann": 1}]
    assert [document for _, document, _ in phone.list_documents("notes")] == [{"ann": 1}]


async def test_what_comes_back_stands_in_front_of_what_its_user_has_made_since(phone: LocalStore) -> None:
    """And lies over the server's version again, which is shown as it is meanwhile."""
    phone.put_document("notes", "a", {"server": 1}, VersionVector({"server": 1}))
    phone.add_pending_change("notes", "a", "update", {"ann": 1}, VersionVector({"server": 1}))
    before = [change.change_id for change in phone.get_pending_changes()]
    await handed_to(phone, "phone.b", "bob", before="ann")
    assert [document for _, document, _ in phone.list_documents("notes")] == [{"server": 1}]
    await phone.commit(lambda engine: note_author(engine, "ann"))
    since = make_edits(phone, 2)
    await handed_to(phone, "phone", "ann", before="bob", author="ann")
    assert [change.change_id for change in phone.get_pending_changes()] == [*before, *since]
    assert phone.get_document("notes", "a") == ({"server": 1, "ann": 1}, VersionVector({"server": 1, "phone": 1}))


async def test_an_author_keeps_what_was_made_since_the_first_own_edit(phone: LocalStore) -> None:
    make_edits(phone, 2)
    await phone.commit(lambda engine: note_author(engine, "bob"))
    own = make_edits(phone, 3)
    await phone.commit(lambda engine: note_author(engine, "bob"))
    assert await handed_to(phone, "phone.b", "bob", before="ann", author="bob") == 2
    assert [change.change_id for change in phone.get_pending_changes()] == own
    assert await handed_to(phone, "phone.c", "carl", before="bob", author="carl") == 3


async def test_without_a_name_everything_is_the_user_befores(phone: LocalStore) -> None:
    await phone.commit(lambda engine: note_author(engine, "bob"))
    make_edits(phone, 2)
    assert await handed_to(phone, "phone.b", "bob", before="ann") == 2


async def test_a_client_id_is_found_by_its_owner_and_those_with_edits_are_never_forgotten(phone: LocalStore) -> None:
    make_edits(phone, 1)
    names = [f"phone.{number}" for number in range(CLIENTS_REMEMBERED_MAX + 20)]
    before = "ann"
    for name in names:
        await handed_to(phone, name, f"owner of {name}", before=before)
        before = f"owner of {name}"
    assert phone.view(lambda reader: client_of(reader, "ann")) == "phone"
    assert phone.view(lambda reader: client_of(reader, f"owner of {names[-1]}")) == names[-1]
    assert phone.view(lambda reader: client_of(reader, f"owner of {names[0]}")) is None
    assert phone.view(lambda reader: client_of(reader, "")) is None
    assert len(phone.view(lambda reader: users_of(reader).clients)) == CLIENTS_REMEMBERED_MAX + 1


async def test_what_one_client_was_told_of_bytes_is_nothing_to_another(phone: LocalStore) -> None:
    """Incarnations of two clients have the same numbers."""
    blob = StoredBlob("digest", "chunks", 1, 1, BlobState.WHOLE, confirmed=1)
    await phone.commit(lambda engine: engine.put_blob(blob))
    await handed_to(phone, "phone.b", "bob", before="ann")
    assert [known.confirmed for known in phone.view(lambda reader: reader.blobs())] == [-1]


async def test_edits_that_the_server_has_already_are_not_kept(phone: LocalStore) -> None:
    """It will bring them when their user asks again."""
    make_edits(phone, 2)
    first = phone.view(lambda reader: reader.changes(state=None))[0]
    await phone.commit(lambda engine: engine.replace_change(replace(first, state=ChangeState.HELD)))
    assert await handed_to(phone, "phone.b", "bob", before="ann") == 1
    assert phone.view(lambda reader: reader.has_changes()) is False
