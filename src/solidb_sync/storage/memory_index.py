"""An index of the memory engine: the values of a field in order, put right when it is next asked.

It is told which rows have changed and looks at them only when somebody asks; a change that was taken back is one more
change. So it always says what the rows say, and a save costs no more than noting a key.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any

from sdbql.values import ARRAY, rank, sort_key
from solidb_sync.json_value import decode
from solidb_sync.storage.field_path import parse_field, value_at
from solidb_sync.storage.records import StoredRow

Rows = Mapping[str, StoredRow]
Entry = tuple[Any, str]
"""The place of a value in SDBQL's order, and the key of the document that has it."""

INSORTED_MAX = 64
"""So many changed rows are put in their places one by one; more are sorted together."""

_place = itemgetter(0)


class MemoryIndex:
    """The values of one field of a collection."""

    def __init__(self, field: str, keys: Iterable[str]) -> None:
        self._path = parse_field(field)
        self._entries: list[Entry] = []
        self._entry_of: dict[str, Entry] = {}
        self._changed: set[str] = set(keys)

    def row_changed(self, key: str) -> None:
        """Note that the row of a key may be another one now."""
        self._changed.add(key)

    def keys_between(self, rows: Rows, bounds: tuple[Any, Any], most: int) -> list[str] | None:
        """Return the keys of the documents with a value in these bounds (`IndexReader.keys_between`)."""
        self._put_right(rows)
        lowest, highest = bounds
        first = bisect_left(self._entries, sort_key(lowest), key=_place)
        end = len(self._entries)
        if highest is not None:
            end = bisect_right(self._entries, sort_key(highest), key=_place)
        return [key for _, key in self._entries[first:end]] if end - first <= most else None

    def _put_right(self, rows: Rows) -> None:
        if len(self._changed) > INSORTED_MAX:
            for key in self._changed:
                self._note(key, self._entry(rows, key))
            self._entries = sorted(self._entry_of.values())
        else:
            for key in self._changed:
                self._move(key, self._entry(rows, key))
        self._changed.clear()

    def _move(self, key: str, entry: Entry | None) -> None:
        before = self._entry_of.get(key)
        if before is not None:
            del self._entries[bisect_left(self._entries, before)]
        if entry is not None:
            insort(self._entries, entry)
        self._note(key, entry)

    def _note(self, key: str, entry: Entry | None) -> None:
        if entry is None:
            self._entry_of.pop(key, None)
        else:
            self._entry_of[key] = entry

    def _entry(self, rows: Rows, key: str) -> Entry | None:
        """Return the entry of a document; None for a tombstone, and when the field is missing or null."""
        row = rows.get(key)
        value = None if row is None or row.body is None else value_at(decode(row.body), self._path)
        return None if value is None else (_order(value), key)


def _order(value: Any) -> Any:
    """Return what sorts as SDBQL does; arrays, and objects, only behind all that comes before them."""
    kind = rank(value)
    return (kind,) if kind >= ARRAY else sort_key(value)
