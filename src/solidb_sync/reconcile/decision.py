"""Judge one edit against the current version of its document. The heart of the server, and pure.

An edit says what its author had seen (`base`). If that includes everything the current version includes, the edit simply
comes after it. Otherwise author and current version are concurrent: edits of different fields commute and are merged;
edits that overlap are a conflict, which a strategy decides (`strategy.py`: a table of laws).

No strategy loses a side silently: a `Decision` with a `clash` carries both, and the caller logs it in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from solidb_sync.json_value import JsonDocument
from solidb_sync.model.delta import Delta, Path, diff, same_value, value_at
from solidb_sync.model.field_dots import ENTRIES_MAX, FieldDots, FieldWrite
from solidb_sync.model.version_vector import EMPTY_VECTOR, Dot, VersionVector
from solidb_sync.reconcile.field_merge import FullDocumentNeeded, lay_over
from solidb_sync.reconcile.later_stamps import written_by_stamp
from solidb_sync.reconcile.strategy import LAWS, Law, Side, Strategy


class Operation(Enum):
    """What an edit does to its document."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a document as the server holds it; a tombstone has no document."""

    document: JsonDocument | None
    vector: VersionVector
    dots: FieldDots


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit: what it does, what its author had seen, its dot, and its author's time by a hybrid clock (empty: none).

    An insert has a document. An update has a delta, and the author's full document when the server asked for it.
    """

    operation: Operation
    base: VersionVector
    dot: Dot
    document: JsonDocument | None = None
    delta: Delta | None = None
    stamp: str = ""
    closes: bool = False
    """True for an edit by which somebody decides a conflict that is open."""
    only_closes: bool = False
    """True for an edit that writes nothing: it closes a conflict in favour of what is there."""

    @property
    def rank(self) -> tuple[str, str]:
        """What orders edits by their stamps; equal ones by actor."""
        return self.stamp, self.dot.actor


class Winner(Enum):
    """Which side of a conflict is in the document now: the arriving edit, what was there, some of each, or it is open."""

    ARRIVED = "local"
    PRESENT = "remote"
    BOTH = "both"
    NONE = ""


@dataclass(frozen=True, slots=True)
class Clash:
    """The two sides of a conflict.

    `present` is the version that was there, `arrived` the document with the whole edit (None: deleted). `paths` are those
    both wrote and `written` all that the edit wrote; both are empty when the whole document is at stake. `lost` are the
    paths at which the arriving edit is not in the document now, when `winner` is BOTH. `merged` are those it wrote beside
    the ones that were left open.
    """

    present: Version
    arrived: JsonDocument | None
    winner: Winner
    paths: tuple[Path, ...] = ()
    written: tuple[Path, ...] = ()
    lost: tuple[Path, ...] = ()
    merged: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The version after an edit.

    `is_fast_forward`: the author had seen everything, so author and server now hold the same version.
    `clash` is set when the edit was in conflict.
    """

    version: Version
    is_fast_forward: bool
    created: bool = False
    clash: Clash | None = None


@dataclass(frozen=True, slots=True)
class _Meeting:
    """An edit that meets the current version: everything a law may want to know."""

    current: Version
    edit: Edit
    vector: VersionVector
    seq: int
    knows_all: bool
    law: Law

    @property
    def knows_writes(self) -> bool:
        """True when the author had seen all that is in the document.

        That is enough for an edit that closes a conflict: what it had not seen was overruled or is open itself. Two that
        decide at once would otherwise be in conflict with each other for ever, and neither decision taken.
        """
        return self.knows_all or (self.edit.closes and self.current.dots.latest_unseen(self.edit.base) is None)

    def side(self, side: Side) -> Side:
        """Return whose side is taken of the whole document, with the stamps compared."""
        if side is not Side.LATER_STAMP:
            return side
        rival = self.current.dots.latest_unseen(self.edit.base)
        return Side.ARRIVING if rival is None or self.edit.rank > rival.rank else Side.PRESENT


