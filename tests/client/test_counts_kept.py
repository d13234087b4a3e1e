"""Counts over purged, resynced and restored stores, and the bound of a counter that several devices spend from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from device_types import DeviceMaker
from replicated_fields import field, in_step, states
from server_process import ServerProcess
from solidb_sync import CrdtBoundError, LocalStore, SyncConfig, SyncManager

pytestmark = pytest.mark.anyio
engines = pytest.mark.parametrize("engine", ["sqlite", "memory", "rocksdb"])


@pytest.fixture
def device(device: DeviceMaker, tmp_path: Path) -> DeviceMaker:
    """Makes managers whose stores are files where the engine has any."""
    return lambda name, engine="memory": device(name, engine=engine, path=tmp_path / name)


@engines
async def test_a_purged_collection_loses_no_count(device: DeviceMaker, engine: str) -> None:
    """5.9, invariant 31: totals are not computed from what a device happens to hold."""
    phone, laptop = device("phone", engine=engine), device("laptop", engine=engine)
    await phone.crdt_increment("notes", "k", "n", 3)
    await in_step(phone, laptop)
    await phone.unsubscribe("notes", purge=True)
    assert await phone.get_document("notes", "k") is None
    assert await phone.crdt_increment("notes", "k", "n", 2) == 2
    await phone.subscribe("notes")
    await in_step(phone, laptop)
    await in_step(phone, laptop)
    assert [await field(manager, "n") for manager in (phone, laptop)] == [5, 5]
    assert states(phone) == states(laptop)


@engines
async def test_a_full_resync_loses_no_count(device: DeviceMaker, engine: str) -> None:
    """N11, invariant 31: pending increments go on under a new incarnation, once."""
    phone, laptop = device("phone", engine=engine), device("laptop", engine=engine)
    await phone.crdt_increment("notes", "k", "n", 3)
    await in_step(phone, laptop)
    await phone.crdt_increment("notes", "k", "n", 2)
    assert (await phone.full_resync()).success
    await in_step(phone, laptop)
    assert [await field(manager, "n") for manager in (phone, laptop)] == [5, 5]
    assert states(phone) == states(laptop)


async def test_a_restored_store_counts_exactly(
    server: ServerProcess, new_database: Callable[[], str], tmp_path: Path
) -> None:
    """5.11, invariant 31: what was counted before and after the backup, on the store and on its copy, each once."""
    database = new_database()

    def opened(name: str) -> tuple[SyncManager, LocalStore]:
        store = LocalStore.open(tmp_path / name, "phone")
        return SyncManager(store, server.client(database), SyncConfig(auto_sync=False)), store

    manager, store = opened("store")
    await manager.crdt_increment("notes", "k", "n", 1)
    await in_step(manager)
    await manager.crdt_increment("notes", "k", "n", 10)
    store.backup(str(tmp_path / "copy"))
    await in_step(manager)
    await manager.crdt_increment("notes", "k", "n", 100)
    await in_step(manager)
    copy, copied = opened("copy")
    assert await copy.crdt_increment("notes", "k", "n", 1000) == 1011
    await in_step(copy)
    assert await field(copy, "n") == 1111
    await manager.crdt_increment("notes", "k", "n", 10000)
    await in_step(manager, copy)
    await in_step(manager, copy)
    assert [await field(one, "n") for one in (manager, copy)] == [11111, 11111]
    for one, kept in ((manager, store), (copy, copied)):
        await one.stop()
        kept.close()


@engines
async def test_two_offline_devices_never_take_a_bounded_counter_below_zero(device: DeviceMaker, engine: str) -> None:
    """H8's other half: each takes what it reserved, and is told at once when that is used up."""
    phone, laptop = device("phone", engine=engine), device("laptop", engine=engine)
    await phone.save_document("notes", "k", {"stock": 5})
    await in_step(phone, laptop)
    with pytest.raises(CrdtBoundError, match="'phone' may take 0, not 1: reserve or add first"):
        await phone.crdt_bounded_decrement("notes", "k", "stock")
    await phone.crdt_bounded_reserve("notes", "k", "stock", 3)
    await laptop.crdt_bounded_reserve("notes", "k", "stock", 9)
    assert await phone.crdt_bounded_rights("notes", "k", "stock") == 0
    await in_step(phone, laptop)
    await in_step(phone, laptop)
    assert [await one.crdt_bounded_rights("notes", "k", "stock") for one in (phone, laptop)] == [3, 2]
    assert await phone.crdt_bounded_decrement("notes", "k", "stock", 3) == 2
    assert await laptop.crdt_bounded_decrement("notes", "k", "stock", 2) == 3
    for manager in (phone, laptop):
        with pytest.raises(CrdtBoundError):
            await manager.crdt_bounded_decrement("notes", "k", "stock")
    await in_step(phone, laptop)
    await in_step(phone, laptop)
    assert [await field(manager, "stock") for manager in (phone, laptop)] == [0, 0]
    assert await phone.crdt_bounded_increment("notes", "k", "stock", 4) == 4
    await phone.crdt_bounded_release("notes", "k", "stock", 4)
    await laptop.crdt_bounded_reserve("notes", "k", "stock", 1)
    await in_step(phone, laptop)
    await laptop.crdt_bounded_reserve("notes", "k", "stock", 1)
    await in_step(phone, laptop)
    assert await laptop.crdt_bounded_rights("notes", "k", "stock") == 2
    assert states(phone) == states(laptop)


async def test_a_restored_device_that_spends_its_rights_again_is_refused(
    server: ServerProcess, new_database: Callable[[], str], tmp_path: Path
) -> None:
    """5.11: the second spending is a rejected change with the reason, and the counter stays at zero."""
    database = new_database()

    def opened(name: str) -> tuple[SyncManager, LocalStore]:
        store = LocalStore.open(tmp_path / name, "phone")
        return SyncManager(store, server.client(database), SyncConfig(auto_sync=False)), store

    manager, store = opened("store")
    await manager.crdt_bounded_increment("notes", "k", "stock", 2)
    await in_step(manager)
    store.backup(str(tmp_path / "copy"))
    await manager.crdt_bounded_decrement("notes", "k", "stock", 2)
    await in_step(manager)
    copy, copied = opened("copy")
    assert await copy.crdt_bounded_decrement("notes", "k", "stock", 2) == 0
    await copy.sync_now()
    (refused,) = await copy.rejected_changes()
    assert "CrdtBoundError: changes[0].crdt.stock: 'phone' may take 0, not 2" in refused.reason
    await copy.discard_rejected(refused.id)
    assert await field(copy, "stock") == 0
    for one, kept in ((manager, store), (copy, copied)):
        await one.stop()
        kept.close()
