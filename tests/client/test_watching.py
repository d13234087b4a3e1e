"""Watching a query: its results now, and again when a change has altered them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import sdbql
from device_types import DeviceMaker
from solidb_sync import HttpClient, LocalStore, SyncConfig, SyncManager
from solidb_sync.client.watching import Watch

pytestmark = pytest.mark.anyio
SOON = 20
OPEN = "FOR t IN tasks FILTER t.state == 'open' SORT t.n RETURN t.n"


@pytest.fixture(params=["memory", "sqlite", "rocksdb"])
async def manager(request: pytest.FixtureRequest, tmp_path: Path, anyio_backend: str) -> AsyncIterator[SyncManager]:
    """A manager without a server."""
    store = LocalStore.open(str(tmp_path / "store.db"), "phone", engine=request.param)
    manager = SyncManager(store, HttpClient("http://127.0.0.1:9", database="none"), SyncConfig(auto_sync=False))
    await manager.save_document("tasks", "1", {"n": 1, "state": "open"})
    yield manager
    await manager.stop()
    store.close()


async def _next(watch: Watch) -> list[object]:
    async with asyncio.timeout(SOON):
        return await anext(watch)


class CountedRuns:
    """Counts how often the query of a watch ran."""

    def __init__(self, watch: Watch) -> None:
        self.count = 0
        original = watch._run

        async def run() -> list[object]:
            self.count += 1
            return await original()

        watch._run = run


async def test_the_first_result_comes_at_once_and_then_one_for_each_change(manager: SyncManager) -> None:
    watch = manager.watch(OPEN)
    assert await _next(watch) == [1]
    await manager.save_document("tasks", "2", {"n": 2, "state": "open"})
    assert await _next(watch) == [1, 2]
    await manager.save_document("tasks", "1", {"state": "done"})
    assert await _next(watch) == [2]
    await manager.delete_document("tasks", "2")
    assert await _next(watch) == []


async def test_a_change_that_cannot_alter_the_result_runs_nothing(manager: SyncManager) -> None:
    watch = manager.watch(OPEN)
    runs = CountedRuns(watch)
    assert await _next(watch) == [1]
    await manager.save_document("tasks", "9", {"n": 9, "state": "done"})
    await manager.save_document("notes", "1", {"n": 9, "state": "open"})
    waiting = asyncio.ensure_future(_next(watch))
    await asyncio.sleep(0)
    assert runs.count == 1
    await manager.save_document("tasks", "2", {"n": 2, "state": "open"})
    assert await waiting == [1, 2]
    assert runs.count == 2


async def test_changes_between_two_reads_are_seen_together(manager: SyncManager) -> None:
    watch = manager.watch(OPEN)
    runs = CountedRuns(watch)
    await _next(watch)
    for number in range(2, 50):
        await manager.save_document("tasks", str(number), {"n": number, "state": "open"})
    assert await _next(watch) == list(range(1, 50))
    assert runs.count == 2


async def test_a_result_that_is_the_same_is_not_told_again(manager: SyncManager) -> None:
    watch = manager.watch(OPEN)
    await _next(watch)
    waiting = asyncio.ensure_future(_next(watch))
    await manager.save_document("tasks", "1", {"note": "not looked at"})
    await manager.save_document("tasks", "1", {"n": 1.0})  # another number than 1
    assert str(await waiting) == "[1.0]"


async def test_a_change_during_the_run_makes_it_run_again(manager: SyncManager) -> None:
    watch = manager.watch(OPEN)
    original = watch._run

    async def run() -> list[object]:
        results = await original()
        watch._run = original
        await manager.save_document("tasks", "2", {"n": 2, "state": "open"})
        return results

    watch._run = run
    assert await _next(watch) == [1]
    assert await _next(watch) == [1, 2]


async def test_what_a_query_raises_goes_to_the_reader_who_may_go_on(manager: SyncManager) -> None:
    watch = manager.watch("FOR t IN tasks RETURN 6 / t.n")
    assert await _next(watch) == [6]
    await manager.save_document("tasks", "1", {"n": 0})
    with pytest.raises(sdbql.ExecutionError):
        await _next(watch)
    await manager.save_document("tasks", "1", {"n": 2})
    assert await _next(watch) == [3]


async def test_a_reader_that_gives_up_waiting_misses_nothing(manager: SyncManager) -> None:
    watch = manager.watch(OPEN)
    await _next(watch)
    waiting = asyncio.ensure_future(_next(watch))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await manager.save_document("tasks", "2", {"n": 2, "state": "open"})
    assert await _next(watch) == [1, 2]


async def test_stopping_the_manager_ends_the_iteration(manager: SyncManager) -> None:
    watch = manager.watch(OPEN)
    assert await _next(watch) == [1]
    waiting = asyncio.ensure_future(_next(watch))
    await asyncio.sleep(0)
    await manager.stop()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_a_watch_that_is_closed_listens_no_more(manager: SyncManager) -> None:
    watch = manager.watch(OPEN)
    assert manager._notifications.has_listeners
    await watch.aclose()
    assert not manager._notifications.has_listeners
    with pytest.raises(StopAsyncIteration):
        await _next(watch)


async def test_a_query_that_cannot_be_run_is_an_error_at_once(manager: SyncManager) -> None:
    with pytest.raises(sdbql.ParseError):
        manager.watch("FOR t IN")
    with pytest.raises(sdbql.ExecutionError, match="@state"):
        manager.watch("FOR t IN tasks FILTER t.state == @state RETURN t")


async def test_changes_of_other_devices_are_seen(device: DeviceMaker) -> None:
    """L3 and L4: a remote change alters a watched result as a local one does."""
    phone, laptop = device("phone"), device("laptop")
    await phone.save_document("tasks", "1", {"n": 1, "state": "open"})
    await phone.sync_now()
    await laptop.sync_now()
    watch = laptop.watch(OPEN)
    assert await _next(watch) == [1]
    await phone.save_document("tasks", "2", {"n": 2, "state": "open"})
    await phone.sync_now()
    await laptop.sync_now()
    assert await _next(watch) == [1, 2]
