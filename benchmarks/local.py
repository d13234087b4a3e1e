"""Local calls: point reads against a bare SELECT with `json.loads`, and concurrent saves against saves one by one."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.documents import documents, json_rows
from benchmarks.report import Figure
from solidb_sync import HttpClient, LocalStore, SyncConfig, SyncManager

COUNT = 10_000
READS = 10_000
SAVES = 100
RUNS = 7
PAIRS = documents(COUNT)


def _manager(store: LocalStore) -> SyncManager:
    return SyncManager(store, HttpClient("localhost:1", database="bench"), SyncConfig(auto_sync=False))


def bare_reads(directory: Path, keys: list[str]) -> float:
    """Return the seconds of point reads with plain `sqlite3`."""
    connection = sqlite3.connect(directory / "plain.db")
    connection.execute("CREATE TABLE IF NOT EXISTS documents (key TEXT PRIMARY KEY, body TEXT)")
    connection.executemany("INSERT OR REPLACE INTO documents VALUES (?, ?)", json_rows(PAIRS))
    connection.commit()
    begun = time.perf_counter()
    for key in keys:
        ((body,),) = connection.execute("SELECT body FROM documents WHERE key = ?", (key,)).fetchall()
        json.loads(body)
    taken = time.perf_counter() - begun
    connection.close()
    return taken


async def reads(manager: SyncManager, keys: list[str]) -> float:
    """Return the seconds of as many `get_document`s."""
    begun = time.perf_counter()
    for key in keys:
        await manager.get_document("users", key)
    return time.perf_counter() - begun


async def saves(manager: SyncManager, run: int) -> tuple[float, float]:
    """Return the seconds of 100 saves one after another, and of 100 at once."""
    begun = time.perf_counter()
    for number in range(SAVES):
        await manager.save_document("saves", f"one-{run}-{number}", PAIRS[number][1])
    one_by_one = time.perf_counter() - begun
    begun = time.perf_counter()
    await asyncio.gather(
        *(manager.save_document("saves", f"all-{run}-{number}", PAIRS[number][1]) for number in range(SAVES))
    )
    return one_by_one, time.perf_counter() - begun


async def _measured(directory: Path) -> tuple[list[float], list[float], list[float]]:
    keys = [PAIRS[random.Random(run).randrange(COUNT)][0] for run in range(READS)]
    read_ratios, save_ratios, save_rates = [], [], []
    with LocalStore.open(directory / "store.db", "bench-device") as store:
        manager = _manager(store)
        for start in range(0, COUNT, 500):
            await asyncio.gather(*(manager.save_document("users", key, doc) for key, doc in PAIRS[start : start + 500]))
        for run in range(RUNS):
            read_ratios.append(bare_reads(directory, keys) / await reads(manager, keys))
            one_by_one, together = await saves(manager, run)
            save_ratios.append(one_by_one / together)
            save_rates.append(SAVES / one_by_one)
    return read_ratios, save_ratios, save_rates


def measure() -> list[Figure]:
    """Return the ratios, each the median of runs side by side."""
    with tempfile.TemporaryDirectory() as name:
        read_ratios, save_ratios, save_rates = asyncio.run(_measured(Path(name)))
    return [
        Figure("get_document / bare SELECT + json.loads", statistics.median(read_ratios), "x", least=0.5),
        Figure("saves one after another, full durability", statistics.median(save_rates), "saves/s"),
        Figure("100 concurrent saves / one after another", statistics.median(save_ratios), "x", least=8),
    ]
