"""How long one local call takes at worst (O2): p99 of reads, saves and queries, with nothing else going on and in a sync.

The budget is that of a screen: a frame at 60 a second is 16.7 ms. Every call must fit into one when nothing else goes on,
a save with full durability too, on a disk that flushes in a millisecond; and into three while a sync moves thousands of
documents.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.documents import documents
from benchmarks.report import Figure
from benchmarks.server_process import RunningServer, running_server
from solidb_sync import LocalStore, SyncConfig, SyncManager

COUNT = 10_000
CALLS = 1_000
FRAME_MS = 1000 / 60
PAUSE_SECONDS = 0.001
PAIRS = documents(COUNT)
QUERY = "FOR u IN users FILTER u._key == @key RETURN u"

Call = Callable[[int], Awaitable[object]]


async def _latencies(call: Call, until: Callable[[], bool]) -> list[float]:
    """Return the milliseconds of each of many calls, a short pause between them, for as long as it says."""
    taken: list[float] = []
    while until() and len(taken) < CALLS:
        begun = time.perf_counter()
        await call(len(taken))
        taken.append((time.perf_counter() - begun) * 1000)
        await asyncio.sleep(PAUSE_SECONDS)
    return taken


def _calls(manager: SyncManager, name: str) -> dict[str, Call]:
    keys = [key for key, _ in PAIRS]
    chance = random.Random(1)
    return {
        "get_document": lambda _: manager.get_document("users", chance.choice(keys)),
        "query of one document": lambda _: manager.query(QUERY, {"key": chance.choice(keys)}),
        "save_document": lambda n: manager.save_document("saves", f"{name}-{n}", PAIRS[n][1]),
    }


async def _in_sync(manager: SyncManager, fill: SyncManager) -> dict[str, list[float]]:
    """Return latencies while the manager's own rounds push and pull thousands of documents."""
    taken: dict[str, list[float]] = {}
    for turn, (name, call) in enumerate(_calls(manager, "busy").items()):
        for device in (manager, fill):
            await _fill(device, f"batch{turn}{device is fill}")
        await fill.sync_now()
        round_ = asyncio.ensure_future(manager.sync_now())
        taken[name] = await _latencies(call, lambda round_=round_: not round_.done())
        assert (await round_).success
    return taken


async def _fill(manager: SyncManager, collection: str) -> None:
    for start in range(0, COUNT, 500):
        await asyncio.gather(*(manager.save_document(collection, key, doc) for key, doc in PAIRS[start : start + 500]))


async def _measured(server: RunningServer, directory: Path) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    config = SyncConfig(auto_sync=False, batch_size=1_000)
    with (
        LocalStore.open(directory / "phone.db", "phone") as store,
        LocalStore.open(directory / "laptop.db", "laptop") as other,
    ):
        phone = SyncManager(store, server.client("bench"), config)
        laptop = SyncManager(other, server.client("bench"), config)
        await _fill(phone, "users")
        await phone.sync_now()
        quiet = {name: await _latencies(call, lambda: True) for name, call in _calls(phone, "quiet").items()}
        busy = await _in_sync(phone, laptop)
        await phone.stop()
        await laptop.stop()
    return quiet, busy


def _p99(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=100)[98]


def measure() -> list[Figure]:
    """Return the p99 of each call."""
    with tempfile.TemporaryDirectory() as name, running_server() as server:
        quiet, busy = asyncio.run(_measured(server, Path(name)))
    figures = [Figure(f"{call}, p99", _p99(taken), "ms", most=FRAME_MS) for call, taken in quiet.items()]
    for call, taken in busy.items():
        figures.append(Figure(f"{call}, in a sync ({len(taken)} calls), p99", _p99(taken), "ms", most=3 * FRAME_MS))
        figures.append(Figure(f"{call}, in a sync, p50", statistics.median(taken), "ms"))
    return figures
