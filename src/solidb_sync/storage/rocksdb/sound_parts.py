"""What can still be read of a damaged RocksDB database: a map that passes over the places that can't be.

A table of RocksDB is a row of small blocks, each with a checksum, and an iterator ends at the first that is damaged. Behind
it reading goes on where a key is found that lies beyond the block: keys that come next in the order are tried, each further
away than the one before. From there back to the damaged block everything is read backwards, so that only the block is lost.

Nothing is read in place: the files are copied, and where RocksDB can't open the copy, it is repaired first.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from solidb_sync.errors import StorageCorruptError
from solidb_sync.storage.rocksdb.database import rocksdict, salvage_options, storage_error
from solidb_sync.storage.rocksdb.flushed_number import FlushedNumber
from solidb_sync.storage.rocksdb.ordered_map import Entry

STEPS = (1, 2, 4, 8, 16, 32, 64, 128)
"""How far beyond a byte of the last key the next one is looked for."""
READ_BACK_MAX = 100_000
"""How many entries before a readable place are looked at backwards."""


class SoundParts:
    """An ordered map of what can be read; `gaps` counts the places that could not.

    With `was_repaired` records may be missing, and nobody knows which: a repair leaves out what it can't use. `ends_early`:
    the end of the log is missing.
    """

    def __init__(self, handle: Any, path: str, *, flushed: int = 0, was_repaired: bool = False) -> None:
        self.was_repaired = was_repaired
        self.ends_early = handle.latest_sequence_number() < flushed
        self._handle = handle
        self._path = path
        self.gaps = 0

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key; raises when it lies in a damaged place."""
        try:
            found: bytes | None = self._handle.get(key)
        except Exception as problem:
            raise storage_error(problem, self._path) from problem
        return found

    def scan(self, first: bytes, end: bytes) -> Iterator[Entry]:
        """Yield the entries from `first` to before `end` that can be read, by key."""
        at = first
        while True:
            last = at
            try:
                for entry in self._onward(at, end):
                    yield entry
                    last = entry[0] + b"\0"
                return
            except StorageCorruptError:
                self.gaps += 1
            beyond = self._behind_damage(last, end)
            yield from reversed(beyond)
            if not beyond:
                return
            at = beyond[0][0] + b"\0"

    def has(self, first: bytes, end: bytes) -> bool:
        """Return whether there is an entry from `first` to before `end`."""
        return any(True for _ in self.scan(first, end))

    def _onward(self, first: bytes, end: bytes) -> Iterator[Entry]:
        iterator = self._at(lambda found: found.seek(first))
        while iterator.valid():
            entry = iterator.key(), iterator.value()
            if entry[0] >= end:
                return
            yield entry
            iterator.next()
        self._check(iterator)

    def _behind_damage(self, last: bytes, end: bytes) -> list[Entry]:
        """Return the entries between a damaged place and the first readable key found behind it, the last one first."""
        for target in _further_and_further(last, end):
            found = self._backward(lambda iterator, target=target: iterator.seek(target), last, end)  # type: ignore[misc]
            if found:
                return found
        return self._backward(lambda iterator: iterator.seek_for_prev(end), last, end)

    def _backward(self, place: Callable[[Any], None], last: bytes, end: bytes) -> list[Entry]:
        found: list[Entry] = []
        try:
            iterator = self._at(place)
            while iterator.valid() and len(found) < READ_BACK_MAX:
                key = iterator.key()
                if key < last:
                    break
                if key < end:
                    found.append((key, iterator.value()))
                iterator.prev()
            self._check(iterator)
        except StorageCorruptError:
            pass  # the other side of the damaged place
        return found

    def _at(self, place: Callable[[Any], None]) -> Any:
        try:
            iterator = self._handle.iter()
            place(iterator)
        except Exception as problem:
            raise StorageCorruptError(f"{self._path}: {problem}") from problem
        return iterator

    def _check(self, iterator: Any) -> None:
        try:
            iterator.status()
        except Exception as problem:
            raise StorageCorruptError(f"{self._path}: {problem}") from problem

    def close(self) -> None:
        """Close the copy."""
        self._handle.close()


def open_sound_parts(directory: str, copy: str, path: str) -> SoundParts:
    """Copy the database in a directory and open the copy; raises `StorageCorruptError` when not even a repair helps."""
    library = rocksdict()
    try:
        shutil.copytree(directory, copy)
    except (OSError, shutil.Error) as problem:
        raise StorageCorruptError(f"{path}: its files can't be copied: {problem}") from problem
    options = salvage_options(library)
    with suppress(Exception):  # whatever it is that keeps it from being opened
        flushed = FlushedNumber(directory).read() or 0
        return SoundParts(library.Rdict(copy, options), path, flushed=flushed)
    try:
        library.Rdict.repair(copy, options)
        return SoundParts(library.Rdict(copy, salvage_options(library)), path, was_repaired=True)
    except Exception as problem:
        raise StorageCorruptError(f"{path}: nothing of it can be read, and no repair helps: {problem}") from problem


def _further_and_further(key: bytes, end: bytes) -> Iterator[bytes]:
    """Yield keys beyond a key and before `end`, near ones first.

    >>> [found for found in _further_and_further(b"a1", b"c")][:3]
    [b'a2', b'a3', b'a5']
    """
    for length in range(len(key), 0, -1):
        for step in STEPS:
            byte = key[length - 1] + step
            target = key[: length - 1] + bytes([byte]) if byte <= 255 else end
            if target < end:
                yield target
