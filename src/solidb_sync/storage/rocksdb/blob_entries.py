"""Attached bytes in RocksDB: one entry for what is known of them, one for each chunk."""

from __future__ import annotations

from collections.abc import Iterator

from solidb_sync.storage.records import StoredBlob
from solidb_sync.storage.rocksdb import key_layout as at
from solidb_sync.storage.rocksdb.key_layout import key_of, number_bytes, prefix_of
from solidb_sync.storage.rocksdb.ordered_map import Buffer, Entry
from solidb_sync.storage.rocksdb.records_bytes import to_blob, to_bytes


class RocksdbBlobReads:
    """The reads of attached bytes."""

    def _get(self, key: bytes) -> bytes | None:
        raise NotImplementedError

    def _all(self, prefix: bytes) -> Iterator[Entry]:
        raise NotImplementedError

    def blob(self, name: str) -> StoredBlob | None:
        """Return what is known of some attached bytes."""
        found = self._get(key_of(at.BLOBS, name))
        return None if found is None else to_blob(found)

    def blobs(self) -> list[StoredBlob]:
        """Return what is known of all attached bytes, by name."""
        return [to_blob(found) for _, found in self._all(at.BLOBS)]

    def chunk(self, chunks: str, number: int) -> bytes | None:
        """Return one chunk of attached bytes."""
        return self._get(_chunk_key(chunks, number))


class RocksdbBlobWrites:
    """The writes of attached bytes."""

    @property
    def _writing(self) -> Buffer:
        raise NotImplementedError

    def put_blob(self, blob: StoredBlob) -> None:
        """Keep what is known of some attached bytes."""
        self._writing.put(key_of(at.BLOBS, blob.name), to_bytes(blob))

    def drop_blob(self, name: str) -> None:
        """Forget what is known of some attached bytes."""
        self._writing.drop(key_of(at.BLOBS, name))

    def put_chunk(self, chunks: str, number: int, content: bytes) -> None:
        """Keep one chunk of attached bytes."""
        self._writing.put(_chunk_key(chunks, number), content)

    def drop_chunks(self, chunks: str, count: int) -> None:
        """Forget the first chunks under a name."""
        for number in range(count):
            self._writing.drop(_chunk_key(chunks, number))


def _chunk_key(chunks: str, number: int) -> bytes:
    return prefix_of(at.CHUNKS, chunks) + number_bytes(number)
