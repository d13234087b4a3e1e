"""Rows that leave this device without being deleted: they match its filter no longer, or were not sent again.

A row without changes of this device goes at once. One with changes is marked as leaving, and goes when the last of them is
settled or discarded: unsent edits are never dropped. Of a row whose vector had edits of this incarnation a *ghost* stays,
its key alone: a new document under that key would claim, by its vector, to include those edits, so saving it asks for a new
incarnation.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from solidb_sync.json_value import JsonDocument, decode
from solidb_sync.protocol.messages import ServerChange
from solidb_sync.storage.edits import DocumentChanged
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.outbox import is_included
from solidb_sync.storage.overlay import rebuild
from solidb_sync.storage.records import ChangeState, Mark
from solidb_sync.storage.text_forms import parse_vector

REASON = "filter"
"""Why a row went that nobody deleted."""
Place = tuple[str, str]


def drop_row(engine: StorageEngine, collection: str, key: str) -> None:
    """Forget a row without changes, leaving a ghost when it had edits of this incarnation."""
    row = engine.row(collection, key)
    if row is not None:
        replica = engine.replica()
        if parse_vector(row.vector).get(replica.actor):
            engine.mark(Mark.GHOST, collection, key)
    engine.drop_row(collection, key)
    engine.drop_base(collection, key)
    for mark in (Mark.LEAVING, Mark.DOUBTED, Mark.EVICTED, Mark.EMPTIED):
        engine.unmark(mark, collection, key)


def show_without(engine: StorageEngine, place: Place) -> None:
    """Show a document as it is without changes that were dropped. One that was only ever here is gone, and so is one that
    went from the server with its whole collection, unless there are other edits of it to send.
    """
    left = engine.changes_of(*place)
    if engine.is_marked(Mark.EMPTIED, *place) and all(change.state is ChangeState.HELD for change in left):
        engine.drop_changes(change.id for change in left)  # the server has nothing any more of what it took
        drop_row(engine, *place)
    elif engine.base(*place) is None and not left:
        engine.drop_row(*place)
    else:
        rebuild(engine, *place)


def take_away(engine: StorageEngine, change: ServerChange) -> None:
    """Do what a `remove` says: drop the row, or remember that it is leaving while changes of this device lie over it."""
    place = (change.collection, change.key)
    changes = engine.changes_of(*place)
    seen = parse_vector(bytes(change.version_vector).decode())
    is_waiting = any(kept.state is not ChangeState.HELD or not is_included(kept, seen, change.seq) for kept in changes)
    if is_waiting:
        engine.mark(Mark.LEAVING, *place)
        return
    engine.drop_changes(kept.id for kept in changes)
    drop_row(engine, *place)


def stays(engine: StorageEngine, collection: str, key: str) -> None:
    """Note that the server has sent a row: it is in this device's part."""
    for mark in (Mark.LEAVING, Mark.DOUBTED, Mark.EVICTED, Mark.EMPTIED):
        engine.unmark(mark, collection, key)


def drop_left(engine: StorageEngine) -> list[DocumentChanged]:
    """Drop the leaving rows whose changes are all answered for; return what has gone. Call it when all has been pulled.

    An answered change that no pull has brought back is in a version that was scanned and not sent: it is out, too.
    """
    gone = []
    for place in engine.marked(Mark.LEAVING):
        changes = engine.changes_of(*place)
        if all(change.state is ChangeState.HELD for change in changes):
            engine.drop_changes(change.id for change in changes)
            gone.append(place)
    return _drop_all(engine, gone)


def doubt(engine: StorageEngine, collection: str) -> None:
    """Doubt every row of a collection: what the server does not send from now on has to go.

    A row that the server has never had, because its insert is still pending, is beyond doubt.
    """
    for key in engine.keys(collection):
        if not engine.has_changes_of(collection, key):
            engine.mark(Mark.DOUBTED, collection, key)
        elif engine.base(collection, key) is not None:
            engine.mark(Mark.LEAVING, collection, key)


def trust(engine: StorageEngine, collection: str) -> None:
    """Let the rows of a collection stay of which nothing is fetched any more: no answer will say which have to go."""
    for mark in (Mark.DOUBTED, Mark.LEAVING):
        for place in engine.marked(mark):
            if place[0] == collection:
                engine.unmark(mark, *place)


def drop_clean_rows(engine: StorageEngine, collection: str, *, but: Container[Place], upto: int) -> list[DocumentChanged]:
    """Drop the rows of a collection that was emptied or dropped at the server; those with changes of this device stay.

    Changes that the server took at or below `upto`, and that are not in the page, have gone with their collection.
    """
    places = [(collection, key) for key in engine.keys(collection)]
    clean = [place for place in places if place not in but and not _keeps_changes(engine, place, upto)]
    for place in engine.marked(Mark.EVICTED):
        if place[0] == collection:
            engine.unmark(Mark.EVICTED, *place)  # nothing is left to fetch
    return _drop_all(engine, clean, reason="reset")


def _keeps_changes(engine: StorageEngine, place: Place, upto: int) -> bool:
    changes = engine.changes_of(*place)
    if all(change.state is ChangeState.HELD and 0 < change.answered <= upto for change in changes):
        engine.drop_changes(change.id for change in changes)
        return False
    engine.mark(Mark.EMPTIED, *place)
    return True


def drop_doubted(engine: StorageEngine) -> list[DocumentChanged]:
    """Drop the rows that were not sent again; those with changes leave when these are settled."""
    gone: list[Place] = []
    for place in engine.marked(Mark.DOUBTED):
        if engine.has_changes_of(*place):
            engine.mark(Mark.LEAVING, *place)
            engine.unmark(Mark.DOUBTED, *place)
        else:
            gone.append(place)
    return _drop_all(engine, gone)


def _drop_all(engine: StorageEngine, places: Iterable[Place], reason: str = REASON) -> list[DocumentChanged]:
    facts = []
    for collection, key in places:
        row = engine.row(collection, key)
        drop_row(engine, collection, key)
        if row is not None and row.body is not None:
            old: JsonDocument = decode(row.body)
            facts.append(DocumentChanged(collection, key, None, old, "{}", "remote", reason))
    return facts
