"""What this device knows of a document, said as a commit sequence: it has had every version of it up to there.

The cursor says that for all documents of the collections it covers, as long as nothing casts doubt on their rows. It goes
with every edit of a known document (`base_seq`); and with every request goes the least that unsent edits may have been made
on (`stable`): a server may forget only what all its devices have been told.
"""

from __future__ import annotations

from msgspec.structs import replace

from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.outbox import has_pending
from solidb_sync.storage.records import ChangeState, Mark, Replica
from solidb_sync.storage.text_forms import decode_change, encode_change


class Covered:
    """The collections that a replica's cursor speaks for."""

    def __init__(self, replica: Replica) -> None:
        self._names = None if replica.covered is None else frozenset(replica.covered)
        self._excluded = frozenset(replica.excluded)

    def __contains__(self, collection: object) -> bool:
        return collection not in self._excluded and (self._names is None or collection in self._names)


def base_seq(reader: EngineReader, collection: str, key: str) -> int:
    """Return up to which sequence this device has had every version of a document that is here, 0 when it can't tell."""
    replica = reader.replica()
    if not replica.cursor or replica.is_resyncing or replica.offered or collection not in Covered(replica):
        return 0
    if collection in reader.backfills():
        return 0
    if any(reader.has_marks(mark) and reader.is_marked(mark, collection, key) for mark in (Mark.LEAVING, Mark.DOUBTED)):
        return 0
    if reader.has_changes_of(collection, key) and reader.base(collection, key) is None:
        return 0  # made here: whether somebody else has made it too, nobody has said
    return replica.cursor


def stable_at(reader: EngineReader, cursor: int) -> int:
    """Return what unsent edits may have been made on once the cursor is here: this, when nothing waits to be sent."""
    replica = reader.replica()
    covered = None if replica.covered is None and not replica.excluded else Covered(replica)
    return replica.stable if has_pending(reader, covered=covered) else cursor


def forget_sequences(engine: StorageEngine) -> None:
    """Forget what changes say of sequences: the server's history has become another one, which numbers them anew."""
    for change in engine.changes(state=None):
        wire = decode_change(change.wire)
        if wire.base_seq or change.answered:
            wire.base_seq = 0
            answered = change.answered if change.state is ChangeState.HELD else 0
            engine.replace_change(replace(change, wire=encode_change(wire), answered=answered))