def decide(
    current: Version | None,
    edit: Edit,
    *,
    seq: int,
    trusted_base: VersionVector,
    strategy: Strategy = Strategy.LAST_WRITE_WINS,
) -> Decision | None:
    """Return the outcome of an edit, or None when the author's full document is needed to tell.

    `seq` is the commit sequence the edit will have; `trusted_base` is the part of the edit's base that the server knows
    to exist, which is all that enters the document's vector.
    """
    if current is None:
        return _first_version(edit, seq, trusted_base)
    vector = current.vector.merge(trusted_base).with_dot(edit.dot)
    knows_all = edit.base.includes(current.vector)
    if edit.only_closes:
        return Decision(Version(current.document, vector, current.dots), is_fast_forward=knows_all)
    meeting = _Meeting(current, edit, vector, seq, knows_all, LAWS[strategy])
    if edit.operation is Operation.DELETE:
        return _deleted(meeting)
    if current.document is None:
        return _revived(meeting)
    return _edited(meeting, current.document)


def _first_version(edit: Edit, seq: int, trusted_base: VersionVector) -> Decision | None:
    vector = EMPTY_VECTOR.merge(trusted_base).with_dot(edit.dot)
    dots = FieldDots.created(edit.dot, seq, edit.stamp)
    if edit.operation is Operation.DELETE or edit.only_closes:
        return Decision(Version(None, vector, dots), is_fast_forward=True, created=True)
    if edit.document is None:
        return None
    return Decision(Version(edit.document, vector, dots), is_fast_forward=True, created=True)


def _deleted(meeting: _Meeting) -> Decision:
    current = meeting.current
    if meeting.knows_writes or current.document is None:
        return _replaced(meeting, None, clash=None)
    side = meeting.side(meeting.law.deletion_of_edited)
    if side is Side.ARRIVING:
        return _replaced(meeting, None, clash=Clash(current, None, Winner.ARRIVED))
    return _left_as_it_is(meeting, Clash(current, None, _winner(side)))


def _revived(meeting: _Meeting) -> Decision | None:
    current, edit = meeting.current, meeting.edit
    if edit.document is None:
        return None
    if meeting.knows_writes:
        return _replaced(meeting, edit.document, clash=None)
    side = meeting.side(meeting.law.edit_of_deleted)
    if side is Side.ARRIVING:
        return _replaced(meeting, edit.document, clash=Clash(current, edit.document, Winner.ARRIVED))
    return _left_as_it_is(meeting, Clash(current, edit.document, _winner(side)))


def _replaced(meeting: _Meeting, document: JsonDocument | None, *, clash: Clash | None) -> Decision:
    edit = meeting.edit
    write = FieldWrite(edit.dot, meeting.seq, edit.stamp)
    if document is None and meeting.current.document is None and not meeting.knows_all:
        before = meeting.current.dots.write_at(())  # two deletions: an edit has to be later than both
        write = max(write, FieldWrite(before.dot, meeting.seq, before.stamp), key=lambda known: known.rank)
    version = Version(document, meeting.vector, FieldDots({(): write}))
    return Decision(version, is_fast_forward=meeting.knows_all, created=True, clash=clash)


def _left_as_it_is(meeting: _Meeting, clash: Clash) -> Decision:
    """Return the version that was there, which now includes the edit as one that was overruled or left open."""
    current = meeting.current
    return Decision(Version(current.document, meeting.vector, current.dots), is_fast_forward=False, clash=clash)


def _winner(side: Side) -> Winner:
    return Winner.NONE if side is Side.NOBODY else Winner.PRESENT


def _edited(meeting: _Meeting, document: JsonDocument) -> Decision | None:
    current, edit = meeting.current, meeting.edit
    delta = _delta_of(edit, document, meeting.knows_all)
    try:
        changed, written = lay_over(document, delta, edit.document)
    except FullDocumentNeeded:
        return None
    overlap = () if meeting.knows_all else _overlap(meeting, document, written, changed)
    side = meeting.law.overlap
    if side is Side.LATER_STAMP and not meeting.knows_all:
        if len(written.values) + len(written.removed) <= ENTRIES_MAX:
            return _merged_by_stamp(meeting, document, changed, written, overlap)
        side = meeting.side(side)  # so many fields are not told apart: they stand or fall together
    if overlap and side is not Side.ARRIVING:
        return _held_back(meeting, document, written, Clash(current, changed, _winner(side), overlap))
    dots = _dots_after(current.dots, list(written.paths()), meeting)
    clash = Clash(current, changed, Winner.ARRIVED, overlap, tuple(written.paths())) if overlap else None
    return Decision(Version(changed, meeting.vector, dots), is_fast_forward=meeting.knows_all, clash=clash)


