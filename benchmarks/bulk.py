"""10,000 pending documents pushed, and pulled by an empty device, against one `executemany` of plain `sqlite3`.

Two plain inserts stand beside each other: of JSON text that is ready, which no program ever has, and of documents that are
turned into text on the way, as any program must.
"""

from __future__ import annotations

import asyncio
import json
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


def plain_insert(directory: Path, *, is_text_ready: bool) -> float:
    """Return the seconds that one `executemany` insert of the documents takes, commit included."""
    connection = sqlite3.connect(directory / f"plain-{is_text_ready}.db")
    connection.execute("CREATE TABLE documents (key TEXT PRIMARY KEY, body TEXT)")
    connection.commit()
    begun = time.perf_counter()
    rows = ROWS if is_text_ready else ((key, json.dumps(document)) for key, document in PAIRS)
    connection.executemany("INSERT INTO documents VALUES (?, ?)", rows)
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
    """Return the ratios, each the median of runs that alternate with plain SQLite."""
    ready, serialised, pushed, pulled = [], [], [], []
    with running_server() as server:
        for run in range(RUNS):
            with tempfile.TemporaryDirectory() as name:
                directory = Path(name)
                ready.append(plain_insert(directory, is_text_ready=True))
                serialised.append(plain_insert(directory, is_text_ready=False))
                pushing, pulling = asyncio.run(push_and_pull(server, directory, f"bulk{run}"))
                pushed.append(pushing)
                pulled.append(pulling)
    text, dumped, push, pull = map(statistics.median, (ready, serialised, pushed, pulled))
    return [
        Figure("plain sqlite3 executemany, JSON text ready", COUNT / text, "documents/s"),
        Figure("plain sqlite3 executemany, with json.dumps", COUNT / dumped, "documents/s"),
        Figure("push 10,000 pending / plain, text ready", text / push, "x", least=0.15),
        Figure("pull 10,000, empty device / plain, text ready", text / pull, "x", least=0.33),
        Figure("push 10,000 pending / plain, with json.dumps", dumped / push, "x"),
        Figure("pull 10,000, empty device / plain, with json.dumps", dumped / pull, "x"),
    ]
