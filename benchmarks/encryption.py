"""What seals cost: an encrypted store and one with checksums against a plain SQLite file, side by side in one run."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable
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
SAVES = 100
READS = 10_000
RUNS = 5
KEY = bytes(range(32))
KINDS: dict[str, bytes | None] = {"unsealed": None, "checksum": None, "encrypted": KEY}
ROWS = [(key, Raw(text.encode()), Raw(b"{}"), "") for key, text in json_rows(documents(COUNT))]

Times = dict[str, dict[str, list[float]]]


def _open(directory: Path, kind: str) -> LocalStore:
    path = directory / f"{kind}.db"
    if kind == "unsealed" and not path.exists():
        engine = SqliteEngine(FileLocation(str(path)))  # as stores were made before there were seals
        engine.begin()
        engine.save_replica(new_replica("bench-device", random.Random(1).randbytes))
        engine.commit()
        engine.close()
    return LocalStore.open(path, "bench-device", encryption_key=KINDS[kind])


def _write_all(store: LocalStore) -> None:
    for start in range(0, COUNT, BATCH):
        store.transact(lambda engine, start=start: engine.put_documents("users", ROWS[start : start + BATCH]))


def _save(store: LocalStore) -> None:
    for number in range(SAVES):
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
        _timed(times["saves"], lambda: _save(store))


def measure() -> list[Figure]:
    """Return the ratios of the best of the runs: whatever else the machine does only ever adds."""
    times: Times = {kind: {name: [] for name in ("open", "bulk", "cold scan", "warm reads", "saves")} for kind in KINDS}
    with tempfile.TemporaryDirectory() as name:
        for _ in range(RUNS):
            for kind in KINDS:
                _run(Path(name), kind, times[kind])

    def ratio(kind: str, what: str) -> float:
        return min(times[kind][what]) / min(times["unsealed"][what])

    bounds = {"bulk": (1.3, 2.0), "cold scan": (None, 2.0), "saves": (1.3, 1.3), "warm reads": (1.1, 1.1)}
    figures = [
        Figure(f"{what}, {kind} / plain SQLite file", ratio(kind, what), "x", most=bounds[what][place])
        for place, kind in enumerate(("checksum", "encrypted"))
        for what in bounds
    ]
    opening = statistics.median(times["encrypted"]["open"][1:]) * 1000
    return [*figures, Figure("open an encrypted store of 100,000 documents, raw key", opening, "ms", most=50)]
