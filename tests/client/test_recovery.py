"""A server that went back in time, or was replaced (5.17): what any device holds comes back, and nothing old wins.

Real server processes; a backup is a copy of the data directory, put back in its place.
"""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lossy_client import LossyClient
from server_process import ADMIN_KEY, ServerProcess
from solidb_sync import LocalStore, SyncConfig, SyncManager

pytestmark = pytest.mark.anyio


class RestorableServer:
    """A server whose data can be put back to how they were."""

    def __init__(self, path: Path) -> None:
        self.data, self.backup = path / "data", path / "backup"
        self.process = ServerProcess(self.data, options=("--retention-days", "0"))  # maintenance waits for nobody

    def forget(self) -> None:
        """Collect tombstones and compact vectors."""
        address = f"http://{self.process.address}/_api/sync/maintenance/db"
        request = urllib.request.Request(address, method="POST", headers={"X-API-Key": ADMIN_KEY})
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200

    def back_up(self) -> None:
        """Copy the data while no server runs."""
        self.process.stop()
        shutil.copytree(self.data, self.backup)
        self.process.start()

    def restore(self) -> None:
        """Put the copy in the place of the data."""
        self.process.stop()
        shutil.rmtree(self.data)
        shutil.copytree(self.backup, self.data)
        self.process.start()

    def lose_everything(self) -> None:
        """Begin with an empty directory."""
        self.process.stop()
        shutil.rmtree(self.data)
        self.process.start()


@pytest.fixture
def restorable(tmp_path: Path) -> Any:
    server = RestorableServer(tmp_path)
    yield server
    server.process.stop()


@pytest.fixture
async def device(restorable: RestorableServer, anyio_backend: str) -> AsyncIterator[Callable[..., SyncManager]]:
    made: list[SyncManager] = []

    def make(name: str, *, lossy: bool = False, **settings: Any) -> SyncManager:
        store = LocalStore.open(":memory:", name, engine="memory")
        wire: Any = restorable.process.client("db")
        wire = LossyClient(wire, []) if lossy else wire
        manager = SyncManager(store, wire, SyncConfig(**{"auto_sync": False, **settings}))
        made.append(manager)
        return manager

    yield make
    for manager in made:
        await manager.stop()
        manager._store.close()


async def sync_all(*devices: SyncManager) -> None:
    """Two rounds each: what one brings in the first reaches the others in the second."""
    for _ in range(2):
        for manager in devices:
            result = await manager.sync_now()
            assert result.success, result.errors


async def documents(manager: SyncManager) -> dict[str, Any]:
    """Return the notes without what reads add."""
    shown = {"_key", "_id"}
    return {
        key: {name: value for name, value in document.items() if name not in shown}
        for key, document in await manager.query_documents("notes")
    }


async def test_nothing_any_device_holds_is_lost_when_a_backup_is_restored(
    restorable: RestorableServer, device: Callable[..., SyncManager]
) -> None:
    """Invariants 1 and 11: edits, new documents and deletions made after the backup are all there again."""
    phone, laptop = device("phone"), device("laptop")
    for key in ("kept", "edited", "deleted", "both"):
        await phone.save_document("notes", key, {"v": 0, "w": 0})
    await sync_all(phone, laptop)
    restorable.back_up()
    await phone.save_document("notes", "edited", {"v": 1})
    await phone.save_document("notes", "new", {"v": 1})
    await phone.delete_document("notes", "deleted")
    await phone.save_document("notes", "both", {"v": 1})
    await sync_all(phone, laptop)
    await laptop.save_document("notes", "both", {"w": 2})
    await laptop.save_document("notes", "only pushed", {"v": 2})
    await laptop.sync_now()
    expected = await documents(laptop)
    await phone.save_document("notes", "unsent", {"v": 3})
    restorable.restore()
    await sync_all(phone, laptop)
    expected["unsent"] = {"v": 3}
    assert await documents(phone) == await documents(laptop) == expected
    fresh = device("fresh")
    await sync_all(fresh)
    assert await documents(fresh) == expected
    assert "deleted" not in expected
    for manager in (phone, laptop):
        assert (await manager.conflict_log(), await manager.rejected_changes()) == ([], [])
        version = (await manager.get_document("notes", "both", meta=True) or {})["_version"]
        assert version == {"phone": 8, "laptop": 1}


