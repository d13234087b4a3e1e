"""How much room a store takes, by what it is for; and giving room back to the file system.

In a SQLite file every page is counted under what it belongs to. The other engines are measured by the text of what they
keep, which leaves out what the engine itself adds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.records import Mark
from solidb_sync.storage.sqlite import space as sqlite_space
from solidb_sync.storage.sqlite.sqlite_reads import SqliteReads

PAGES_AT_ONCE_MAX = 1_000
"""How many pages a commit gives back to the file system: saves wait for no more than that."""


@dataclass(frozen=True, slots=True)
class CollectionUsage:
    """How many documents of a collection are here, and how many were evicted."""

    documents: int
    evicted: int


@dataclass(frozen=True, slots=True)
class StorageUsage:
    """Bytes by what they are for. `total_bytes` is what the store takes of the disk, `free_bytes` and `log_bytes` included.

    `documents_bytes`: rows and tombstones. `outbox_bytes`: changes of this device and what they were made on. `other_bytes`:
    conflict log, attachments, settings and bookkeeping. `free_bytes`: pages that wait to be used again. `log_bytes`: the
    write-ahead log. `limit_bytes`: None is no limit.
    """

    documents_bytes: int
    outbox_bytes: int
    indexes_bytes: int
    other_bytes: int
    free_bytes: int
    log_bytes: int
    total_bytes: int
    collections: dict[str, CollectionUsage]
    limit_bytes: int | None = None

    @property
    def used_bytes(self) -> int:
        """What counts against the limit: all but what can be used again."""
        return self.documents_bytes + self.outbox_bytes + self.indexes_bytes + self.other_bytes


def storage_usage(reader: EngineReader, limit_bytes: int | None) -> StorageUsage:
    """Measure a store; reads all of it."""
    sizes = sqlite_space.measure(reader.connection) if isinstance(reader, SqliteReads) else _measure(reader)
    free_bytes, log_bytes = sizes.pop("free", 0), sizes.pop("log", 0)
    return StorageUsage(
        documents_bytes=sizes["documents"],
        outbox_bytes=sizes["outbox"],
        indexes_bytes=sizes["indexes"],
        other_bytes=sizes["other"],
        free_bytes=free_bytes,
        log_bytes=log_bytes,
        total_bytes=sum(sizes.values()) + free_bytes + log_bytes,
        collections=_collections(reader),
        limit_bytes=limit_bytes,
    )


def used_bytes(reader: EngineReader) -> int:
    """Return what counts against the limit: at once for SQLite, by reading everything for the others."""
    if isinstance(reader, SqliteReads):
        return sqlite_space.used_bytes(reader.connection)
    return sum(_measure(reader).values())


def give_back(engine: StorageEngine) -> bool:
    """Let the file shrink by pages it has no use for, at most `PAGES_AT_ONCE_MAX`; returns whether there are more.

    A RocksDB store does so by itself.
    """
    return isinstance(engine, SqliteReads) and sqlite_space.give_back(engine.connection, pages_max=PAGES_AT_ONCE_MAX)


def _collections(reader: EngineReader) -> dict[str, CollectionUsage]:
    evicted: dict[str, int] = {}
    for collection, _ in reader.marked(Mark.EVICTED):
        evicted[collection] = evicted.get(collection, 0) + 1
    return {
        name: CollectionUsage(sum(1 for _ in reader.live_rows(name)), evicted.get(name, 0)) for name in reader.collections()
    }


def _measure(reader: EngineReader) -> dict[str, int]:
    return {
        "documents": sum(_row_bytes(reader)),
        "outbox": sum(_outbox_bytes(reader)),
        "indexes": 0,
        "other": sum(len(name) + len(value.encode()) for name, value in reader.settings().items())
        + sum(len(entry.local) + len(entry.remote) + len(entry.base) for entry in reader.conflicts()),
    }


def _row_bytes(reader: EngineReader) -> Iterator[int]:
    for collection in reader.collections():
        for key, row in reader.all_rows(collection):
            yield len(key.encode()) + len((row.body or "").encode()) + len(row.vector) + len(row.stamp)


def _outbox_bytes(reader: EngineReader) -> Iterator[int]:
    for change in reader.changes(state=None):
        yield len(change.wire.encode())
    for _, key, base in reader.bases():
        yield len(key.encode()) + len((base.body or "").encode()) + len(base.vector)
