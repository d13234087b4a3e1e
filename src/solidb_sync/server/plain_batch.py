"""The commonest push of all, seen as a whole: nothing but new documents, each change with an id and a counter of its own.

Such a batch needs no judgement, only the proof that it is one. What the request says is proved here; that no document and no
change of it is known yet, by the unique keys of the database. Judged change by change, the outcome is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from msgspec import UNSET

from solidb_sync.json_value import DEPTH_MAX, DOCUMENT_BYTES_MAX
from solidb_sync.model.version_vector import COUNTER_MAX
from solidb_sync.protocol.limits import CHANGE_ID_CHARACTERS_MAX
from solidb_sync.protocol.messages import WireChange
from solidb_sync.protocol.names import key_problem, name_problem
from solidb_sync.server.proposed_change import TIMESTAMP_CHARACTERS_MAX

COLLECTIONS_AT_ONCE_MAX = 16
"""Each collection costs a pass over the batch; with more of them it is not worth it."""


@dataclass(frozen=True, slots=True)
class PlainBatch:
    """What such a batch writes: the ids in their order, the collections, the counters it spans, and its JSON array."""

    wires: list[WireChange]
    ids: list[str]
    collections: tuple[str, ...]
    first_counter: int
    last_counter: int
    text: bytes


def plain_batch(changes: list[WireChange], text: bytes) -> PlainBatch | None:
    """Return the changes of a request, of which `text` is the JSON array, as a plain batch; None when they are none."""
    if not _are_inserts(changes):
        return None
    ids = [change.id for change in changes]
    collections = tuple(dict.fromkeys([change.collection for change in changes]))
    counters = [change.counter for change in changes]
    if (
        len(set(ids)) == len(ids)
        and _fit(ids, CHANGE_ID_CHARACTERS_MAX, least=1)
        and counters[-1] <= COUNTER_MAX
        and all(earlier < later for earlier, later in pairwise(counters))
        and _are_places([(change.collection, change.key) for change in changes], collections)
    ):
        return PlainBatch(changes, ids, collections, counters[0], counters[-1], text)
    return None


def _are_inserts(changes: list[WireChange]) -> bool:
    """Return whether each change is an insert of a document that may be kept, made upon nothing."""
    return (
        {change.operation for change in changes} == {"insert"}
        and not [change for change in changes if _is_special(change)]
        and _fit([change.timestamp for change in changes], TIMESTAMP_CHARACTERS_MAX, least=0)
        and not [change for change in changes if change.document is UNSET or not _is_document(bytes(change.document))]
    )


def _is_special(change: WireChange) -> bool:
    return bool(change.base_version or change.transaction or change.crdt is not UNSET or change.hlc or change.resolves)


def _is_document(text: bytes) -> bool:
    """Return whether the JSON text is plainly an object that may be kept."""
    return (
        text.startswith(b"{")
        and len(text) <= DOCUMENT_BYTES_MAX
        and text.count(b"{") + text.count(b"[") <= DEPTH_MAX  # brackets inside strings count as well: never too few
    )


def _are_places(places: list[tuple[str, str]], collections: tuple[str, ...]) -> bool:
    return (
        len(set(places)) == len(places)
        and len(collections) <= COLLECTIONS_AT_ONCE_MAX
        and not any(name_problem(name) for name in collections)
        and not [key for _, key in places if key_problem(key)]
    )


def _fit(texts: list[str], characters_max: int, *, least: int) -> bool:
    lengths = set(map(len, texts))
    return min(lengths) >= least and max(lengths) <= characters_max
