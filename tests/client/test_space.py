"""M6, M8: room on the device: usage, limits, eviction and local expiry, with a real server."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import apsw
import pytest

from device_types import DeviceMaker
from solidb_sync import ConfigError, DocumentEvictedError, StorageError, StorageFullError, SyncConfig, SyncManager
from solidb_sync.client.periodic_cleanup import clean_up_for_ever
from solidb_sync.storage.records import Mark
from solidb_sync.storage.sqlite.space import give_back

pytestmark = pytest.mark.anyio


async def keys(manager: SyncManager, collection: str = "notes") -> list[str]:
    return [key for key, _ in await manager.query_documents(collection)]


@pytest.fixture(params=["memory", "sqlite", "rocksdb"])
async def phone(request: Any, device: DeviceMaker, tmp_path: Any) -> SyncManager:
    """A device of each engine."""
    return device("phone", engine=request.param, path=str(tmp_path / "phone.db"))


async def filled(manager: SyncManager, *names: str) -> SyncManager:
    """Save and sync documents."""
    for name in names:
        await manager.save_document("notes", name, {"name": name, "n": 1})
    assert (await manager.sync_now()).success
    assert (await manager.sync_now()).success
    return manager


async def test_m8_what_was_longest_not_used_leaves_first_and_is_fetched_when_it_is_asked_for(phone: SyncManager) -> None:
    """Nothing is deleted anywhere; listeners are told why it is gone."""
    await filled(phone, "a", "b", "c")
    await phone.get_document("notes", "a")
    told: list[Any] = []
    phone.on_change(told.append)
    freed = await phone.evict(count=2)
    assert (freed.documents, freed.content_bytes > 0) == (2, True)
    assert [(event.type, event.key, event.reason, event.source) for event in told] == [
        ("delete", "b", "evicted", "local"),
        ("delete", "c", "evicted", "local"),
    ]
    assert await keys(phone) == ["a"]
    usage = await phone.storage_usage()
    assert (usage.collections["notes"].documents, usage.collections["notes"].evicted) == (1, 2)
    assert await phone.get_document("notes", "b") == {"_key": "b", "_id": "notes/b", "name": "b", "n": 1}
    assert await keys(phone) == ["a", "b"]
    assert (await phone.get_document("notes", "b", meta=True) or {})["_sync"] == {"state": "synced"}


async def test_m8_offline_an_evicted_document_is_an_error_and_not_absent(phone: SyncManager) -> None:
    """One that never was is absent still. Deleting it would be guessing, and is refused too."""
    await filled(phone, "a")
    await phone.evict(count=1)
    await phone.set_online(False)
    with pytest.raises(DocumentEvictedError):
        await phone.get_document("notes", "a")
    with pytest.raises(DocumentEvictedError):
        await phone.delete_document("notes", "a")
    assert await phone.get_document("notes", "never") is None
    await phone.set_online(True)
    await phone.get_document("notes", "a")
    await phone.delete_document("notes", "a")
    assert (await phone.sync_now()).success
    assert await phone.get_document("notes", "a") is None


async def test_m8_only_what_the_server_has_is_ever_evicted(phone: SyncManager, device: DeviceMaker) -> None:
    """28: not an unsent edit, not a document that was never sent, and not one in a collection that is not synced."""
    await filled(phone, "edited", "clean")
    await phone.save_document("notes", "edited", {"n": 2})
    await phone.save_document("notes", "new", {})
    assert (await phone.evict(count=100)).documents == 1
    assert await keys(phone) == ["edited", "new"]
    await phone.unsubscribe("notes")
    assert (await phone.evict(count=100)).documents == 0


async def test_m8_a_change_of_an_evicted_document_brings_it_back_whole(phone: SyncManager, device: DeviceMaker) -> None:
    """There is nothing that fields alone could be laid over."""
    await filled(phone, "a", "b")
    laptop = device("laptop")
    await laptop.sync_now()
    await phone.evict(count=2)
    await laptop.save_document("notes", "a", {"n": 5})
    await laptop.delete_document("notes", "b")
    assert (await laptop.sync_now()).success
    assert (await phone.sync_now()).success
    assert await phone.query("FOR d IN notes RETURN d") == [{"_key": "a", "_id": "notes/a", "name": "a", "n": 5}]
    assert await phone.get_document("notes", "b") is None
    assert (await phone.storage_usage()).collections["notes"].evicted == 0


async def test_m8_a_document_made_anew_under_an_evicted_key_says_it_has_seen_nothing(
    phone: SyncManager, device: DeviceMaker
) -> None:
    """It meets what is on the server as an edit of somebody who did not know it, and both end up with the same."""
    await filled(phone, "a")
    await phone.evict(count=1)
    await phone.save_document("notes", "a", {"mine": True})
    (change,) = phone._store.view(lambda reader: reader.changes(state=None))
    assert '"base_seq"' not in change.wire
    await phone.sync_now()
    await phone.sync_now()
    laptop = device("laptop")
    await laptop.sync_now()
    found = await laptop.get_document("notes", "a")
    assert found == await phone.get_document("notes", "a")
    assert found is not None
    assert (found["mine"], found["name"]) == (True, "a")


async def test_m8_a_version_beyond_the_cursor_is_shown_and_left_to_the_next_pull(
    phone: SyncManager, device: DeviceMaker
) -> None:
    """8: kept now, it could be replaced by an older one that is on its way."""
    await filled(phone, "a")
    laptop = device("laptop")
    await laptop.sync_now()
    await phone.evict(count=1)
    await laptop.save_document("notes", "a", {"n": 9})
    await laptop.sync_now()
    assert (await phone.get_document("notes", "a") or {})["n"] == 9
    assert await keys(phone) == []
    await phone.sync_now()
    assert (await phone.query("FOR d IN notes RETURN d.n")) == [9]


async def test_m8_a_decision_over_an_evicted_document_is_taken_back_once_it_is_here(
    phone: SyncManager, device: DeviceMaker
) -> None:
    """Over a document that is not seen it would be an edit that knows of nothing, and wins over all that came since."""
    await filled(phone, "a")
    laptop = device("laptop")
    await laptop.sync_now()
    await laptop.save_document("notes", "a", {"name": "laptop's"})
    await phone.save_document("notes", "a", {"name": "phone's"})
    for manager in (laptop, phone, phone):
        assert (await manager.sync_now()).success
    (entry,) = await phone.conflict_log()
    await laptop.sync_now()
    await laptop.save_document("notes", "a", {"n": 7})
    for manager in (laptop, phone):
        assert (await manager.sync_now()).success
    assert (await phone.evict(count=1)).documents == 1
    with pytest.raises(DocumentEvictedError, match="notes/a: evicted from this device; get it while online"):
        await phone.undo_resolution(entry.id)
    assert await phone.pending_changes() == []
    await phone.get_document("notes", "a")
    await phone.undo_resolution(entry.id)
    assert await phone.query("FOR d IN notes RETURN [d.name, d.n]") == [["laptop's", 7]]


async def test_m8_counts_go_on_over_an_evicted_document(phone: SyncManager, device: DeviceMaker) -> None:
    """31: the operation is all that is sent; the count is on the server."""
    await phone.crdt_increment("notes", "a", "likes", 5)
    await filled(phone, "b")
    await phone.evict(count=5)
    assert await keys(phone) == []
    await phone.crdt_increment("notes", "a", "likes", 2)
    for _ in range(2):
        assert (await phone.sync_now()).success
    assert (await phone.get_document("notes", "a") or {})["likes"] == 7
    await phone.evict(count=5)
    assert (await phone.get_document("notes", "a") or {})["likes"] == 7
    assert await phone.crdt_increment("notes", "a", "likes") == 8


async def test_m8_a_full_resync_brings_everything_back(phone: SyncManager) -> None:
    """N11: the marks of what was evicted go with it."""
    await filled(phone, "a", "b")
    await phone.evict(count=2)
    assert (await phone.full_resync()).success
    assert await keys(phone) == ["a", "b"]
    assert phone._store.view(lambda reader: reader.marked(Mark.EVICTED)) == []


async def test_m8_beyond_the_limit_saves_are_refused_until_there_is_room(phone: SyncManager) -> None:
    """Deletions, syncing and eviction go on; listeners are told once."""
    await filled(phone, *(f"k{number}" for number in range(40)))
    for number in range(40):
        await phone.save_document("notes", f"k{number}", {"padding": "x" * 2000})
    assert (await phone.sync_now()).success
    assert (await phone.sync_now()).success
    told: list[Any] = []
    phone.on_event(told.append)
    await phone.set_storage_limit((await phone.storage_usage()).used_bytes)
    for _ in range(2):
        with pytest.raises(StorageFullError, match="storage_limit_bytes"):
            await phone.save_document("notes", "large", {"padding": "y" * 5000})
    assert [(event.kind.value, event.reason) for event in told] == [("storage_full", "limit")]
    assert await phone.get_document("notes", "large") is None
    await phone.delete_document("notes", "k0")
    assert (await phone.sync_now()).success
    assert (await phone.evict()).documents > 0
    await phone.save_document("notes", "large", {"padding": "y" * 5000})
    usage = await phone.storage_usage()
    assert usage.used_bytes <= (usage.limit_bytes or 0)
    await phone.set_storage_limit(None)


async def test_m8_an_eviction_has_to_be_told_how_much(phone: SyncManager) -> None:
    """And a limit is a number of bytes."""
    with pytest.raises(ConfigError, match="count"):
        await phone.evict()
    with pytest.raises(ConfigError, match="count"):
        await phone.evict(count=-1)
    with pytest.raises(ConfigError, match="bytes"):
        await phone.set_storage_limit(0)


async def test_m6_documents_expire_here_and_never_on_the_server(phone: SyncManager, device: DeviceMaker) -> None:
    """Only clean ones, by the clock of the store; a field that names no moment keeps its document."""
    now_ms = phone._store.clock.now_ms()
    moments = {"old": now_ms - 90_000, "text": "2001-01-01T00:00:00Z", "young": now_ms, "odd": "soon", "none": None}
    for key, at in moments.items():
        await phone.save_document("notes", key, {"at": at})
    await phone.create_ttl_index("notes", "at", 60)
    assert (await phone.cleanup()).documents == 0
    await filled(phone, "other")
    await phone.save_document("notes", "text", {"edited": True})
    assert (await phone.cleanup()).documents == 1
    assert await keys(phone) == ["none", "odd", "other", "text", "young"]
    assert (await phone.sync_now()).success
    laptop = device("laptop")
    await laptop.sync_now()
    assert "old" in await keys(laptop)
    assert [index.field for index in await phone.list_ttl_indexes()] == ["at"]
    assert await phone.drop_ttl_index("notes", "at")
    assert not await phone.drop_ttl_index("notes", "at")
    with pytest.raises(ConfigError, match="expire_after_secs"):
        await phone.create_ttl_index("notes", "at", -1)


async def test_m8_the_usage_of_a_file_adds_up_and_the_file_shrinks_after_an_eviction(
    device: DeviceMaker, tmp_path: Any
) -> None:
    """N9: every page is counted under what it is for; those that are not used any more leave the file."""
    phone = device("phone", engine="sqlite", path=str(tmp_path / "phone.db"))
    async with phone.transaction() as transaction:
        for number in range(100):
            await transaction.save_document("notes", f"k{number}", {"padding": "x" * 4000})
    await phone.create_index("notes", "padding")
    before = await phone.storage_usage()
    assert min(before.documents_bytes, before.outbox_bytes, before.indexes_bytes) > 100 * 4000
    parts = before.used_bytes + before.free_bytes + before.log_bytes
    assert before.total_bytes == parts
    for _ in range(2):
        assert (await phone.sync_now()).success
    assert (await phone.evict(count=100)).documents == 100
    after = await phone.storage_usage()
    assert after.free_bytes == 0
    assert (after.documents_bytes < 20_000, after.used_bytes * 3 < before.used_bytes) == (True, True)


async def test_m6_what_has_expired_leaves_without_anybody_asking(device: DeviceMaker) -> None:
    """While the manager syncs by itself; the document becomes clean only with a round of its own."""
    phone = device("phone", auto_sync=True, sync_interval_secs=0.05, cleanup_interval_secs=0.02)
    await phone.create_ttl_index("notes", "at", 60)
    left: asyncio.Queue[Any] = asyncio.Queue()
    phone.on_change(left.put_nowait)
    await phone.start()
    await phone.save_document("notes", "young", {"at": phone._store.clock.now_ms()})
    await phone.save_document("notes", "old", {"at": 0})
    while (event := await asyncio.wait_for(left.get(), 30)).type != "delete":
        pass
    assert (event.key, event.reason) == ("old", "expired")
    assert await keys(phone) == ["young"]


async def test_m6_a_cleanup_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []
    succeeded = asyncio.Event()

    async def clean_up() -> None:
        done.append(len(done))
        if len(done) == 1:
            raise StorageError("the disk is busy")
        succeeded.set()

    cleaning = asyncio.create_task(clean_up_for_ever(clean_up, interval_seconds=0.01))
    await asyncio.wait_for(succeeded.wait(), 30)
    cleaning.cancel()
    assert "the disk is busy" in caplog.text


def test_m6_the_interval_of_cleanups_is_checked() -> None:
    assert SyncConfig(cleanup_interval_secs=None).cleanup_interval_secs is None
    with pytest.raises(ConfigError, match="cleanup_interval_secs: expected a number"):
        SyncConfig(cleanup_interval_secs=0)


def test_m8_a_file_gives_pages_back_in_portions() -> None:
    """A commit moves so many pages at most, so that no save waits for a gigabyte; one that can't shrink is left as it is."""
    for mode, kept in (("INCREMENTAL", 0), ("NONE", 50)):
        file = apsw.Connection(":memory:")
        file.execute(
            f"PRAGMA auto_vacuum = {mode}; CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(50 * 4096)); DELETE FROM t"
        )
        free = [free_pages(file)]
        while give_back(file, pages_max=7):
            free.append(free_pages(file))
        assert len(free) == (1 if kept else (free[0] + 6) // 7)
        assert all(before - after == 7 for before, after in pairwise(free))
        assert free_pages(file) >= kept


def free_pages(file: apsw.Connection) -> int:
    count = file.pragma("freelist_count")
    assert isinstance(count, int)
    return count
