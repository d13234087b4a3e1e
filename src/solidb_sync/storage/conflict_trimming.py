"""Which entries of a store's conflict log can go: closed ones, oldest first, about documents that nothing waits for.

An entry is written in the transaction that settles its change, so the server never tells this store of it again; only who
reads the log, or would take its decision back, misses it. These stay however old they are:

- what is open, or belongs to another user of the device;
- what is about a document with a change of this device in any state: the change may be the decision, and if the server
  refuses it the entry has to be opened again.
"""

from __future__ import annotations

from collections.abc import Iterable

from solidb_sync.storage.conflict_log import PENDING, is_own
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.records import StoredConflict

TRIMMED_AT_ONCE_MAX = 500
"""How many entries one transaction drops, so that saves go on meanwhile."""


def beyond(reader: EngineReader, most: int) -> list[str]:
    """Return the ids of the entries that can go, so that at most so many closed ones are left; oldest first."""
    closed = [entry for entry in reader.conflicts() if is_own(entry) and entry.status != PENDING]
    return [entry.id for entry in closed[: max(0, len(closed) - most)] if _can_go(reader, entry)]


def trim(engine: StorageEngine, ids: Iterable[str]) -> int:
    """Drop those of these entries that can still go; returns how many."""
    entries = [entry for entry in map(engine.conflict, ids) if entry is not None and _can_go(engine, entry)]
    engine.drop_conflicts(entry.id for entry in entries)
    return len(entries)


def _can_go(reader: EngineReader, entry: StoredConflict) -> bool:
    is_closed = is_own(entry) and entry.status != PENDING
    return is_closed and not reader.has_changes_of(entry.collection, entry.key)
