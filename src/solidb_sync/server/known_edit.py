"""The next version of a document after the commonest edit: some fields set or removed, by an author who knew the version.

When an edit's base is the current version's vector, entry by entry, nothing has to be merged: its fields are laid over the
document, its dot joins the vector, and the fields written have that dot. `decide` comes to the same by way of everything
that may stand between the two; this only costs less. Whatever is out of the ordinary (a parent that is missing, a document
that grows beyond its bounds, dots that have to be folded) is left to it: then there is no `NextVersion` here.
"""

from __future__ import annotations

from typing import NamedTuple

from solidb_sync.json_value import DEPTH_MAX, DOCUMENT_BYTES_MAX, decode, encode
from solidb_sync.model.delta import Delta, MissingParentError, apply_delta
from solidb_sync.model.field_dots import text_with_writes
from solidb_sync.model.version_vector import Dot

BYTES_PER_CHARACTER_MAX = 4


class KnownVersion(NamedTuple):
    """A version of a document as it is stored, all of it JSON text."""

    body: str
    vector: str
    dots: str


def next_version(known: KnownVersion, delta: Delta, base: dict[str, int], *, dot: Dot, seq: int) -> KnownVersion | None:
    """Return the version after an edit with this base; None when the edit has to be judged the long way."""
    counts = decode(known.vector)
    before = counts.get(dot.actor, 0)
    if counts != base or before >= dot.counter:
        return None
    dots = text_with_writes(known.dots, list(delta.paths()), dot=dot, seq=seq)
    if dots is None:
        return None
    try:
        document = apply_delta(decode(known.body), delta)
    except MissingParentError:
        return None
    body = encode(document).decode()
    if body.count("{") + body.count("[") > DEPTH_MAX or len(body) * BYTES_PER_CHARACTER_MAX > DOCUMENT_BYTES_MAX:
        return None
    counts[dot.actor] = dot.counter
    return KnownVersion(body, encode(counts if before else dict(sorted(counts.items()))).decode(), dots)