async def test_what_was_written_after_a_backup_wins_though_its_vectors_were_compacted(
    restorable: RestorableServer, device: Callable[..., SyncManager]
) -> None:
    """1, 38: the newer version names none of the edits in the older one any more, and is newer all the same."""
    phone, laptop = device("phone"), device("laptop")
    for key in ("edited", "again"):
        await phone.save_document("notes", key, {"v": 0, "w": 0})
    await sync_all(phone, laptop)
    restorable.back_up()
    for manager in (phone, laptop):
        for key in ("edited", "again"):
            await manager.save_document("notes", key, {"v": manager._store.device_id})
        await sync_all(phone, laptop)
    restorable.forget()
    for manager in (phone, laptop):
        await manager.save_document("notes", "again", {"w": manager._store.device_id})
        await sync_all(phone, laptop)
    fresh = device("fresh")
    await sync_all(fresh)
    expected = await documents(fresh)
    assert expected == {"edited": {"v": "laptop", "w": 0}, "again": {"v": "laptop", "w": "laptop"}}
    restorable.restore()
    await sync_all(fresh, phone, laptop)
    for manager in (fresh, phone, laptop):
        assert await documents(manager) == expected
        assert await manager.conflict_log() == []


async def test_what_was_deleted_and_forgotten_before_a_backup_stays_deleted_when_an_old_replica_offers_it(
    restorable: RestorableServer, device: Callable[..., SyncManager]
) -> None:
    """11: the server had no record of it when their histories parted, so it was deleted there."""
    phone, old = device("phone"), device("old")
    await phone.save_document("notes", "gone", {"v": 0})
    await sync_all(phone, old)
    await old.save_document("notes", "mine", {"v": 1})
    await phone.delete_document("notes", "gone")
    await phone.save_document("notes", "kept", {"v": 0})
    await sync_all(phone)
    restorable.forget()
    restorable.back_up()
    await phone.save_document("notes", "new", {"v": 1})
    await sync_all(phone)
    restorable.restore()
    await sync_all(phone)
    await old._store.commit(lambda engine: engine.save_replica(replace(engine.replica(), run="9-lost")))  # offers then
    await sync_all(old, phone)
    assert await documents(old) == await documents(phone) == {"mine": {"v": 1}, "kept": {"v": 0}, "new": {"v": 1}}


async def test_counters_sets_and_maps_are_exact_after_a_restored_backup(
    restorable: RestorableServer, device: Callable[..., SyncManager]
) -> None:
    """31: what was counted after the backup counts, once, whoever brings it back, and counting goes on from there."""
    phone, laptop, tablet = device("phone"), device("laptop"), device("tablet")
    await phone.crdt_increment("notes", "c", "n", 3)
    await sync_all(phone, laptop, tablet)
    restorable.back_up()
    await phone.crdt_increment("notes", "c", "n", 2)
    await laptop.crdt_increment("notes", "c", "n", 10)
    await phone.crdt_add_to_set("notes", "c", "tags", "red")
    await laptop.crdt_map_put("notes", "c", "prices", "tea", 4)
    await sync_all(phone, laptop)
    await tablet.crdt_increment("notes", "c", "n", 100)
    restorable.restore()
    await sync_all(tablet, phone, laptop, tablet)
    expected = {"n": 115, "tags": ["red"], "prices": {"tea": 4}}
    for manager in (phone, laptop, tablet):
        assert (await documents(manager))["c"] == expected
    await laptop.crdt_decrement("notes", "c", "n", 15)
    await laptop.crdt_map_remove("notes", "c", "prices", "tea")
    await sync_all(laptop, phone, tablet)
    fresh = device("fresh")
    await sync_all(fresh)
    for manager in (phone, laptop, tablet, fresh):
        assert (await documents(manager))["c"] == {**expected, "n": 100, "prices": {}}


