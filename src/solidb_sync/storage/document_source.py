"""The documents of a store as a data source for SDBQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from solidb_sync.json_value import decode
from solidb_sync.storage.engine import EngineReader


class DocumentSource:
    """Implements `sdbql.KeyedDataSource` over a reader; `known` collections count even when nothing is in them."""

    def __init__(self, reader: EngineReader, known: Iterable[str] = ()) -> None:
        self._reader = reader
        self._collections = {*reader.collections(), *known}

    def collections(self) -> Iterable[str]:
        """Return the names of all collections."""
        return sorted(self._collections)

    def has_collection(self, name: str) -> bool:
        """Return whether there is a collection of this name."""
        return name in self._collections

    def scan(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the documents of a collection by key."""
        for key, row in self._reader.live_rows(name):
            yield as_document(name, key, row.body or "{}")

    def get(self, name: str, key: str) -> dict[str, Any] | None:
        """Return one document by its key."""
        row = self._reader.row(name, key)
        return None if row is None or row.body is None else as_document(name, key, row.body)


def as_document(collection: str, key: str, body: str) -> dict[str, Any]:
    """Return a stored document as reads show it."""
    document: dict[str, Any] = decode(body)
    document["_key"] = key
    document["_id"] = f"{collection}/{key}"
    return document
