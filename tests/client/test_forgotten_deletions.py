"""Devices of a server that forgets deletions at once (5.2, N11): what is gone goes everywhere, and no unsent edit is lost.

A real server process with no retention time: it waits for nobody, so every device that is behind has to fetch anew.
"""

from __future__ import annotations

import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lossy_client import LossyClient
from server_process import ADMIN_KEY, ServerProcess
from solidb_sync import LocalStore, SyncConfig, SyncManager

pytestmark = pytest.mark.anyio
Make = Callable[..., SyncManager]


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path / "data", options=("--retention-days", "0"))
    yield server
    server.stop()


@pytest.fixture
async def device(forgetful: ServerProcess, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Make]:
    made: list[SyncManager] = []

    def make(name: str, *, lost: Sequence[str] = (), **settings: Any) -> SyncManager:
        """`lost`: of the first requests, whether the `request` or its `answer` is lost on the way (empty: neither)."""
        store = LocalStore.open(tmp_path / name / "store.db", name)
        wire = LossyClient(forgetful.client("db"), list(lost))
        manager = SyncManager(store, wire, SyncConfig(**{"auto_sync": False, **settings}))
        made.append(manager)
        return manager

    yield make
    for manager in made:
        await manager.stop()
        manager._store.close()


def forget(server: ServerProcess) -> None:
    request = urllib.request.Request(
        f"http://{server.address}/_api/sync/maintenance/db", method="POST", headers={"X-API-Key": ADMIN_KEY}
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


async def sync(*managers: SyncManager) -> None:
    for manager in managers:
        result = await manager.sync_now()
        assert result.success, result.errors


async def notes(manager: SyncManager, collection: str = "notes") -> dict[str, Any]:
    return {key: document["n"] for key, document in await manager.query_documents(collection)}


async def test_a_device_that_missed_a_forgotten_deletion_fetches_anew_and_keeps_its_edits(
    device: Make, forgetful: ServerProcess
) -> None:
    phone, laptop = device("phone"), device("laptop")
    for key in "abc":
        await phone.save_document("notes", key, {"n": 1})
    await sync(phone, laptop)
    await phone.delete_document("notes", "a")
    await laptop.save_document("notes", "b", {"n": 2})
    await laptop.save_document("notes", "new", {"n": 3})
    await sync(phone)
    forget(forgetful)
    await sync(laptop, phone)
    assert await notes(laptop) == await notes(phone) == {"b": 2, "c": 1, "new": 3}


async def test_an_unsent_edit_of_a_document_whose_deletion_is_forgotten_brings_it_back_in_a_logged_conflict(
    device: Make, forgetful: ServerProcess
) -> None:
    phone, laptop = device("phone"), device("laptop")
    await phone.save_document("notes", "a", {"n": 1, "m": 1})
    await sync(phone, laptop)
    await phone.delete_document("notes", "a")
    await laptop.save_document("notes", "a", {"n": 2})
    await sync(phone)
    forget(forgetful)
    await sync(laptop, phone)
    assert (await phone.get_document("notes", "a") or {})["m"] == 1
    assert await notes(laptop) == await notes(phone) == {"a": 2}
    (conflict,) = await laptop.conflict_log()
    assert (conflict.status.value, conflict.remote_version.deleted) == ("auto_resolved", True)


async def test_what_was_deleted_while_a_collection_was_not_synced_goes_when_it_is_again(
    device: Make, forgetful: ServerProcess
) -> None:
    """C5: unsubscribed, it keeps its rows; subscribed again, it has what the server has."""
    phone, laptop = device("phone"), device("laptop")
    for key in "ab":
        await phone.save_document("notes", key, {"n": 1})
    await sync(phone, laptop)
    await laptop.unsubscribe("notes")
    await phone.delete_document("notes", "a")
    await sync(phone)
    forget(forgetful)
    await sync(laptop)
    assert await notes(laptop) == {"a": 1, "b": 1}
    await laptop.subscribe("notes")
    await sync(laptop)
    assert await notes(laptop) == {"b": 1}


async def test_what_was_deleted_before_all_collections_were_synced_goes(device: Make, forgetful: ServerProcess) -> None:
    """B5: the rows of a collection that is no longer named stay; when all are synced again they are made sound."""
    phone = device("phone")
    wide = device("laptop")
    for name in ("notes", "tasks"):
        for key in "ab":
            await phone.save_document(name, key, {"n": 1})
    await sync(phone, wide)
    await wide.stop()
    wide._store.close()
    narrow = device("laptop", collections=["tasks"])
    await sync(narrow)
    await phone.delete_document("notes", "a")
    await sync(phone)
    forget(forgetful)
    await narrow.save_document("tasks", "mine", {"n": 5})
    await sync(narrow)
    assert await notes(narrow) == {"a": 1, "b": 1}
    await narrow.stop()
    narrow._store.close()
    again = device("laptop")
    await sync(again)
    assert await notes(again) == {"b": 1}
    assert await notes(again, "tasks") == {"a": 1, "b": 1, "mine": 5}


async def test_the_first_sync_of_a_new_device_passes_the_floor_page_by_page(device: Make, forgetful: ServerProcess) -> None:
    phone = device("phone")
    for key in "abcde":
        await phone.save_document("notes", key, {"n": 1})
    await phone.delete_document("notes", "e")
    await sync(phone)
    forget(forgetful)
    fresh = device("fresh", batch_size=1)
    await sync(fresh)
    assert await notes(fresh) == {"a": 1, "b": 1, "c": 1, "d": 1}


async def test_edits_go_on_over_compacted_vectors_without_conflicts(device: Make, forgetful: ServerProcess) -> None:
    phone, laptop = device("phone"), device("laptop")
    await phone.save_document("notes", "a", {"n": 1, "m": 1})
    await sync(phone, laptop)
    for number in range(2, 6):
        await laptop.save_document("notes", "a", {"n": number})
        await sync(laptop, phone)
        forget(forgetful)
        await phone.save_document("notes", "a", {"m": number})
        await phone.save_document("notes", "a", {"m": number * 10})
        await sync(phone, laptop)
        forget(forgetful)
    both = [await manager.get_document("notes", "a") or {} for manager in (phone, laptop)]
    assert [(document["n"], document["m"]) for document in both] == [(5, 50), (5, 50)]
    assert await phone.conflict_log() == await laptop.conflict_log() == []
    assert [manager._store.view(lambda reader: len(reader.change_ids())) for manager in (phone, laptop)] == [0, 0]


@pytest.mark.parametrize("lost", [["", "request"], ["answer", "request"], ["answer", "answer", "answer", "request"]])
async def test_a_device_that_had_only_sent_learns_of_forgotten_deletions_of_what_it_sent(
    device: Make, forgetful: ServerProcess, lost: list[str]
) -> None:
    """It has never fetched, so it has no cursor that could be too old; what it sent may be gone all the same."""
    phone, laptop = device("phone", batch_size=1, lost=lost), device("laptop")
    for key in "ab":
        await phone.save_document("notes", key, {"n": 1})
    while phone._transport.lost:
        assert not (await phone.sync_now()).success
    await sync(laptop)
    await laptop.delete_document("notes", "a")
    await sync(laptop)
    forget(forgetful)
    await sync(phone, laptop)
    assert await notes(phone) == await notes(laptop) == {"b": 1}
    assert phone._store.view(lambda reader: list(reader.changes(state=None))) == [], "nothing waits for what is gone"
