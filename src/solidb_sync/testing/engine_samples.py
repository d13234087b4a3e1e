"""Records to fill an engine with, and the transaction around it, for the conformance suites."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Raw

from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.records import (
    ChangeState,
    DocumentRow,
    StoredChange,
    StoredConflict,
    StoredRow,
)

DEVICE_ID = "phone"


@contextmanager
def transaction(engine: StorageEngine) -> Iterator[StorageEngine]:
    """Run the block in a transaction of an engine: kept when it ends, taken back when it raises."""
    engine.begin()
    try:
        yield engine
    except BaseException:
        engine.rollback()
        raise
    engine.commit()


def live(body: str = '{"a":1}') -> StoredRow:
    """Return a row with a document."""
    return StoredRow(body, '{"phone":1}', "2024-01-15T10:30:00.000Z")


def document_row(key: str, row: StoredRow) -> DocumentRow:
    """Return a live row as a page brings it."""
    assert row.body is not None
    return key, Raw(row.body.encode()), Raw(row.vector.encode()), row.stamp


def tombstone() -> StoredRow:
    """Return a row without one."""
    return StoredRow(None, '{"phone":2}', "2024-01-15T10:30:01.000Z")


def change(name: str, key: str = "k", collection: str = "notes") -> StoredChange:
    """Return a pending change of one document."""
    return StoredChange(0, collection, key, ChangeState.PENDING, name, DEVICE_ID, 1, "", False, '{"operation":"x"}', "")


def conflict(name: str, status: str = "open", fields: str = "[]") -> StoredConflict:
    """Return a conflict of this id."""
    return StoredConflict(name, "notes", "k", "c1", status, "lww", "remote", fields, "{}", "{}", "{}", "2024-01-15")
