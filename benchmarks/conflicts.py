"""How long two devices take to agree on 1,000 documents that both have edited, every one of them in conflict.

The server is a process of its own, the devices are stores on the disk. The clock runs from the first push to the moment when
nobody has anything to send or to fetch.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.report import Figure
from benchmarks.server_process import RunningServer, running_server
from solidb_sync import ConflictStrategy, LocalStore, SyncConfig, SyncManager

DOCUMENTS = 1_000
RUNS = 3
STRATEGIES = {"last write wins": ConflictStrategy.LAST_WRITE_WINS, "manual": ConflictStrategy.MANUAL}


async def agreement_seconds(server: RunningServer, directory: Path, strategy: ConflictStrategy, database: str) -> float:
    """Return the seconds from the first push to agreement."""
    config = SyncConfig(auto_sync=False, batch_size=1_000, conflict_strategy=strategy)
    with (
        LocalStore.open(directory / f"{database}-one.db", "one") as first,
        LocalStore.open(directory / f"{database}-two.db", "two") as second,
    ):
        devices = [SyncManager(store, server.client(database), config) for store in (first, second)]
        one, two = devices
        await _save_all(one, "start")
        for device in devices:
            await _synced(device)
        await _save_all(one, "one")
        await _save_all(two, "two")
        begun = time.perf_counter()
        await _synced(one)
        found = await _synced(two)
        await _synced(one)
        seconds = time.perf_counter() - begun
        assert found == DOCUMENTS, f"{found} conflicts, expected {DOCUMENTS}"
        assert await one.query_documents("notes") == await two.query_documents("notes")
        for device in devices:
            await device.stop()
    return seconds


async def _save_all(device: SyncManager, text: str) -> None:
    async with device.transaction() as transaction:
        for number in range(DOCUMENTS):
            await transaction.save_document("notes", f"note-{number}", {"text": text, "number": number})


async def _synced(device: SyncManager) -> int:
    result = await device.sync_now()
    assert result.success, result.errors
    return len(result.conflicts)


def measure() -> list[Figure]:
    """Return the middle of some runs for two strategies: one that decides at once, and one that leaves all of it open."""
    figures = []
    with running_server() as server, tempfile.TemporaryDirectory() as name:
        for title, strategy in STRATEGIES.items():
            runs = [
                asyncio.run(agreement_seconds(server, Path(name), strategy, f"{strategy.name}-{run}")) for run in range(RUNS)
            ]
            figures.append(Figure(f"1,000 conflicts, {title}, to agreement", statistics.median(runs), "s", most=1))
    return figures
