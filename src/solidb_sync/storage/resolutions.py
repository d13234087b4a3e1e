"""Decide a conflict, or take a decision back: an ordinary edit on top of the document as it is now.

Because it is made on top of the current version, its base has seen both sides. While the conflict is open the edit also
says which conflict it settles, and the server closes that in the same transaction. Nothing here knows who decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from solidb_sync.errors import SyncError
from solidb_sync.json_value import JsonDocument, decode, encode
from solidb_sync.reconcile.joined_sides import Side
from solidb_sync.reconcile.resolution import (
    ACCEPT_LOCAL,
    ACCEPT_REMOTE,
    MERGE,
    Choice,
    Sides,
    decided,
    overruled_by,
    taken_back,
    undone,
)
from solidb_sync.storage.conflict_log import (
    AUTO_RESOLVED,
    PENDING,
    RESOLVED,
    UNDONE,
    document_of,
    has_arrived,
    is_own,
    written_side,
)
from solidb_sync.storage.edits import DocumentChanged, Minted, check_is_here, record_target
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.records import StoredConflict

WINNERS = {ACCEPT_LOCAL: "local", ACCEPT_REMOTE: "remote"}
LAID_OVER = (ACCEPT_LOCAL, MERGE)
"""The choices that change only some paths of the document as it is now."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a decision did: the conflict as it stands now, and the change of the document, if it changed."""

    conflict: StoredConflict
    fact: DocumentChanged | None


def record_resolution(engine: StorageEngine, minted: Minted, conflict_id: str, choice: Choice) -> Resolved | None:
    """Decide a conflict; None, with no effect, when it is not one any more that can be decided.

    Raises `SyncError` while the other side has not been fetched, `DocumentEvictedError` while the document is not here.
    """
    conflict = engine.conflict(conflict_id)
    if conflict is None or conflict.status not in (PENDING, AUTO_RESOLVED):
        return None
    _check_arrived(engine, conflict)
    current = _current(engine, conflict)
    sides = sides_of(conflict)
    if choice.kind in LAID_OVER and _is_elsewhere(engine, conflict, sides):
        target = decided(sides, choice, {}) or None
    else:
        target = decided(sides, choice, current)
    resolves = [conflict.id] if conflict.status == PENDING else []
    fact = record_target(engine, minted, (conflict.collection, conflict.key), target, resolves)
    winner = WINNERS.get(choice.kind, "merged")
    conflict = replace(conflict, status=RESOLVED, winner=winner, lost=_lost(overruled_by(target, current), target))
    engine.put_conflict(conflict)
    return Resolved(conflict, fact)


def record_undo(engine: StorageEngine, minted: Minted, conflict_id: str) -> Resolved:
    """Bring back what the decision has overwritten and keep what was written elsewhere since.

    Of a strategy's decision, and of one that left the document as it was, that is the overruled side, at the paths the
    conflict was about. Raises `SyncError` for an open conflict, and while the other side has not been fetched, and
    `DocumentEvictedError`.
    """
    conflict = engine.conflict(conflict_id)
    if conflict is None or not is_own(conflict):
        raise SyncError(f"there is no conflict {conflict_id!r} in the log")
    if conflict.status not in (AUTO_RESOLVED, RESOLVED) or not conflict.winner:
        raise SyncError(f"conflict {conflict_id!r} is {conflict.status}: there is no decision to take back")
    _check_arrived(engine, conflict)
    overruled, current = _overruled(conflict), _current(engine, conflict)
    sides = sides_of(conflict)
    under = {} if _is_elsewhere(engine, conflict, sides) else current
    target = undone(sides, under) if overruled is None else taken_back(overruled, under)
    fact = record_target(engine, minted, (conflict.collection, conflict.key), target, [])
    known = engine.conflict(conflict_id)
    if known is None or known.status != PENDING:  # otherwise the decision was refused, and is given up now: it is open again
        known = replace(conflict, status=UNDONE)
        engine.put_conflict(known)
    return Resolved(known, fact)


def _is_elsewhere(engine: EngineReader, conflict: StoredConflict, sides: Sides) -> bool:
    """Return whether the document is not on this device, behind a filter for instance, though the other side has it.

    What is decided then says something of the paths that are at stake, and nothing of all the others.
    """
    return sides.remote.document is not None and engine.row(conflict.collection, conflict.key) is None


def _check_arrived(engine: StorageEngine, conflict: StoredConflict) -> None:
    if not has_arrived(engine, conflict):
        raise SyncError(
            f"{conflict.collection}/{conflict.key}: the other side of the conflict has not been fetched yet; "
            "sync first, then decide"
        )
    check_is_here(engine, (conflict.collection, conflict.key), "decide")


def sides_of(conflict: StoredConflict) -> Sides:
    """Return both sides of a logged conflict."""
    remote = Side(document_of(conflict.remote), tuple(decode(conflict.fields)))
    lost = decode(conflict.lost)
    return Sides(written_side(conflict), remote, conflict.winner, tuple(lost) if isinstance(lost, list) else ())


def _lost(overruled: Side, target: JsonDocument | None) -> str:
    """Return the form in which a decision keeps what it overwrote; one that changes nothing keeps nothing."""
    if not overruled.written and (overruled.document is None) == (target is None):
        return "[]"
    return encode({"before": overruled.document, "paths": overruled.written}).decode()


def _overruled(conflict: StoredConflict) -> Side | None:
    """Return what somebody's decision overwrote, None when it was a strategy's or kept nothing."""
    lost = decode(conflict.lost)
    return Side(lost["before"], tuple(lost["paths"])) if isinstance(lost, dict) else None


def _current(engine: EngineReader, conflict: StoredConflict) -> JsonDocument | None:
    row = engine.row(conflict.collection, conflict.key)
    return None if row is None or row.body is None else decode(row.body)
