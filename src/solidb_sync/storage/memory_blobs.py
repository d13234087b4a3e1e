"""Attached bytes of the memory engine."""

from __future__ import annotations

import threading
from typing import Any

from solidb_sync.storage.records import StoredBlob

MISSING: Any = object()
"""Stands for a value that is to be taken away."""


class MemoryBlobs:
    """The part of `StorageEngine` that keeps attached bytes, over two tables of the engine."""

    _guard: threading.RLock
    _blobs: dict[str, StoredBlob]
    _chunks: dict[tuple[str, int], bytes]

    def _set(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        raise NotImplementedError

    def blob(self, name: str) -> StoredBlob | None:
        """Return what is known of some attached bytes."""
        with self._guard:
            return self._blobs.get(name)

    def blobs(self) -> list[StoredBlob]:
        """Return what is known of all attached bytes, by name."""
        with self._guard:
            return [blob for _, blob in sorted(self._blobs.items())]

    def chunk(self, chunks: str, number: int) -> bytes | None:
        """Return one chunk of attached bytes."""
        with self._guard:
            return self._chunks.get((chunks, number))

    def put_blob(self, blob: StoredBlob) -> None:
        """Keep what is known of some attached bytes."""
        self._set(self._blobs, blob.name, blob)

    def drop_blob(self, name: str) -> None:
        """Forget what is known of some attached bytes."""
        self._set(self._blobs, name, MISSING)

    def put_chunk(self, chunks: str, number: int, content: bytes) -> None:
        """Keep one chunk of attached bytes."""
        self._set(self._chunks, (chunks, number), content)

    def drop_chunks(self, chunks: str, count: int) -> None:
        """Forget the first chunks under a name."""
        for number in range(count):
            self._set(self._chunks, (chunks, number), MISSING)
