"""What a document becomes when somebody decides a conflict about it, or takes a decision back.

The decision is made over the document as it is now, which may have gone on since: only the paths that were at stake change,
or the whole document when that was. The same on both ends, because either may be where somebody decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from solidb_sync.json_value import JsonDocument
from solidb_sync.model.delta import diff, path_text
from solidb_sync.reconcile.field_merge import lay_over
from solidb_sync.reconcile.joined_sides import Side, laid_over

ACCEPT_LOCAL, ACCEPT_REMOTE, MERGE, REPLACE, DELETE = "accept_local", "accept_remote", "merge", "replace", "delete"
CHOICES = (ACCEPT_LOCAL, ACCEPT_REMOTE, MERGE, REPLACE, DELETE)


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody has decided.

    `merge` takes the document as one made of the two sides, so that what was written since stays; `replace` takes it whole.
    """

    kind: str
    document: JsonDocument | None = None


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides of a conflict: of the arriving edit all it wrote, of the other what both wrote.

    `winner` is in the document now. `lost` are the paths at which the arriving edit is not, when both sides won a part.
    """

    local: Side
    remote: Side
    winner: str
    lost: tuple[str, ...] = ()


def decided(sides: Sides, choice: Choice, current: JsonDocument | None) -> JsonDocument | None:
    """Return what the document is to be, None for a deletion."""
    match choice.kind:
        case "accept_local" if sides.winner != "local":
            return _with_side(current, sides.local)
        case "accept_remote" if sides.winner in ("local", "both"):
            return _with_side(current, sides.remote)
        case "accept_local" | "accept_remote":
            return current
        case "merge":
            return _merged(sides, choice.document or {}, current)
        case "replace":
            return choice.document
        case "delete":
            return None
    raise AssertionError(choice.kind)


def overruled_by(target: JsonDocument | None, current: JsonDocument | None) -> Side:
    """Return what a decision is about to overwrite: the document as it is now, and the paths at which that changes."""
    delta = diff(current or {}, target or {})
    return Side(current, tuple(path_text(path) for path in (*delta.values, *delta.removed)))


def taken_back(overruled: Side, current: JsonDocument | None) -> JsonDocument | None:
    """Return the document with what a decision had overwritten brought back, and everything else as it is now.

    A decision that made a document where there was none is taken back by deleting it, except for fields written since.
    """
    if current is None:
        return overruled.document
    if overruled.document is None:
        return laid_over(current, Side({}, overruled.written)) or None
    return laid_over(current, overruled)


def undone(sides: Sides, current: JsonDocument | None) -> JsonDocument | None:
    """Return the document with the side brought back that a strategy has overruled, or somebody who left all as it was."""
    match sides.winner:
        case "remote" | "merged":  # what was merged into the very document that was there overruled the arriving edit
            return _with_side(current, sides.local)
        case "both" if current is not None:
            won = tuple(path for path in sides.remote.written if path not in sides.lost)
            current = laid_over(current, Side(sides.local.document or {}, sides.lost))
            return laid_over(current, Side(sides.remote.document or {}, won))
        case _:
            return _with_side(current, sides.remote)


def _with_side(current: JsonDocument | None, side: Side) -> JsonDocument | None:
    """Return the current document with the values of one side; the whole side when the whole document was at stake."""
    if side.document is None or not side.written or current is None:
        return side.document
    return laid_over(current, side)


def _merged(sides: Sides, document: JsonDocument, current: JsonDocument | None) -> JsonDocument:
    remote = sides.remote.document
    if current is None or remote is None:
        return document
    changed, _ = lay_over(current, diff(remote, document), document)
    return changed
