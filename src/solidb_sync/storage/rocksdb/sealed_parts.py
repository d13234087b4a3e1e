"""What can still be read of a damaged encrypted RocksDB database: its sound parts, opened."""

from __future__ import annotations

from collections.abc import Iterator

from solidb_sync.errors import StorageCorruptError
from solidb_sync.storage.rocksdb.ordered_map import Entry
from solidb_sync.storage.rocksdb.sealed_map import EntrySeal, SealedView
from solidb_sync.storage.rocksdb.sound_parts import SoundParts


class SealedParts(SealedView):
    """Passes over the entries that don't open, and counts them with the damaged places."""

    def __init__(self, parts: SoundParts, seal: EntrySeal) -> None:
        super().__init__(parts, seal)
        self._parts = parts
        self._seal_of_parts = seal
        self._broken: set[bytes] = set()

    @property
    def gaps(self) -> int:
        """How many places could not be read."""
        return self._parts.gaps + len(self._broken)

    def _opened(self, sealed: Iterator[Entry]) -> Iterator[Entry]:
        for hidden, content in sealed:
            try:
                yield self._seal_of_parts.open(hidden, content)
            except StorageCorruptError:
                self._broken.add(hidden)
