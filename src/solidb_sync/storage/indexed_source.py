"""The documents of a store whose queries run in the interpreter, found by key, in ranges of keys, and by local indexes.

What an index finds is brought into the order of a scan, which is that of the keys, and read in the same moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from sdbql import ValueRange
from solidb_sync.storage.document_source import DocumentSource, as_document
from solidb_sync.storage.engine import EngineReader, IndexReader
from solidb_sync.storage.field_path import FieldPath, parse_field
from solidb_sync.storage.records import IndexDefinition, StoredRow

KEY = ("_key",)


class _Reader(EngineReader, IndexReader, Protocol):
    """A reader with indexes."""


class IndexedDocumentSource(DocumentSource):
    """Implements `sdbql.IndexedDataSource` as well."""

    def __init__(self, reader: _Reader, known: Iterable[str] = ()) -> None:
        super().__init__(reader, known)
        self._indexes = reader
        self._paths: dict[str, dict[FieldPath, IndexDefinition]] = {}

    def indexed(self, name: str) -> frozenset[FieldPath]:
        """Return the key and the fields with an index."""
        return frozenset([KEY, *self._definitions(name)])

    def candidates(self, name: str, path: FieldPath, ranges: Sequence[ValueRange], most: int) -> list[dict[str, Any]] | None:
        """Return the documents in the ranges by key; None when there are more than `most`, or when an index can't tell."""
        with self._indexes.snapshot():
            rows: dict[str, StoredRow] = {}
            for each in ranges:
                left = most - len(rows)
                found = self._by_key(name, each, left) if path == KEY else self._by_index(name, path, each, left)
                if found is None:
                    return None
                rows |= found
        return [as_document(name, key, row.body) for key, row in sorted(rows.items()) if row.body is not None]

    def _by_index(self, name: str, path: FieldPath, asked: ValueRange, most: int) -> dict[str, StoredRow] | None:
        index = self._definitions(name)[path]
        keys = self._indexes.keys_between(index, asked.lowest, asked.highest, most)
        return None if keys is None else self._indexes.rows_of(name, keys)

    def _by_key(self, name: str, asked: ValueRange, most: int) -> dict[str, StoredRow] | None:
        """Return the rows whose keys are in the range; a key is a string, so a range from before strings has them all."""
        lowest, highest = asked.lowest, asked.highest
        if not isinstance(lowest, str) or not _is_text(lowest):
            return None
        own = self._indexes.row(name, lowest)
        rows = {} if own is None else {lowest: own}
        if highest == lowest:
            return rows
        for key, row in self._indexes.rows_after(name, lowest, most + 1):
            if isinstance(highest, str) and key > highest:
                return rows
            rows[key] = row
        return rows if len(rows) <= most else None

    def _definitions(self, name: str) -> dict[FieldPath, IndexDefinition]:
        found = self._paths.get(name)
        if found is None:
            indexes = self._indexes.indexes(name)
            found = self._paths[name] = {parse_field(index.field): index for index in indexes}
        return found


def _is_text(value: str) -> bool:
    """Tell whether a string has a UTF-8 form, as all keys have."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
