"""10,000 pending documents pushed, and pulled by an empty device, against one `executemany` of plain `sqlite3`."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.documents import documents, json_rows
from benchmarks.report import Figure
from benchmarks.server_process import RunningServer, running_server
from solidb_sync import LocalStore, SyncConfig, SyncManager

COUNT = 10_000
RUNS = 5
BATCH = 1_000
PAIRS = documents(COUNT)
ROWS = json_rows(PAIRS)


def plain_insert(directory: Path) -> float:
    """Return the seconds that one `executemany` insert of the documents takes, commit included."""
    connection = sqlite3.connect(directory / "plain.db")
    connection.execute("CREATE TABLE documents (key TEXT PRIMARY KEY, body TEXT)")
    connection.commit()
    begun = time.perf_counter()
    connection.executemany("INSERT INTO documents VALUES (?, ?)", ROWS)
    connection.commit()
    taken = time.perf_counter() - begun
    connection.close()
    return taken


async def push_and_pull(server: RunningServer, directory: Path, database: str) -> tuple[float, float]:
    """Return the seconds of the round that pushes, and of the round that pulls into an empty store."""
    config = SyncConfig(batch_size=BATCH, auto_sync=False)
    with LocalStore.open(directory / "a.db", "device-a") as first, LocalStore.open(directory / "b.db", "device-b") as second:
        author = SyncManager(first, server.client(database), config)
        reader = SyncManager(second, server.client(database), config)
        for start in range(0, COUNT, 500):
            await asyncio.gather(*(author.save_document("users", key, doc) for key, doc in PAIRS[start : start + 500]))
        await author.ping()
        pushing = await _timed_round(author)
        await reader.ping()
        pulling = await _timed_round(reader)
        assert len(await reader.query_documents("users")) == COUNT
        await author.stop()
        await reader.stop()
    return pushing, pulling


async def _timed_round(manager: SyncManager) -> float:
    begun = time.perf_counter()
    result = await manager.sync_now()
    taken = time.perf_counter() - begun
    assert result.success, result.errors
    assert result.pushed + result.pulled == COUNT
    return taken


def measure() -> list[Figure]:
    """Return both ratios, each the median of runs that alternate with plain SQLite."""
    plain, pushed, pulled = [], [], []
    with running_server() as server:
        for run in range(RUNS):
            with tempfile.TemporaryDirectory() as name:
                directory = Path(name)
                plain.append(plain_insert(directory))
                pushing, pulling = asyncio.run(push_and_pull(server, directory, f"bulk{run}"))
                pushed.append(pushing)
                pulled.append(pulling)
    base = statistics.median(plain)
    return [
        Figure("plain sqlite3 executemany", COUNT / base, "documents/s"),
        Figure("push 10,000 pending / plain", base / statistics.median(pushed), "x", least=0.15),
        Figure("pull 10,000 into an empty device / plain", base / statistics.median(pulled), "x", least=0.33),
    ]
