"""Two open conflicts about one document become one: the later side, with what the earlier one had written beneath it.

Nothing that somebody wrote may be lost because they went on writing before anybody decided.
"""

from __future__ import annotations

from dataclasses import dataclass

from solidb_sync.json_value import JsonDocument
from solidb_sync.model.delta import Delta, MissingParentError, apply_delta, parse_path, paths_overlap, value_at


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a conflict: its document (None: deleted) and the paths it wrote, as text; none: the whole of it."""

    document: JsonDocument | None
    written: tuple[str, ...]


def joined(older: Side, newer: Side, merged: tuple[str, ...] = ()) -> Side:
    """Return the newer side with what the older one wrote, except where the newer edit wrote as well.

    `merged`: where that did so beside its side of the conflict.
    """
    if newer.document is None or not newer.written or older.document is None or not older.written:
        return Side(newer.document, ())
    document, written = newer.document, list(newer.written)
    newer_paths = [parse_path(text) for text in (*newer.written, *merged)]
    for text in older.written:
        path = parse_path(text)
        if any(paths_overlap(path, other) for other in newer_paths):
            continue
        is_present, value = value_at(older.document, path)
        try:
            document = apply_delta(document, Delta({path: value}) if is_present else Delta(removed=(path,)))
        except MissingParentError:
            continue  # the newer side no longer has what it was in
        written.append(text)
    return Side(document, tuple(written))


def laid_over(current: JsonDocument, side: Side) -> JsonDocument:
    """Return a document with the values a side wrote; where they no longer fit, what they were in comes with them."""
    assert side.document is not None
    for text in side.written:
        current = _with_path(current, side.document, text)
    return current


def _with_path(current: JsonDocument, source: JsonDocument, text: str) -> JsonDocument:
    path = parse_path(text)
    for length in range(len(path), 0, -1):
        is_present, value = value_at(source, path[:length])
        try:
            return apply_delta(current, Delta({path[:length]: value}) if is_present else Delta(removed=(path[:length],)))
        except MissingParentError:
            continue
    raise AssertionError("a top-level field always fits")
