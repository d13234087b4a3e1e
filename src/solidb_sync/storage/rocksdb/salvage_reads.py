"""What can still be read of a damaged RocksDB store, past the places that are lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from solidb_sync.storage.records import StoredChange, StoredRow
from solidb_sync.storage.rocksdb import key_layout as at
from solidb_sync.storage.rocksdb import records_bytes as read
from solidb_sync.storage.rocksdb.key_layout import names_in
from solidb_sync.storage.rocksdb.moments import PresentOnly
from solidb_sync.storage.rocksdb.rocksdb_reads import RocksdbReads
from solidb_sync.storage.rocksdb.sealed_map import EntrySeal
from solidb_sync.storage.rocksdb.sealed_parts import SealedParts
from solidb_sync.storage.rocksdb.sound_parts import SoundParts

REPAIRED = (
    "the list of its files, or a file: a repair left out what it could not use, and which records that was is not known"
)
CUT_OFF = "the last commits, with the end of the log"


class RocksdbSalvageReads(RocksdbReads):
    """Reads the sound parts of a store."""

    def __init__(self, parts: SoundParts, seal: EntrySeal | None) -> None:
        self._found = parts if seal is None else SealedParts(parts, seal)
        super().__init__(PresentOnly(self._found))
        self._parts = parts
        self._told = 0

    def collections(self) -> list[str]:
        """Return the collections that are listed, and those that only their documents tell of."""
        listed = {names_in(key)[0] for key, _ in self._all(at.COLLECTIONS)}
        return sorted(listed | {names_in(key)[0] for key, _ in self._all(at.ROWS)})

    def readable_rows(self, collection: str, report: Callable[[str], None]) -> Iterator[tuple[str, StoredRow]]:
        """Yield the rows of a collection by key."""
        yield from self.all_rows(collection)
        report(self._new_gaps())

    def readable_changes(self, report: Callable[[str], None]) -> Iterator[StoredChange]:
        """Yield the changes of this device, oldest first."""
        for _, record in self._all(at.CHANGES):
            yield read.to_change(record)
        report(self._new_gaps())

    def unreadable(self) -> list[str]:
        """Return what was passed over and not reported yet."""
        gaps = self._new_gaps()
        found = [f"other records: {gaps}"] if gaps else []
        parts = self._parts
        return [*found, *([REPAIRED] if parts.was_repaired else []), *([CUT_OFF] if parts.ends_early else [])]

    def _new_gaps(self) -> str:
        count = self._found.gaps - self._told
        self._told = self._found.gaps
        return f"what was in {count} damaged places; how many records is not known" if count else ""

    def close(self) -> None:
        """Close the copy that is read."""
        self._parts.close()
