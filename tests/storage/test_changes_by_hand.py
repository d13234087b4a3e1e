"""Changes queued and settled through the store itself, without a manager: the document stays what is seen."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from solidb_sync.json_value import canonical, decode
from solidb_sync.storage.edits import Minted, record_save
from solidb_sync.storage.inbox import Page, apply_page
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.outbox import next_batch
from solidb_sync.storage.overlay import rebuild
from solidb_sync.storage.text_forms import decode_change


@pytest.fixture(params=["sqlite", "memory", "rocksdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalStore]:
    """Return a store with one document from the server."""
    with LocalStore.open(tmp_path / "store.db", "phone", engine=request.param, durability="normal") as store:
        store.put_document("notes", "a", {"v": 1, "w": 1}, {"x": 1})
        yield store


def save(store: LocalStore, document: dict[str, Any]) -> int:
    """Save the document as an app does; return the id of its change."""
    minted = Minted(store.mint_id(), store.stamp())
    store.transact(lambda engine: record_save(engine, minted, ("notes", "a"), canonical(document), merge=True))
    return store.get_pending_changes()[-1].id


def pull(store: LocalStore, server: Any, delta: dict[str, Any], vector: dict[str, int]) -> None:
    """Pull a delta of the document."""
    page = Page(0, 1, [server.fields("a", delta, vector)], is_last=True)
    applied = store.transact(lambda engine: apply_page(engine, page, wants_facts=False))
    assert applied.pulled == 1


def test_a_document_whose_last_change_is_marked_synced_has_no_base_copy_left(store: LocalStore) -> None:
    """A base copy is kept apart only while there are changes over it."""
    store.mark_change_synced(save(store, {"v": 2}))
    assert store.view(lambda reader: list(reader.bases())) == []
    assert store.get_document("notes", "a") == ({"v": 2, "w": 1}, {"x": 1, "phone": 1})


def test_a_change_marked_synced_under_another_keeps_its_effect(store: LocalStore, server: Any) -> None:
    """Also when the next pull makes the row anew."""
    first = save(store, {"v": 2})
    save(store, {"z": 3})
    assert store.mark_change_synced(first)
    pull(store, server, {"w": 5}, {"x": 2, "phone": 1})
    assert store.get_document("notes", "a") == ({"v": 2, "w": 5, "z": 3}, {"x": 2, "phone": 2})


def test_a_change_by_hand_lies_over_the_document_that_was_there(store: LocalStore, server: Any) -> None:
    """A delta pulled for it finds its base copy, and the whole document is sent when it is asked for."""
    store.add_pending_change("notes", "a", "update", {"v": 2}, {"x": 1})
    changed = store.view(lambda reader: reader.changes(state=None))[0]
    store.transact(lambda engine: rebuild(engine, "notes", "a"))
    assert store.get_document("notes", "a") == ({"v": 2, "w": 1}, {"x": 1, "phone": 1})
    pull(store, server, {"w": 5}, {"x": 2})
    assert store.get_document("notes", "a") == ({"v": 2, "w": 5}, {"x": 2, "phone": 1})
    assert store.get_pending_changes()[0].change_id == changed.change_id


@pytest.mark.parametrize("name", ["/v", "", "a/b", "~1", "/"])
def test_an_update_by_hand_names_top_level_fields_whatever_they_are_called(store: LocalStore, name: str) -> None:
    """A name that looks like a pointer is none."""
    store.add_pending_change("notes", "a", "update", {name: 2}, {"x": 1})
    store.transact(lambda engine: rebuild(engine, "notes", "a"))
    found = store.get_document("notes", "a")
    assert found is not None
    assert found[0] == {"v": 1, "w": 1, name: 2}


def test_changes_by_hand_are_sent_like_any_other(store: LocalStore) -> None:
    """With a dot and what they were made upon."""
    store.add_pending_change("notes", "a", "update", {"v": None}, {"x": 1})
    store.add_pending_change("notes", "b", "insert", {"v": 1.0}, {})
    store.add_pending_change("notes", "a", "delete", None, {"x": 1, "phone": 1})
    wires = [decode_change(wire) for wire in store.view(lambda reader: next_batch(reader, count=10)).texts]
    assert [(wire.operation, wire.counter, wire.base_version) for wire in wires] == [
        ("update", 1, {"x": 1}),
        ("insert", 2, {}),
        ("delete", 3, {"x": 1, "phone": 1}),
    ]
    assert decode(bytes(wires[0].delta)) == {"v": None}
    assert decode(bytes(wires[1].document)) == {"v": 1.0}


def test_what_was_seen_is_still_seen_when_the_base_copy_is_gone(new_device: Callable[[str], Any], server: Any) -> None:
    """The vector of a row joins what its changes were made upon: a resync may have dropped the base copy."""
    device = new_device("memory")
    device.pull(server.whole("a", {"v": 1}, {"x": 1}))
    device.save("a", {"v": 2})
    with device.transaction() as engine:
        engine.drop_base("notes", "a")
        rebuild(engine, "notes", "a")
    assert device.vector("a") == {"x": 1, "phone": 1}
