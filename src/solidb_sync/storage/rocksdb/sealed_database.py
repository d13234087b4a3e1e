"""A database open for writing whose entries are sealed: what the engine of an encrypted store is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from solidb_sync.storage.rocksdb.database import Database
from solidb_sync.storage.rocksdb.ordered_map import Entry
from solidb_sync.storage.rocksdb.sealed_map import EntrySeal, SealedView


class SealedDatabase:
    """Has what `Database` has, over one that it owns."""

    def __init__(self, database: Database, seal: EntrySeal) -> None:
        self._database = database
        self._seal = seal

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key."""
        return SealedView(self._database, self._seal).get(key)

    def scan(self, first: bytes, end: bytes) -> Iterator[Entry]:
        """Yield the entries from `first` to before `end`, of the moment in which it begins."""
        return self.moment().scan(first, end)

    def has(self, first: bytes, end: bytes) -> bool:
        """Return whether there is an entry from `first` to before `end`."""
        return self.moment().has(first, end)

    def entries(self) -> Iterator[Entry]:
        """Yield all entries, in no order that means anything."""
        return self.moment().entries()

    def moment(self) -> SealedView:
        """Return this moment of it."""
        return SealedView(self._database.moment(), self._seal)

    def write(self, writes: Mapping[bytes, bytes | None]) -> None:
        """Make all writes durable, or none and raise."""
        self._database.write(self._seal.sealed_writes(writes))

    def checkpoint(self, directory: str) -> None:
        """Write a consistent copy to a new directory, sealed as it is."""
        self._database.checkpoint(directory)

    def close(self) -> None:
        """Close it; harmless to repeat."""
        self._database.close()
