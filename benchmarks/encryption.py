"""What seals cost, side by side in one run: checksums against a SQLite file without seals, encryption against a plain store.

Bulk writes, cold scans and warm reads are the best of several runs. Saves are made in turns, one in each store, and their
medians compared: a save is mostly a flush, and how long that takes changes from one second to the next.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from msgspec import Raw

from benchmarks.documents import documents, json_rows
from benchmarks.report import Figure
from solidb_sync import LocalStore
from solidb_sync.storage.opening import new_replica
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.storage.sqlite.sqlite_engine import SqliteEngine

COUNT = 100_000
BATCH = 5_000
SAVES = 60
READS = 10_000
RUNS = 5
KEY = bytes(range(32))
KINDS: dict[str, bytes | None] = {"unsealed": None, "plain": None, "encrypted": KEY}
"""A SQLite file as stores were before their pages had seals, a plain store with its checksums, and an encrypted one."""

COMPARED: tuple[tuple[str, str, dict[str, float | None]], ...] = (
    ("plain", "unsealed", {"bulk": 1.3, "cold scan": None, "saves": 1.3, "warm reads": 1.1}),
    ("encrypted", "plain", {"bulk": 2, "cold scan": 2, "saves": 1.3, "warm reads": 1.1}),
    ("encrypted", "unsealed", {"bulk": None, "cold scan": None, "saves": None, "warm reads": None}),
)
ROWS = [(key, Raw(text.encode()), Raw(b"{}"), "") for key, text in json_rows(documents(COUNT))]

Times = dict[str, dict[str, list[float]]]


def _open(directory: Path, kind: str) -> LocalStore:
    path = directory / f"{kind}.db"
    if kind == "unsealed" and not path.exists():
        engine = SqliteEngine(FileLocation(str(path)))
        engine.begin()
        engine.save_replica(new_replica("bench-device", random.Random(1).randbytes))
        engine.commit()
        engine.close()
    return LocalStore.open(path, "bench-device", encryption_key=KINDS[kind])


def _write_all(store: LocalStore) -> None:
    for start in range(0, COUNT, BATCH):
        store.transact(lambda engine, start=start: engine.put_documents("users", ROWS[start : start + BATCH]))


def _save(store: LocalStore, number: int) -> None:
    store.put_document("saves", f"s{number}", {"number": number, "text": "x" * 200}, {})


def _read(store: LocalStore) -> None:
    for number in range(0, COUNT, COUNT // READS):
        store.get_document("users", ROWS[number][0])


def _scan(store: LocalStore) -> None:
    store.scan(
        lambda reader: reader.connection.execute("SELECT count(*) FROM c_1 WHERE body ->> '$.email' = 'x'").fetchall()
    )


def _timed(times: list[float], work: Callable[[], object]) -> None:
    begun = time.perf_counter()
    work()
    times.append(time.perf_counter() - begun)


def _run(directory: Path, kind: str, times: dict[str, list[float]]) -> None:
    opened: list[LocalStore] = []
    _timed(times["open"], lambda: opened.append(_open(directory, kind)))
    with opened[0] as store:
        if times["bulk"]:
            _timed(times["cold scan"], lambda: _scan(store))
        _timed(times["bulk"], lambda: _write_all(store))
        _read(store)
        _timed(times["warm reads"], lambda: _read(store))


def _save_in_turns(directory: Path, times: Times) -> None:
    with ExitStack() as opened:
        stores = {kind: opened.enter_context(_open(directory, kind)) for kind in KINDS}
        for number in range(SAVES):
            for kind in random.Random(number).sample(list(KINDS), len(KINDS)):
                _timed(times[kind]["saves"], partial(_save, stores[kind], number))


def measure() -> list[Figure]:
    """Return the ratios of the best of the runs: whatever else the machine does only ever adds."""
    times: Times = {kind: {name: [] for name in ("open", "bulk", "cold scan", "warm reads", "saves")} for kind in KINDS}
    with tempfile.TemporaryDirectory() as name:
        for _ in range(RUNS):
            for kind in KINDS:
                _run(Path(name), kind, times[kind])

            _save_in_turns(Path(name), times)

    def ratio(what: str, kind: str, base: str) -> float:
        typical = statistics.median if what == "saves" else min
        return typical(times[kind][what]) / typical(times[base][what])

    figures = [
        Figure(f"{what}, {kind} / {base}", ratio(what, kind, base), "x", most=bound)
        for kind, base, bounds in COMPARED
        for what, bound in bounds.items()
    ]
    opening = statistics.median(times["encrypted"]["open"][1:]) * 1000
    return [*figures, Figure("open an encrypted store of 100,000 documents, raw key", opening, "ms", most=50)]
