"""Lay one edit's fields over a document that may have changed since the author saw it.

A field inside an object that is an object no longer (somebody else made it a string, or removed it) can't be written
alone: the result would be a piece of an object nobody ever had. The write is then widened to the place that changed, and
takes the author's whole value for it from the author's full document.
"""

from __future__ import annotations

from typing import Any

from solidb_sync.json_value import JsonDocument
from solidb_sync.model.delta import Delta, MissingParentError, Path, apply_delta, is_prefix, value_at

WIDENINGS_MAX = 1000


class FullDocumentNeeded(Exception):  # noqa: N818 - an outcome that asks, not a failure
    """The edit can only be laid over this document with the author's full copy at hand."""


def lay_over(document: JsonDocument, delta: Delta, full: JsonDocument | None) -> tuple[JsonDocument, Delta]:
    """Return the document with the delta applied, and the delta as it was written (widened where it had to be).

    Raises `FullDocumentNeeded` when a widening is necessary and `full`, the author's whole document, is not given.
    """
    for _ in range(WIDENINGS_MAX):
        try:
            return apply_delta(document, delta), delta
        except MissingParentError as missing:
            if full is None:
                raise FullDocumentNeeded from None
            delta = _widened(delta, missing.path, full)
    raise AssertionError("a delta has more missing parents than paths")


def _widened(delta: Delta, path: Path, full: JsonDocument) -> Delta:
    values: dict[Path, Any] = {known: value for known, value in delta.values.items() if not is_prefix(path, known)}
    present, value = value_at(full, path)
    if present:
        values[path] = value
    removed = tuple(known for known in delta.removed if not is_prefix(path, known))
    return Delta(values, removed)