def _held_back(meeting: _Meeting, document: JsonDocument, written: Delta, clash: Clash) -> Decision:
    """Return what is left of an edit whose overlapping fields are not taken: none of it, or its other fields."""
    if not meeting.law.by_path:
        return _left_as_it_is(meeting, replace(clash, written=tuple(written.paths())))
    clash = replace(clash, written=clash.paths)
    kept = written.without(set(clash.paths))
    if not kept:
        return _left_as_it_is(meeting, clash)
    clash = replace(clash, merged=tuple(kept.paths()))
    dots = _dots_after(meeting.current.dots, list(kept.paths()), meeting)
    after, _ = lay_over(document, kept, meeting.edit.document)
    return Decision(Version(after, meeting.vector, dots), is_fast_forward=False, clash=clash)


def _merged_by_stamp(
    meeting: _Meeting, document: JsonDocument, changed: JsonDocument, written: Delta, overlap: tuple[Path, ...]
) -> Decision:
    """Return the version in which each field has the value that was written last by the hybrid clock."""
    current, edit = meeting.current, meeting.edit
    write = FieldWrite(edit.dot, meeting.seq, edit.stamp)
    merged = written_by_stamp(current.dots, document, written, write, base=edit.base, at_stake=_at_stake(meeting, document))
    version = Version(merged.document, meeting.vector, merged.dots)
    if not overlap:
        return Decision(version, is_fast_forward=False)
    lost = tuple(path for path in overlap if path in merged.lost)
    winner = Winner.ARRIVED if not lost else Winner.PRESENT if len(lost) == len(overlap) else Winner.BOTH
    clash = Clash(current, changed, winner, overlap, overlap, lost if winner is Winner.BOTH else ())
    return Decision(version, is_fast_forward=False, clash=clash)


def _dots_after(dots: FieldDots, paths: list[Path], meeting: _Meeting) -> FieldDots:
    """Return the field dots after an edit; more paths than there may be entries are folded at once, not one by one."""
    write = FieldWrite(meeting.edit.dot, meeting.seq, meeting.edit.stamp)
    if len(paths) > ENTRIES_MAX:
        return FieldDots.folded([write, *dots.writes()], meeting.seq)
    return dots.with_writes((path, write) for path in paths)


def _delta_of(edit: Edit, current: JsonDocument, knows_all: bool) -> Delta:
    """Return the fields the edit writes: an insert over a version its author knew replaces it, otherwise it adds to it."""
    if edit.delta is not None:
        return edit.delta
    assert edit.document is not None
    if knows_all:
        return diff(current, edit.document)
    return Delta({(name,): value for name, value in edit.document.items()})


def _at_stake(meeting: _Meeting, before: JsonDocument) -> Callable[[Path], bool]:
    """Return what tells whether a path that the edit writes may have been written by somebody it did not know.

    When two devices created the document without knowing each other, a field that only one of them has was written by one
    side.
    """
    edit, dots = meeting.edit, meeting.current.dots
    both_created = edit.operation is Operation.INSERT and not edit.base

    def at_stake(path: Path) -> bool:
        return dots.unseen(path, edit.base) and not (
            both_created and dots.is_from_creation(path) and not value_at(before, path)[0]
        )

    return at_stake


def _overlap(meeting: _Meeting, before: JsonDocument, written: Delta, after: JsonDocument) -> tuple[Path, ...]:
    """Return the paths that both sides wrote and that really differ: two edits to the same value agree."""
    at_stake = _at_stake(meeting, before)
    return tuple(path for path in written.paths() if at_stake(path) and not _same_at(before, after, path))


def _same_at(before: JsonDocument, after: JsonDocument, path: Path) -> bool:
    had, old = value_at(before, path)
    has, new = value_at(after, path)
    return had == has and same_value(old, new)
