"""The storage engines side by side: what a device does most, on each of them, with every save on the disk."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Raw

import sdbql
from benchmarks.documents import documents
from benchmarks.report import Figure
from solidb_sync import LocalStore
from solidb_sync.json_value import canonical, encode
from solidb_sync.storage.edits import Minted, record_save
from solidb_sync.storage.sqlite.sqlite_data_source import data_source

KEY = b"k" * 32
STORES: dict[str, tuple[str, bytes | None]] = {
    "sqlite": ("sqlite", None),
    "sqlite encrypted": ("sqlite", KEY),
    "rocksdb": ("rocksdb", None),
    "rocksdb encrypted": ("rocksdb", KEY),
    "memory": ("memory", None),
}
COUNT, SAVES, READS = 20_000, 300, 10_000
PAIRS = documents(COUNT)
RUNS = 3


def seconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def save(store: LocalStore, key: str, number: int) -> None:
    """Save one document as an app does: document and pending change in one durable transaction."""
    minted, body = Minted(store.mint_id(), store.stamp()), canonical(PAIRS[number][1])
    store.transact(lambda engine: record_save(engine, minted, ("saves", key), body, merge=False))


def fill(store: LocalStore) -> None:
    """Put all documents as pages of a pull bring them."""
    rows = [(key, Raw(encode(document)), Raw(b'{"server":1}'), "") for key, document in PAIRS]
    for first in range(0, COUNT, 1_000):
        store.transact(lambda engine, first=first: engine.put_documents("users", rows[first : first + 1_000]))


def query(store: LocalStore, text: str) -> None:
    """Run a query."""
    parsed = sdbql.parse(text)
    store.scan(lambda reader: parsed.run(None, data_source(reader)))


def bytes_of(path: Path) -> int:
    """Return how much a store takes on the disk."""
    places = [path] if path.is_file() else [found for found in path.rglob("*") if found.is_file()]
    return sum(place.stat().st_size for place in places)


def measure_engine(name: str, path: Path) -> Iterator[Figure]:
    """Yield the figures of one kind of store."""
    engine, key = STORES[name]
    with LocalStore.open(path, "bench", engine=engine, encryption_key=key) as store:
        taken = seconds(lambda: fill(store))
        yield Figure(f"{name}: {COUNT} pulled documents stored", COUNT / taken, "documents/s")
        taken = min(seconds(lambda run=run: [save(store, f"{run}-{n}", n) for n in range(SAVES)]) for run in range(RUNS))
        yield Figure(f"{name}: saves one after another", taken / SAVES * 1e6, "us")
        taken = min(seconds(lambda: [store.get_document("users", PAIRS[n][0]) for n in range(READS)]) for _ in range(RUNS))
        yield Figure(f"{name}: point reads", taken / READS * 1e6, "us")
        for work, text in (
            ("a filter over all documents", "FOR u IN users FILTER u.age >= 80 RETURN u._key"),
            ("a group count", "FOR u IN users COLLECT c = u.city WITH COUNT INTO n RETURN [c, n]"),
        ):
            taken = min(seconds(lambda text=text: query(store, text)) for _ in range(RUNS))
            yield Figure(f"{name}: {work}", taken * 1e3, "ms")
        store.create_index("users", "city")
        taken = min(
            seconds(lambda: query(store, "FOR u IN users FILTER u.city == 'Oslo' RETURN u._key")) for _ in range(RUNS)
        )
        yield Figure(f"{name}: an indexed equality that nothing meets", taken * 1e3, "ms")
    if engine != "memory":
        yield Figure(f"{name}: bytes on the disk", bytes_of(path) / 1e6, "MB")
        taken = seconds(lambda: LocalStore.open(path, "bench", engine=engine, encryption_key=key).close())
        yield Figure(f"{name}: opened and closed", taken * 1e3, "ms")


def measure() -> Iterator[Figure]:
    """Yield the figures of all engines."""
    with tempfile.TemporaryDirectory() as directory:
        for number, name in enumerate(STORES):
            yield from measure_engine(name, Path(directory) / str(number))
