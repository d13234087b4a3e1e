"""What an index holds, and how documents are found by it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from sdbql.values import equal
from solidb_sync.json_value import decode
from solidb_sync.storage.field_path import FieldPath, parse_field, value_at
from solidb_sync.storage.records import IndexDefinition
from solidb_sync.storage.rocksdb.key_layout import INDEX_ENTRIES, ROWS, end_of, key_of, prefix_of
from solidb_sync.storage.rocksdb.ordered_map import OrderedMap
from solidb_sync.storage.rocksdb.records_bytes import to_row
from solidb_sync.storage.rocksdb.value_bytes import is_cut, value_bytes


class Index:
    """An index of a collection: its definition, and where its entries are."""

    def __init__(self, definition: IndexDefinition) -> None:
        self.definition = definition
        self.path: FieldPath = parse_field(definition.field)
        self.prefix = prefix_of(INDEX_ENTRIES, definition.collection, definition.field)

    def entry(self, key: str, body: str | None) -> bytes | None:
        """Return the entry of a document; None for a tombstone, and when the field is missing or null."""
        value = None if body is None else value_at(decode(body), self.path)
        return None if value is None else self.prefix + value_bytes(value) + key.encode()


def keys_with(view: OrderedMap, index: Index, value: Any) -> list[str]:
    """Return the keys of the documents with a value, by key."""
    wanted = value_bytes(value)
    first = index.prefix + wanted
    keys = [found.decode() for _, found in view.scan(first, end_of_entries(first))]
    if not is_cut(wanted):
        return keys
    return [key for key in keys if equal(_value_of(view, index, key), value)]


def keys_between(view: OrderedMap, index: Index, bounds: tuple[Any, Any], most: int) -> list[str] | None:
    """Return the keys of the documents with a value in these bounds (`IndexReader.keys_between`)."""
    lowest, highest = bounds
    last = index.prefix if highest is None else index.prefix + value_bytes(highest)
    entries = view.scan(index.prefix + value_bytes(lowest), end_of_entries(last))
    keys = [found.decode() for _, found in islice(entries, most + 1)]
    return keys if len(keys) <= most else None


def end_of_entries(first: bytes) -> bytes:
    """Return the first key after all entries that begin alike; a key of a document is UTF-8, which has no byte 255."""
    return first + b"\xff"


def entries_of(index: Index, rows: Iterable[tuple[str, str | None]]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of documents, each given by key and body."""
    for key, body in rows:
        entry = index.entry(key, body)
        if entry is not None:
            yield entry, key.encode()


def bodies(view: OrderedMap, collection: str) -> Iterator[tuple[str, str | None]]:
    """Yield key and body of everything kept of a collection, by key."""
    prefix = prefix_of(ROWS, collection)
    for key, record in view.scan(prefix, end_of(prefix)):
        yield key[len(prefix) :].decode(), to_row(record).body


def _value_of(view: OrderedMap, index: Index, key: str) -> Any:
    record = view.get(key_of(ROWS, index.definition.collection, key))
    body = None if record is None else to_row(record).body
    return None if body is None else value_at(decode(body), index.path)
