"""Merge one edit into a document path by path: of two writes that did not know each other, the later stamp is kept.

Written this way, a document of edits that did not know each other is the same in whatever order they arrive. A write of a
whole object may be later than some writes inside it and earlier than others: it is taken, and the later ones are put back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from solidb_sync.json_value import JsonDocument
from solidb_sync.model.delta import Delta, MissingParentError, Path, apply_delta, value_at
from solidb_sync.model.field_dots import FieldDots, FieldWrite
from solidb_sync.model.version_vector import VersionVector


@dataclass(slots=True)
class MergedByStamp:
    """The document and its dots after the edit, and the paths at which the edit was too early."""

    document: JsonDocument
    dots: FieldDots
    lost: set[Path] = field(default_factory=set)


def written_by_stamp(
    dots: FieldDots,
    document: JsonDocument,
    written: Delta,
    write: FieldWrite,
    *,
    base: VersionVector,
    at_stake: Callable[[Path], bool],
) -> MergedByStamp:
    """Return what the edit `written`, made at `write` on top of `base`, makes of a document.

    `at_stake` tells the paths that somebody else may have written; the others are written as they are.
    """
    merged = MergedByStamp(document, dots)
    for path in list(written.paths()):
        inside: list[tuple[Path, FieldWrite]] = []
        if at_stake(path):
            around = dots.write_at(path)
            if not base.covers(around.dot) and around.rank > write.rank:
                merged.lost.add(path)
                continue
            inside = [(at, other) for at, other in dots.unseen_below(path, base) if other.rank > write.rank]
        if not _write(merged, written.at(path), (path, write), put_back=inside):
            merged.lost.add(path)
    return merged


def _write(
    merged: MergedByStamp, one: Delta, wrote: tuple[Path, FieldWrite], *, put_back: list[tuple[Path, FieldWrite]]
) -> bool:
    """Write one path, and the later values inside it again; False, with no effect, when they no longer fit in there."""
    try:
        document = apply_delta(merged.document, one)
        for path, _ in put_back:
            is_present, value = value_at(merged.document, path)
            document = apply_delta(document, Delta({path: value}) if is_present else Delta(removed=(path,)))
    except MissingParentError:
        return False
    merged.document = document
    merged.dots = merged.dots.with_writes([wrote, *put_back])
    return True