@pytest.mark.parametrize("first", ["phone", "laptop"])
@pytest.mark.parametrize("last_answer", ["never", "before", "after"])
@pytest.mark.parametrize("restores", [1, 2])
async def test_what_was_under_way_when_the_server_lost_its_past_counts_once(
    restorable: RestorableServer, device: Callable[..., SyncManager], first: str, last_answer: str, restores: int
) -> None:
    """31: sent, never answered, and known to another device: it comes back under its old name, and is sent again.

    A device that had no answer since the backup was made does not even know that anything was lost.
    """
    has_synced = last_answer != "never"
    phone, laptop = device("phone", lossy=True, batch_size=3), device("laptop")
    in_turn = (phone, laptop) if first == "phone" else (laptop, phone)
    if has_synced:
        await phone.crdt_increment("notes", "c", "n", 1)
        await sync_all(phone, laptop)
    restorable.back_up()
    if last_answer == "after":
        await sync_all(phone)
    await phone.crdt_increment("notes", "c", "n", 10)
    await phone.crdt_orset_add("notes", "c", "tags", "red")
    await phone.crdt_map_put("notes", "c", "prices", "tea", 4)
    await phone.crdt_increment("notes", "c", "n", 100)
    phone._transport.lost += ["answer"]
    assert not (await phone.sync_now()).success
    await laptop.sync_now()
    assert (await documents(laptop))["c"]["n"] == 10 + has_synced, "the first three edits were sent"
    await laptop.crdt_orset_remove("notes", "c", "tags", "red")
    await sync_all(laptop)
    for _ in range(restores):
        restorable.restore()
        for manager in in_turn:
            phone._transport.lost[:] = [""] * 4 + ["answer"] * 2
            await manager.sync_now()
    phone._transport.lost.clear()
    await sync_all(*in_turn)
    for manager in (phone, laptop):
        assert (await documents(manager))["c"] == {"n": 110 + has_synced, "tags": [], "prices": {"tea": 4}}


async def test_a_stale_replica_overrules_nobody_in_whatever_order_devices_come(
    restorable: RestorableServer, device: Callable[..., SyncManager]
) -> None:
    """The original vectors are compared: the replica that has less adds nothing, before or after the one that has more."""
    for first in ("stale", "newest"):
        stale, newest = device("stale"), device("newest")
        await newest.save_document("notes", first, {"v": 0})
        await sync_all(newest, stale)
        if not restorable.backup.exists():
            restorable.back_up()
        await newest.save_document("notes", first, {"v": 1})
        await sync_all(newest, stale)
        await newest.save_document("notes", first, {"v": 2})
        await newest.sync_now()
        restorable.restore()
        await sync_all(*((stale, newest) if first == "stale" else (newest, stale)))
        for manager in (stale, newest):
            assert (await documents(manager))[first] == {"v": 2}
            assert await manager.conflict_log() == []
        shutil.rmtree(restorable.backup)


async def test_a_deletion_stays_when_a_device_that_missed_it_offers_the_document(
    restorable: RestorableServer, device: Callable[..., SyncManager]
) -> None:
    """Invariant 11: the deletion includes what the stale device has."""
    phone, stale = device("phone"), device("stale")
    await phone.save_document("notes", "other", {"v": 0})
    await sync_all(phone)
    restorable.back_up()
    await phone.save_document("notes", "gone", {"v": 0})
    await sync_all(phone, stale)
    await phone.delete_document("notes", "gone")
    await phone.sync_now()
    restorable.restore()
    await sync_all(stale, phone)
    assert "gone" not in await documents(stale)
    assert "gone" not in await documents(phone)


