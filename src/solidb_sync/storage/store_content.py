"""Everything a store holds, record by record in one order: to tell whether two stores hold the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

from msgspec.structs import replace

from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.records import Mark, Replica

Record = tuple[str, object]
DIFFERENCES_MAX = 20
"""So many are named; one is too many already."""


def content_of(reader: EngineReader) -> Iterator[Record]:
    """Yield the name and the content of every record."""
    yield "replica", _comparable(reader.replica())
    for collection in reader.collections():
        yield f"collection {collection}", None
        for key, row in reader.all_rows(collection):
            yield f"{collection}/{key}", row
    for collection, key, base in sorted(reader.bases(), key=_place):
        yield f"{collection}/{key} (base copy)", base
    for collection, key, states in sorted(reader.all_states(), key=_place):
        yield f"{collection}/{key} (states)", states
    for change in reader.changes(state=None):
        yield f"change {change.id}", change
    for blob in reader.blobs():
        yield f"attached bytes {blob.name}", blob
        for number in range(blob.stored):
            yield f"attached bytes {blob.name}, chunk {number}", reader.chunk(blob.chunks, number)
    for name, read in _BOOKS.items():
        for record in read(reader):
            yield name, record


def differences(one: EngineReader, other: EngineReader) -> tuple[int, list[str]]:
    """Return how many records the first has, and in which the other differs."""
    count = 0
    found: list[str] = []
    for left, right in zip_longest(content_of(one), content_of(other)):
        count += left is not None
        if left != right and len(found) < DIFFERENCES_MAX:
            found.append(f"{_name(left)}: the copy has {_name(right)}{' with another content' if left and right else ''}")
    return count, found


def _place(found: tuple[str, str, object]) -> tuple[str, str]:
    return found[0], found[1]


def _name(record: Record | None) -> str:
    return "nothing" if record is None else record[0]


def _comparable(replica: Replica) -> Replica:
    """Return the record as a copy has it: one that is made during a resync begins that again."""
    return replace(replica, cursor=0, caught_up=0) if replica.is_resyncing else replica


_BOOKS: dict[str, Callable[[EngineReader], Any]] = {
    "subscription": lambda reader: reader.subscriptions(),
    "backfill": lambda reader: reader.backfills().items(),
    "index": lambda reader: reader.indexes(),
    "conflict": lambda reader: reader.conflicts(),
    "mark": lambda reader: [(mark, *place) for mark in Mark for place in reader.marked(mark)],
    "setting": lambda reader: reader.settings().items(),
}
