"""Judge one edit against the current version of its document. The heart of the server, and pure.

An edit says what its author had seen (`base`). If that includes everything the current version includes, the edit simply
comes after it. Otherwise author and current version are concurrent: edits of different fields commute and are merged;
edits that overlap are a conflict, which a strategy decides (here last write wins: the edit that reaches the server later).

Strategies never lose the other side silently: a `Decision` with a conflict carries the version that was overruled, and
the caller logs it in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from solidb_sync.json_value import JsonDocument
from solidb_sync.model.delta import Delta, Path, diff, same_value, value_at
from solidb_sync.model.field_dots import ENTRIES_MAX, SERVER_ACTOR, FieldDots
from solidb_sync.model.version_vector import EMPTY_VECTOR, Dot, VersionVector
from solidb_sync.reconcile.field_merge import FullDocumentNeeded, lay_over


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
    """One edit: what it does, what its author had seen, and its dot.

    An insert has a document. An update has a delta, and the author's full document when the server asked for it.
    """

    operation: Operation
    base: VersionVector
    dot: Dot
    document: JsonDocument | None = None
    delta: Delta | None = None


@dataclass(frozen=True, slots=True)
class Overruled:
    """What a conflict was about: the version that lost, and the paths both sides wrote (none: the whole document)."""

    version: Version
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The version after an edit.

    `is_fast_forward`: the author had seen everything, so author and server now hold the same version.
    `overruled` is set when the edit was in conflict.
    """

    version: Version
    is_fast_forward: bool
    created: bool = False
    overruled: Overruled | None = None


def decide(current: Version | None, edit: Edit, *, seq: int, trusted_base: VersionVector) -> Decision | None:
    """Return the outcome of an edit, or None when the author's full document is needed to tell.

    `seq` is the commit sequence the edit will have; `trusted_base` is the part of the edit's base that the server knows
    to exist, which is all that enters the document's vector.
    """
    if current is None:
        return _first_version(edit, seq, trusted_base)
    knows_all = edit.base.includes(current.vector)
    vector = current.vector.merge(trusted_base).with_dot(edit.dot)
    if edit.operation is Operation.DELETE:
        return _deleted(current, edit, vector, seq, knows_all)
    if current.document is None:
        return _revived(current, edit, vector, seq, knows_all)
    return _edited(current, current.document, edit, vector, seq, knows_all)


def _first_version(edit: Edit, seq: int, trusted_base: VersionVector) -> Decision | None:
    vector = EMPTY_VECTOR.merge(trusted_base).with_dot(edit.dot)
    dots = FieldDots.created(edit.dot, seq)
    if edit.operation is Operation.DELETE:
        return Decision(Version(None, vector, dots), is_fast_forward=True, created=True)
    if edit.document is None:
        return None
    return Decision(Version(edit.document, vector, dots), is_fast_forward=True, created=True)


def _deleted(current: Version, edit: Edit, vector: VersionVector, seq: int, knows_all: bool) -> Decision:
    version = Version(None, vector, FieldDots.created(edit.dot, seq))
    is_conflict = not knows_all and current.document is not None
    return Decision(
        version,
        is_fast_forward=knows_all,
        created=True,
        overruled=Overruled(current, ()) if is_conflict else None,
    )


def _revived(current: Version, edit: Edit, vector: VersionVector, seq: int, knows_all: bool) -> Decision | None:
    if edit.document is None:
        return None
    version = Version(edit.document, vector, FieldDots.created(edit.dot, seq))
    return Decision(
        version,
        is_fast_forward=knows_all,
        created=True,
        overruled=None if knows_all else Overruled(current, ()),
    )


def _edited(
    current: Version, document: JsonDocument, edit: Edit, vector: VersionVector, seq: int, knows_all: bool
) -> Decision | None:
    delta = _delta_of(edit, document, knows_all)
    try:
        changed, written = lay_over(document, delta, edit.document)
    except FullDocumentNeeded:
        return None
    dots = _dots_after(current.dots, list(written.paths()), edit.dot, seq)
    overlap = () if knows_all else _overlap(current, document, edit, written, changed)
    return Decision(
        Version(changed, vector, dots),
        is_fast_forward=knows_all,
        overruled=Overruled(current, overlap) if overlap else None,
    )


def _dots_after(dots: FieldDots, paths: list[Path], dot: Dot, seq: int) -> FieldDots:
    """Return the field dots after an edit; more paths than there may be entries are folded at once, not one by one."""
    if len(paths) > ENTRIES_MAX:
        return FieldDots.created(Dot(SERVER_ACTOR, seq), seq)
    return dots.written(paths, dot, seq)


def _delta_of(edit: Edit, current: JsonDocument, knows_all: bool) -> Delta:
    """Return the fields the edit writes: an insert over a version its author knew replaces it, otherwise it adds to it."""
    if edit.delta is not None:
        return edit.delta
    assert edit.document is not None
    if knows_all:
        return diff(current, edit.document)
    return Delta({(name,): value for name, value in edit.document.items()})


def _overlap(current: Version, before: JsonDocument, edit: Edit, written: Delta, after: JsonDocument) -> tuple[Path, ...]:
    """Return the paths that both sides wrote and that really differ: two edits to the same value agree.

    When two devices created the document without knowing each other, a field that only one of them has was written by one
    side.
    """
    both_created = edit.operation is Operation.INSERT and not edit.base
    return tuple(
        path
        for path in written.paths()
        if current.dots.unseen(path, edit.base)
        and not _same_at(before, after, path)
        and not (both_created and current.dots.is_from_creation(path) and not value_at(before, path)[0])
    )


def _same_at(before: JsonDocument, after: JsonDocument, path: Path) -> bool:
    had, old = value_at(before, path)
    has, new = value_at(after, path)
    return had == has and same_value(old, new)
