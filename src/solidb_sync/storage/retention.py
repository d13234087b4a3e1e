"""What may leave this device to save room, and how: eviction and local expiry.

Only a clean document goes: one that the server has exactly as it is here, without changes of this device in any state, open
conflicts or attachments, in a collection that the cursor speaks for. What went has a mark, so that reading it is not
answered with "there is none". For everything else it is like a row that left by a filter: no base copy is left for a later
change to be laid over (the page is asked for again, whole), and what is made anew under its key says that it knows nothing.

What goes first is what was longest neither read nor changed. Everything is chosen in one pass over the documents and
dropped in transactions of at most `DROPPED_AT_ONCE_MAX`; each checks again that the document is as it was, so that saves go
on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from solidb_sync.json_value import decode
from solidb_sync.protocol.messages import FetchAnswer
from solidb_sync.storage.departures import drop_row
from solidb_sync.storage.edits import DocumentChanged
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.inbox import keep_fetched
from solidb_sync.storage.known_versions import base_seq
from solidb_sync.storage.records import Mark, StoredRow

DROPPED_AT_ONCE_MAX = 50
Place = tuple[str, str]


class Candidate(NamedTuple):
    """A document that may go: when it was last of use (milliseconds), where it is, its version, and its bytes."""

    used_ms: int
    collection: str
    key: str
    vector: str
    size: int


class SpaceFreed(Struct, frozen=True):
    """What eviction or expiry dropped: documents, and the bytes of their content."""

    documents: int = 0
    content_bytes: int = 0


def is_clean(reader: EngineReader, collection: str, key: str, *, open_conflicts: frozenset[Place]) -> bool:
    """Return whether the server has this document as it is here, with nothing of this device's to come."""
    if (collection, key) in open_conflicts or reader.has_changes_of(collection, key):
        return False
    if reader.is_marked(Mark.ATTACHED, collection, key):
        return False
    return base_seq(reader, collection, key) > 0


def open_conflicts(reader: EngineReader) -> frozenset[Place]:
    """Return the documents with an open conflict."""
    return frozenset((conflict.collection, conflict.key) for conflict in reader.open_conflicts())


def candidates(
    reader: EngineReader, collections: Iterable[str], used: Mapping[Place, int], changed_ms: Callable[[str], int]
) -> list[Candidate]:
    """Return the clean documents, those longest not used first; `changed_ms` reads a stamp."""
    in_conflict = open_conflicts(reader)
    found = [
        Candidate(max(used.get((collection, key), 0), changed_ms(row.stamp)), collection, key, row.vector, _size(row))
        for collection in collections
        for key, row in reader.live_rows(collection)
        if is_clean(reader, collection, key, open_conflicts=in_conflict)
    ]
    return sorted(found)


def _size(row: StoredRow) -> int:
    return len((row.body or "").encode()) + len(row.vector)


def leave(engine: StorageEngine, chosen: Sequence[Candidate], reason: str) -> list[DocumentChanged]:
    """Drop those of the chosen documents that are still clean and of the version they were chosen in."""
    in_conflict = open_conflicts(engine)
    facts = []
    for candidate in chosen:
        place = candidate.collection, candidate.key
        row = engine.row(*place)
        if row is None or row.body is None or row.vector != candidate.vector:
            continue
        if not is_clean(engine, *place, open_conflicts=in_conflict):
            continue
        drop_row(engine, *place)
        engine.mark(Mark.EVICTED, *place)
        facts.append(DocumentChanged(*place, None, decode(row.body), "{}", "local", reason))
    return facts


def is_evicted(reader: EngineReader, collection: str, key: str) -> bool:
    """Return whether a document is on the server only, because it was dropped here."""
    if not reader.has_marks(Mark.EVICTED) or not reader.is_marked(Mark.EVICTED, collection, key):
        return False
    return reader.row(collection, key) is None


def take_back(engine: StorageEngine, place: Place, answer: FetchAnswer) -> bool:
    """Keep a fetched document if the next pull will go on from just that version; returns whether it was kept.

    A version beyond the cursor is left to the pull: a page that is on its way may be older than it.
    """
    replica = engine.replica()
    if (replica.epoch, replica.run) != (answer.epoch, answer.run) or not is_evicted(engine, *place):
        return False
    if answer.change is None:
        return False
    if engine.has_changes_of(*place) or base_seq(engine, *place) < answer.change.seq:
        return False
    keep_fetched(engine, answer.change)
    return True
