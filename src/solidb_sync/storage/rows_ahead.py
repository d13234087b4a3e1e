"""The rows of many documents, read a portion at a time: a statement for each document costs more than the document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.records import StoredRow

Place = tuple[str, str]

ROWS_AT_ONCE_MAX = 64
"""How many documents are in memory at a time, each of them up to 1 MiB long."""


def rows_at(engine: EngineReader, places: Iterable[Place]) -> Mapping[Place, StoredRow]:
    """Return what is kept of these documents, at most `ROWS_AT_ONCE_MAX` of them, tombstones too."""
    keys: dict[str, list[str]] = {}
    for collection, key in places:
        keys.setdefault(collection, []).append(key)
    rows: dict[Place, StoredRow] = {}
    for collection, wanted in keys.items():
        rows.update(((collection, key), row) for key, row in engine.rows_of(collection, wanted).items())
    return rows
