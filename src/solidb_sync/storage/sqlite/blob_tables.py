"""Attached bytes in SQLite: one row for what is known of them, one for each chunk."""

from __future__ import annotations

from typing import Any

from solidb_sync.storage.records import BlobState, StoredBlob

_BLOB = "SELECT name, chunks, length, stored, state, confirmed FROM blobs"
READ_BLOB = f"{_BLOB} WHERE name = ?"
READ_BLOBS = f"{_BLOB} ORDER BY name"
WRITE_BLOB = "INSERT OR REPLACE INTO blobs (name, chunks, length, stored, state, confirmed) VALUES (?, ?, ?, ?, ?, ?)"
DROP_BLOB = "DELETE FROM blobs WHERE name = ?"
READ_CHUNK = "SELECT content FROM blob_chunks WHERE chunks = ? AND number = ?"
WRITE_CHUNK = "INSERT OR REPLACE INTO blob_chunks (chunks, number, content) VALUES (?, ?, ?)"
DROP_CHUNKS = "DELETE FROM blob_chunks WHERE chunks = ? AND number < ?"


class SqliteBlobReads:
    """The reads of attached bytes over one connection."""

    def _all(self, statement: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        raise NotImplementedError

    def blob(self, name: str) -> StoredBlob | None:
        """Return what is known of some attached bytes."""
        found = self._all(READ_BLOB, (name,))
        return _blob(found[0]) if found else None

    def blobs(self) -> list[StoredBlob]:
        """Return what is known of all attached bytes, by name."""
        return [_blob(row) for row in self._all(READ_BLOBS)]

    def chunk(self, chunks: str, number: int) -> bytes | None:
        """Return one chunk of attached bytes."""
        found = self._all(READ_CHUNK, (chunks, number))
        return bytes(found[0][0]) if found else None


class SqliteBlobWrites:
    """The writes of attached bytes over one connection."""

    def _do(self, statement: str, parameters: tuple[object, ...] = ()) -> None:
        raise NotImplementedError

    def put_blob(self, blob: StoredBlob) -> None:
        """Keep what is known of some attached bytes."""
        parameters = (blob.name, blob.chunks, blob.length, blob.stored, int(blob.state), blob.confirmed)
        self._do(WRITE_BLOB, parameters)

    def drop_blob(self, name: str) -> None:
        """Forget what is known of some attached bytes."""
        self._do(DROP_BLOB, (name,))

    def put_chunk(self, chunks: str, number: int, content: bytes) -> None:
        """Keep one chunk of attached bytes."""
        self._do(WRITE_CHUNK, (chunks, number, content))

    def drop_chunks(self, chunks: str, count: int) -> None:
        """Forget the first chunks under a name."""
        self._do(DROP_CHUNKS, (chunks, count))


def _blob(row: Any) -> StoredBlob:
    name, chunks, length, stored, state, confirmed = row
    return StoredBlob(name, chunks, length, stored, BlobState(state), confirmed)
