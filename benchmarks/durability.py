"""How long durable saves and reads of one document take at worst, plain and encrypted, against the machine's own flush.

The flush is what a program of its own would do: append a page to a file in the same directory, then `fsync`. Flushes and
saves of both stores are made in turns, so that all of them meet the same disk.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from msgspec import Raw
from msgspec.structs import replace

from benchmarks.documents import documents, json_rows
from benchmarks.report import Figure
from solidb_sync import HttpClient, LocalStore, SyncConfig, SyncManager

COUNT = 100_000
BATCH = 5_000
TURNS = 2_000
READS = 20_000
PAUSE_SECONDS = 0.001
OPENED = 9
PAGE = os.urandom(8_192)
KINDS: dict[str, bytes | None] = {"plain": None, "encrypted": bytes(range(32))}
PAIRS = documents(COUNT)
EXPIRED = {"expires": "2020-01-01T00:00:00Z"}
ROWS = [
    (key, Raw(text.encode()), Raw(b"{}"), "")
    for key, text in json_rows(
        [(key, document | EXPIRED if at % 2 else document) for at, (key, document) in enumerate(PAIRS)]
    )
]
"""Every second document has expired when somebody cleans up."""

Stores = dict[str, LocalStore]


def _open(directory: Path, kind: str) -> LocalStore:
    return LocalStore.open(directory / f"{kind}.db", "bench-device", encryption_key=KINDS[kind])


def _fill(store: LocalStore) -> None:
    for start in range(0, COUNT, BATCH):
        store.transact(lambda engine, start=start: engine.put_documents("users", ROWS[start : start + BATCH]))
    store.transact(lambda engine: engine.save_replica(replace(engine.replica(), cursor=COUNT)))  # as after a first sync


def _milliseconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def _p99(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=100)[98]


def _flush(file: int) -> None:
    os.write(file, PAGE)
    os.fsync(file)


def _saves(directory: Path, stores: Stores, name: str) -> dict[str, list[float]]:
    """Return the milliseconds of many saves of each store and of as many flushes, in turns."""
    file = os.open(directory / f"flushed-{name}", os.O_WRONLY | os.O_CREAT, 0o600)
    taken: dict[str, list[float]] = {"flush": [], **{kind: [] for kind in stores}}
    try:
        for turn in range(TURNS):
            work: dict[str, Callable[[], object]] = {"flush": partial(_flush, file)}
            for kind, store in stores.items():
                work[kind] = partial(store.put_document, name, f"s{turn}", PAIRS[turn][1], {})
            for kind in random.Random(turn).sample(list(work), len(work)):
                taken[kind].append(_milliseconds(work[kind]))
    finally:
        os.close(file)
    return taken


def _reads(store: LocalStore) -> list[float]:
    chance = random.Random(1)
    keys = [chance.choice(PAIRS)[0] for _ in range(READS)]
    return [_milliseconds(partial(store.get_document, "users", key)) for key in keys]


async def _saves_in_cleanup(store: LocalStore) -> tuple[list[float], int]:
    """Return the milliseconds of saves while the manager drops all that has expired, and how much that was."""
    manager = SyncManager(store, HttpClient("127.0.0.1:9", 1_000, database="none"), SyncConfig(auto_sync=False))
    await manager.create_ttl_index("users", "expires", 0)
    cleaning = asyncio.ensure_future(manager.cleanup())
    taken: list[float] = []
    while not cleaning.done() and len(taken) < TURNS:
        begun = time.perf_counter()
        await manager.save_document("tidied", f"s{len(taken)}", PAIRS[len(taken)][1])
        taken.append((time.perf_counter() - begun) * 1000)
        await asyncio.sleep(PAUSE_SECONDS)
    freed = await cleaning
    await manager.stop()
    return taken, freed.documents


def _opening(directory: Path, kind: str) -> float:
    taken = [_milliseconds(lambda: _open(directory, kind).close()) for _ in range(OPENED)]
    return statistics.median(taken)


def measure() -> list[Figure]:
    """Return the 99th percentiles and what they come to in flushes."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as opened:
        directory = Path(name)
        stores = {kind: opened.enter_context(_open(directory, kind)) for kind in KINDS}
        for store in stores.values():
            _fill(store)
        saves = _saves(directory, stores, "saves")
        reads = {kind: _reads(store) for kind, store in stores.items()}
        tidied = {kind: asyncio.run(_saves_in_cleanup(store)) for kind, store in stores.items()}
        opened.close()
        opening = {kind: _opening(directory, kind) for kind in KINDS}
    flush = _p99(saves["flush"])
    figures = [Figure("append and fsync of 8 KiB, p99", flush, "ms")]
    figures += [Figure(f"save, {kind}, p99 / flush p99", _p99(saves[kind]) / flush, "x", most=3) for kind in KINDS]
    figures += [Figure(f"save, {kind}, p99", _p99(saves[kind]), "ms") for kind in KINDS]
    figures += [Figure(f"get_document of 100,000, {kind}, p99", _p99(reads[kind]), "ms", most=1) for kind in KINDS]
    figures += [Figure(f"opening and closing 100,000, {kind}", opening[kind], "ms", most=50) for kind in KINDS]
    for kind, (taken, dropped) in tidied.items():
        name = f"{len(taken)} saves while {dropped} documents expire, {kind}"
        figures += [Figure(f"{name}, p99", _p99(taken), "ms"), Figure(f"{name}, worst", max(taken), "ms")]
    return figures