async def test_an_edit_made_after_the_restore_and_what_was_lost_are_joined_and_the_overlap_is_logged(
    restorable: RestorableServer, device: Callable[..., SyncManager]
) -> None:
    """Neither had seen the other: fields of one side only are all there, the field of both stays and is reported."""
    phone, laptop, other = device("phone"), device("laptop"), device("other")
    await phone.save_document("notes", "a", {"v": 0, "w": 0, "u": 0})
    await sync_all(phone, other)
    restorable.back_up()
    await phone.save_document("notes", "a", {"v": 1, "w": 1})
    await phone.sync_now()
    restorable.restore()
    await laptop.sync_now()
    await laptop.save_document("notes", "a", {"w": 2, "u": 2})
    await laptop.sync_now()
    await sync_all(phone, laptop, other)
    for manager in (phone, laptop, other):
        assert (await documents(manager))["a"] == {"v": 1, "w": 2, "u": 2}
    (conflict,) = await phone.conflict_log()
    assert (set(conflict.fields), conflict.winner, conflict.local_version["w"]) == ({"w", "u"}, "remote", 1)


async def test_a_server_that_begins_anew_gets_everything_back(
    restorable: RestorableServer, device: Callable[..., SyncManager]
) -> None:
    """Another database under the same name: every device offers what it has, and offering again changes nothing."""
    phone, laptop = device("phone", batch_size=10), device("laptop")
    for number in range(25):
        await phone.save_document("notes", f"n{number:02}", {"number": number})
    await sync_all(phone, laptop)
    await phone.delete_document("notes", "n03")
    await phone.save_document("notes", "n04", {"edited": True})
    await phone.sync_now()
    before = await documents(phone)
    restorable.lose_everything()
    await phone.sync_now()
    status = (await phone.status()).cursor
    await sync_all(laptop, phone)
    assert await documents(phone) == await documents(laptop) == before
    assert (await phone.status()).cursor == status, "the laptop's offer added nothing"


async def test_an_offering_that_was_broken_off_goes_on_where_it_was(
    restorable: RestorableServer, device: Callable[..., SyncManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page in doubt is offered again, those before it are not."""
    monkeypatch.setattr("solidb_sync.client.recovery.CHANGES_PER_BATCH_MAX", 3)
    phone = device("phone")
    for number in range(10):
        await phone.save_document("notes", f"n{number}", {"number": number})
    await phone.sync_now()
    restorable.lose_everything()
    exchange, offered = phone._transport.exchange, list[int]()

    async def breaking_off(method: str, path: str, **rest: Any) -> Any:
        answer = await exchange(method, path, **rest)
        if "/offer/" in path:
            offered.append(rest["body"].count(b'"key"'))
            if len(offered) == 2:
                raise ConnectionError("the line is cut after the server has answered")
        return answer

    phone._transport.exchange = breaking_off  # type: ignore[method-assign]
    assert not (await phone.sync_now()).success
    assert len(await documents(phone)) == 10
    assert (await phone.sync_now()).success
    assert offered == [3, 3, 3, 3, 1]
    laptop = device("laptop")
    await laptop.sync_now()
    assert await documents(laptop) == await documents(phone)


async def test_a_full_resync_does_not_forget_what_the_server_has_lost(
    restorable: RestorableServer, device: Callable[..., SyncManager]
) -> None:
    """It asks first, and offers; only `discard_local` takes the server's state as it is."""
    phone = device("phone")
    await phone.save_document("notes", "a", {"v": 0})
    await phone.sync_now()
    restorable.back_up()
    await phone.save_document("notes", "b", {"v": 1})
    await phone.sync_now()
    restorable.restore()
    told: list[Any] = []
    phone.on_event(told.append)
    assert (await phone.full_resync()).success
    assert [event.reason for event in told if event.kind.value == "resync"][1:] == ["lost_history"]
    assert set(await documents(phone)) == {"a", "b"}
    restorable.restore()
    assert (await phone.full_resync(discard_local=True)).success
    assert set(await documents(phone)) == {"a"}


async def test_a_restart_is_no_loss(restorable: RestorableServer, device: Callable[..., SyncManager]) -> None:
    """Every start is a new run; devices go on where they were."""
    phone, laptop = device("phone", batch_size=2), device("laptop", batch_size=2)
    for number in range(7):
        await phone.save_document("notes", f"n{number}", {"number": number})
        restorable.process.kill()
        restorable.process.start()
        await sync_all(phone, laptop)
    assert (await phone.status()).requests == 14 + 0
    assert await documents(phone) == await documents(laptop)
