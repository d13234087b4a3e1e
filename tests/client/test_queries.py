"""Queries of a manager: bounded, and ended when nobody waits for them any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import sdbql
from solidb_sync import HttpClient, LocalStore, SyncConfig, SyncManager
from solidb_sync.clock import SystemClock

pytestmark = pytest.mark.anyio
SOON = 20
LONG = "FOR a IN n FOR b IN n FOR c IN n FOR d IN n FOR e IN n FOR f IN n FILTER a.n + f.n < 0 RETURN 1"
WITHOUT_LIMITS = sdbql.Limits(steps_max=10**15, time_ms_max=10**9, rows_held_max=10**9)


class ObservedClock(SystemClock):
    """A clock that says when a thread other than the one that made it looks at it: a query is running."""

    def __init__(self) -> None:
        self._maker = threading.get_ident()
        self.query_looked = threading.Event()

    def monotonic(self) -> float:
        if threading.get_ident() != self._maker:
            self.query_looked.set()
        return super().monotonic()


@pytest.fixture
def clock() -> ObservedClock:
    return ObservedClock()


@pytest.fixture(params=["memory", "sqlite", "rocksdb"])
async def manager(
    request: pytest.FixtureRequest, clock: ObservedClock, tmp_path: Path, anyio_backend: str
) -> AsyncIterator[SyncManager]:
    """A manager over a store with a hundred documents, without a server."""
    store = LocalStore.open(str(tmp_path / "store.db"), "phone", engine=request.param, durability="normal", clock=clock)
    manager = SyncManager(store, HttpClient("http://127.0.0.1:9", database="none"), SyncConfig(auto_sync=False))
    for number in range(100):
        await manager.save_document("n", f"{number}", {"n": number})
    yield manager
    await manager.stop()
    store.close()


async def test_cancelling_the_task_ends_the_query_and_frees_its_thread(manager: SyncManager, clock: ObservedClock) -> None:
    with ThreadPoolExecutor(max_workers=1) as executor:
        asyncio.get_running_loop().set_default_executor(executor)
        running = asyncio.create_task(manager.query(LONG, limits=WITHOUT_LIMITS))
        async with asyncio.timeout(SOON):
            while not clock.query_looked.is_set():
                await asyncio.sleep(0.005)
        clock.query_looked.clear()
        async with asyncio.timeout(SOON):
            while not clock.query_looked.is_set():
                await asyncio.sleep(0.005)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        async with asyncio.timeout(SOON):
            assert await asyncio.to_thread(threading.active_count)  # the only thread is free again
            assert await manager.query("FOR d IN n FILTER d.n == 7 RETURN d.n") == [7]


async def test_a_query_that_is_cancelled_while_it_waits_for_a_thread_never_runs(
    manager: SyncManager, clock: ObservedClock
) -> None:
    may_go_on = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as executor:
        asyncio.get_running_loop().set_default_executor(executor)
        occupied = asyncio.create_task(asyncio.to_thread(may_go_on.wait, SOON))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(manager.query(LONG, limits=WITHOUT_LIMITS))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        may_go_on.set()
        async with asyncio.timeout(SOON):
            assert await occupied
            assert await manager.query("RETURN 1") == [1]


async def test_a_query_takes_limits(manager: SyncManager) -> None:
    with pytest.raises(sdbql.QueryLimitError, match="steps_max"):
        await manager.query("FOR a IN n FOR b IN n RETURN 1", limits=sdbql.Limits(steps_max=1_000))
    with pytest.raises(sdbql.QueryLimitError, match="time_ms_max"):
        await manager.query(LONG, limits=sdbql.Limits(time_ms_max=1, steps_max=10**15))
