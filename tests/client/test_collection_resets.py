"""5.17: what a device does when a collection is emptied or dropped at the server."""

from __future__ import annotations

from typing import Any

import pytest

from device_types import DeviceMaker
from server_process import ServerProcess
from solidb_sync import SyncManager

pytestmark = pytest.mark.anyio


async def keys(manager: SyncManager, collection: str = "notes") -> list[str]:
    return [key for key, _ in await manager.query_documents(collection)]


async def reset(server: ServerProcess, database: str, method: str, suffix: str = "") -> None:
    client = server.client(database)
    answer = await client.exchange(method, f"/_api/database/{database}/collection/notes{suffix}")
    await client.close()
    assert answer.status in (200, 204)


@pytest.fixture(params=["memory", "sqlite", "rocksdb"])
async def phone(request: Any, device: DeviceMaker, tmp_path: Any) -> SyncManager:
    """A device that has synced two collections, and has an unsent edit in one."""
    phone = device("phone", engine=request.param, path=str(tmp_path / "phone.db"))
    for key in ("a", "b"):
        await phone.save_document("notes", key, {"n": 1})
    await phone.save_document("other", "c", {})
    await phone.sync_now()
    await phone.save_document("notes", "b", {"n": 2})
    return phone


async def test_an_emptied_collection_goes_but_for_unsent_edits(
    phone: SyncManager, device: DeviceMaker, server: ServerProcess, database: str
) -> None:
    await reset(server, database, "PUT", "/truncate")
    events = []
    phone.on_change(events.append)
    assert (await phone.sync_now()).success
    assert [(event.type, event.key, event.source) for event in events] == [("delete", "a", "remote")]
    assert (await keys(phone), await keys(phone, "other")) == (["b"], ["c"])
    laptop = device("laptop")
    await laptop.sync_now()
    assert await laptop.get_document("notes", "b") == {"_key": "b", "_id": "notes/b", "n": 2}
    await phone.save_document("notes", "a", {"again": True})
    for manager in (phone, laptop):
        assert (await manager.sync_now()).success
    assert await laptop.get_document("notes", "a") == await phone.get_document("notes", "a")


async def test_a_dropped_collection_refuses_edits_from_before_and_keeps_them_in_quarantine(
    phone: SyncManager, server: ServerProcess, database: str
) -> None:
    await reset(server, database, "DELETE")
    result = await phone.sync_now()
    assert not result.success
    (refused,) = await phone.rejected_changes()
    assert "CollectionDropped" in refused.reason
    assert await keys(phone) == ["b"]
    assert (await phone.sync_now()).success
    assert await phone.retry_rejected(refused.id)
    assert (await phone.sync_now()).success, "having learned of the drop, it may begin the collection anew"
    assert await keys(phone) == ["b"]


@pytest.mark.parametrize("batch_size", [1, 2, 100])
async def test_own_edits_sent_after_the_emptying_stay_in_whatever_pages_it_is_learnt(
    device: DeviceMaker, server: ServerProcess, database: str, batch_size: int
) -> None:
    """The device knows its own versions already, and they are not sent to it as a rule; but it drops the collection."""
    phone, laptop = device("phone", batch_size=batch_size), device("laptop")
    for key in "abc":
        await phone.save_document("notes", key, {"n": 1})
    for manager in (phone, laptop):
        await manager.sync_now()
    await reset(server, database, "PUT", "/truncate")
    await laptop.sync_now()
    for number in range(4):
        await laptop.save_document("other", str(number), {})
    await laptop.sync_now()
    for key in "bd":
        await phone.save_document("notes", key, {"n": 2})
    await phone.sync_now()
    await laptop.sync_now()
    assert await keys(phone) == await keys(laptop) == ["b", "d"]


async def test_what_was_sent_before_the_first_pull_stays_when_its_collection_was_emptied_before(
    device: DeviceMaker, server: ServerProcess, database: str
) -> None:
    """The pull starts from nothing, and what the device knows as its own is not sent to it as a rule (seed 9)."""
    laptop, phone = device("laptop"), device("phone", batch_size=1)
    await laptop.save_document("notes", "a", {"n": 1})
    await laptop.sync_now()
    await reset(server, database, "PUT", "/truncate")
    for key in "bc":
        await phone.save_document("notes", key, {"n": 2})
    for manager in (phone, laptop):
        assert (await manager.sync_now()).success
    assert await keys(phone) == await keys(laptop) == ["b", "c"]


async def test_a_discarded_edit_of_a_dropped_collection_takes_its_document_along(
    phone: SyncManager, device: DeviceMaker, server: ServerProcess, database: str
) -> None:
    """The version it was made on top of is not at the server any more (seed 32)."""
    await reset(server, database, "DELETE")
    await phone.sync_now()
    (refused,) = await phone.rejected_changes()
    assert await phone.discard_rejected(refused.id)
    assert await keys(phone) == []
    await phone.save_document("notes", "b", {"n": 3})
    laptop = device("laptop")
    for manager in (phone, laptop, phone):
        assert (await manager.sync_now()).success
    assert await phone.get_document("notes", "b") == await laptop.get_document("notes", "b") is not None


async def test_a_save_over_a_refused_edit_of_a_dropped_collection_is_sent_whatever_it_says(
    phone: SyncManager, device: DeviceMaker, server: ServerProcess, database: str
) -> None:
    """The version under the refused edit is not at the server any more: to save the same again is not to save nothing."""
    await phone.crdt_increment("notes", "a", "count", 5)
    await phone.sync_now()
    await phone.save_document("notes", "b", {"n": 3})
    await phone.crdt_increment("notes", "a", "count", 1)
    await reset(server, database, "DELETE")
    await phone.sync_now()
    assert len(await phone.rejected_changes()) == 2
    await phone.save_document("notes", "b", {"n": 2})
    await phone.save_document("notes", "a", {"n": 1, "count": 5})
    assert (await phone.status()).pending == 2
    laptop = device("laptop")
    for manager in (phone, laptop, phone):
        assert (await manager.sync_now()).success
    for manager in (phone, laptop):
        assert await manager.get_document("notes", "b") == {"_key": "b", "_id": "notes/b", "n": 2}
        assert await manager.get_document("notes", "a") == {"_key": "a", "_id": "notes/a", "n": 1, "count": 5}
    await laptop.crdt_increment("notes", "a", "count", 1)
    for manager in (laptop, phone):
        assert (await manager.sync_now()).success
    assert (await phone.get_document("notes", "a") or {})["count"] == 6


@pytest.mark.parametrize("batch_size", [1, 2, 3])
async def test_own_documents_never_go_while_the_pages_that_tell_of_an_emptying_come(
    device: DeviceMaker, server: ServerProcess, database: str, batch_size: int
) -> None:
    """The page that empties the collection brings what has come into it since, also from beyond its end (seed 10)."""
    phone, laptop = device("phone", batch_size=batch_size), device("laptop")
    await phone.save_document("notes", "a", {"n": 1})
    await phone.sync_now()
    await reset(server, database, "PUT", "/truncate")
    for number in range(4):
        await laptop.save_document("other", str(number), {})
    await laptop.sync_now()
    for key in "bcd":
        await phone.save_document("notes", key, {"n": 2})
    gone = []
    phone.on_change(lambda event: gone.append(event.key) if event.type == "delete" else None)
    assert (await phone.sync_now()).success
    assert (gone, await keys(phone)) == (["a"], ["b", "c", "d"])
