"""Judge a whole version that a device offers to a server which has lost a part of its history. Pure.

No edit is made by an offer: versions are joined by what they include. What the server's version includes adds nothing, so
offering twice changes nothing and an old replica overrules nobody; what includes the server's version takes its place, a
deletion too. Two versions that each have something the other has not are joined: fields that the server's version got from
edits the offered one had not seen stay, everything else comes from the offered one; a document wins over a deletion. Which
fields the offered version changed beyond the server's is not known any more, so a field that differs there is reported as a
conflict, and the version that lost goes into the log.
"""

from __future__ import annotations

from dataclasses import dataclass

from solidb_sync.json_value import JsonDocument
from solidb_sync.model.delta import Delta, Path, same_value, value_at
from solidb_sync.model.field_dots import SERVER_ACTOR, FieldDots
from solidb_sync.model.version_vector import Dot, VersionVector
from solidb_sync.reconcile.decision import Version
from solidb_sync.reconcile.field_merge import lay_over


@dataclass(frozen=True, slots=True)
class OfferTaken:
    """The version after an offer. `overruled_paths` is set for a conflict: empty when it is about the whole document.

    `offered_wins`: the offered side stands in the conflict, otherwise the server's.
    """

    version: Version
    overruled_paths: tuple[Path, ...] | None = None
    offered_wins: bool = False


def take_offer(
    current: Version | None, document: JsonDocument | None, vector: VersionVector, *, seq: int
) -> OfferTaken | None:
    """Return what an offered version (`document` None: a deletion) makes of the server's, None when it adds nothing.

    The field dots of the result are the server's own, at `seq`: nobody who has not seen this version is taken to have.
    """
    dots = FieldDots.created(Dot(SERVER_ACTOR, seq), seq)
    if current is None or (vector.includes(current.vector) and not current.vector.includes(vector)):
        return OfferTaken(Version(document, vector, dots))
    if current.vector.includes(vector):
        return None
    joined = current.vector.merge(vector)
    if current.document is None or document is None:
        live = current.document if document is None else document
        taken = Version(live, joined, dots)
        return OfferTaken(taken, None if live is None else (), offered_wins=document is not None)
    paths = _unseen_paths(current, current.document, vector)
    overlap = tuple(path for path in paths if not _same_at(current.document, document, path))
    merged = _with_fields_of(current.document, document, overlap)
    return OfferTaken(Version(merged, joined, dots), overlap or None)


def _unseen_paths(current: Version, document: JsonDocument, seen: VersionVector) -> list[Path]:
    """Return the paths that edits have written which the offered version had not seen."""
    paths = current.dots.unseen_paths(seen)
    if () in paths:
        return [(name,) for name in document]
    return paths


def _with_fields_of(current: JsonDocument, offered: JsonDocument, paths: tuple[Path, ...]) -> JsonDocument:
    values = {path: value for path in paths for present, value in [value_at(current, path)] if present}
    removed = tuple(path for path in paths if path not in values)
    return lay_over(offered, Delta(values, removed), current)[0]


def _same_at(one: JsonDocument, other: JsonDocument, path: Path) -> bool:
    had, first = value_at(one, path)
    has, second = value_at(other, path)
    return had == has and same_value(first, second)
