"""RocksDB itself: opened one way, with its failures named. The only module that knows the library.

Every commit is one write batch: all of it or nothing, in the write-ahead log before it is answered, and with
`durability="full"` flushed to the disk. A log that ends in the middle of a batch was cut by a crash, and the batch was never
answered; a log that is damaged further up, or ends before what is known to have been flushed (`flushed_number`), is refused,
rather than read up to the damage and believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from solidb_sync.errors import ConfigError, StorageCorruptError, StorageError, StoreLockedError
from solidb_sync.storage.refusals import cause, full_disk
from solidb_sync.storage.rocksdb.flushed_number import FlushedNumber
from solidb_sync.storage.rocksdb.forked_exit import use_here
from solidb_sync.storage.rocksdb.ordered_map import Entry

WRITE_BUFFER_BYTES = 16 * 1024 * 1024
BLOCK_CACHE_BYTES = 16 * 1024 * 1024
LOG_BYTES_MAX = 64 * 1024 * 1024
NOTES_BYTES_MAX = 1024 * 1024
NOTES_FILES_MAX = 2
FILTER_BITS = 10
OPEN_FILES_MAX = 256
ALL_FILES = -1
FIRST_CHUNK, LATER_CHUNKS = 16, 512
"""How many entries a scan of a moment reads at once: most scans are short."""
CHUNK_BYTES = 4 * 1024 * 1024
"""It reads no more when it has so many bytes."""
AFTER_ALL_TABLES = b"\xff"

_FULL = ("no space left", "disk quota exceeded", "file too large")
_LOCKED = ("lock hold by current process", "while lock file", "resource temporarily unavailable")
_REFUSED = ("permission denied", "read-only file system")
_CORRUPT = ("corruption", "bad block", "checksum mismatch")


def rocksdict() -> Any:
    """Return the library; raises `ConfigError` naming the extra that brings it, `StorageError` where it can't be used."""
    try:
        import rocksdict as library
    except ImportError as problem:
        raise ConfigError(
            "engine: 'rocksdb' needs the library rocksdict, which is not installed: pip install 'solidb-sync[rocksdb]'"
        ) from problem
    use_here()
    return library


def storage_error(problem: Exception, path: str) -> StorageError:
    """Return the error of ours that says what a failure of RocksDB means."""
    text = str(problem).lower()
    if any(sign in text for sign in _FULL):
        return full_disk(path)
    if any(sign in text for sign in _LOCKED):
        return StoreLockedError(f"{path}: another process holds it: {problem}")
    if any(sign in text for sign in _CORRUPT):
        return StorageCorruptError(f"{path}: damaged: {problem}")
    found = cause(path) if any(sign in text for sign in _REFUSED) else ""
    return StorageError(f"{path}: {problem}{f': {found}' if found else ''}")


class MapView:
    """Reads of a database as it is at each of them."""

    def __init__(self, handle: Any, path: str) -> None:
        self._handle = handle
        self._path = path

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key."""
        try:
            found: bytes | None = self._handle.get(key)
        except Exception as problem:
            raise storage_error(problem, self._path) from problem
        return found

    def scan(self, first: bytes, end: bytes) -> Iterator[Entry]:
        """Yield the entries from `first` to before `end`, of the moment in which it begins."""
        return self.moment().scan(first, end)

    def has(self, first: bytes, end: bytes) -> bool:
        """Return whether there is an entry from `first` to before `end`."""
        return any(True for _ in self.scan(first, end))

    def entries(self) -> Iterator[Entry]:
        """Yield all entries."""
        return self.scan(b"", AFTER_ALL_TABLES)

    def moment(self) -> Moment:
        """Return this moment of it."""
        try:
            return Moment(self._handle.iter(), self._path)
        except Exception as problem:
            raise storage_error(problem, self._path) from problem


class Moment:
    """One moment of a database: an iterator, which sees what there was when it was made, put from place to place.

    (Of the library's own ways, a snapshot holds still for single keys only, while scans of it show the present; and `items`
    ends early and says nothing where a table is damaged.) Every read leaves the iterator free for the next, so that several
    scans may go on at the same time.
    """

    def __init__(self, iterator: Any, path: str) -> None:
        self._iterator = iterator
        self._path = path

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key."""
        for found, value in self._chunk(key, key + b"\0", 1):
            if found == key:
                return value
        return None

    def scan(self, first: bytes, end: bytes) -> Iterator[Entry]:
        """Yield the entries from `first` to before `end`."""
        count = FIRST_CHUNK
        while True:
            chunk = self._chunk(first, end, count)
            yield from chunk
            if len(chunk) < count and sum(len(value) for _, value in chunk) < CHUNK_BYTES:
                return
            first = chunk[-1][0] + b"\0"
            count = LATER_CHUNKS

    def has(self, first: bytes, end: bytes) -> bool:
        """Return whether there is an entry from `first` to before `end`."""
        return any(True for _ in self.scan(first, end))

    def _chunk(self, first: bytes, end: bytes, count: int) -> list[Entry]:
        """Return the next entries: fewer than `count` at the end, or when they have `CHUNK_BYTES` already."""
        found: list[Entry] = []
        room = CHUNK_BYTES
        iterator = self._iterator
        try:
            iterator.seek(first)
            while len(found) < count and room > 0 and iterator.valid():
                key = iterator.key()
                if key >= end:
                    return found
                value = iterator.value()
                found.append((key, value))
                room -= len(value)
                iterator.next()
            iterator.status()
        except Exception as problem:
            raise storage_error(problem, self._path) from problem
        return found


class Database(MapView):
    """A database open for writing."""

    def __init__(self, directory: str, path: str, *, durability: str) -> None:
        library = rocksdict()
        self._note = FlushedNumber(directory)
        flushed = self._note.read()
        if flushed is not None:
            _check_unwritten(library, directory, path, flushed)
        try:
            handle = library.Rdict(directory, _options(library))
        except Exception as problem:
            raise storage_error(problem, path) from problem
        super().__init__(handle, path)
        self._library = library
        self._is_flushing = durability == "full"
        self._write_options = library.WriteOptions()
        self._write_options.sync = self._is_flushing

    def write(self, writes: Mapping[bytes, bytes | None]) -> None:
        """Make all writes durable, or none and raise."""
        batch = self._library.WriteBatch(raw_mode=True)
        for key, value in writes.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        try:
            self._handle.write(batch, self._write_options)
            if self._is_flushing:
                self._note.say(self._handle.latest_sequence_number())
        except Exception as problem:
            raise storage_error(problem, self._path) from problem

    def checkpoint(self, directory: str) -> None:
        """Write a consistent copy to a new directory; files that never change are linked where the file system can."""
        try:
            self._library.Checkpoint(self._handle).create_checkpoint(directory)
        except Exception as problem:
            raise storage_error(problem, self._path) from problem

    def close(self) -> None:
        """Close it; harmless to repeat."""
        try:
            self._handle.close()
        except self._library.DbClosedError:
            return
        except Exception as problem:
            raise storage_error(problem, self._path) from problem
        self._note.take_back()


def _check_unwritten(library: Any, directory: str, path: str, flushed: int) -> None:
    """Raise when the database of a killed program ends before what that had flushed; looking changes nothing."""
    try:
        handle = library.Rdict(directory, _options(library, creates=False), access_type=library.AccessType.read_only())
    except Exception as problem:
        raise storage_error(problem, path) from problem
    try:
        check_reaches(handle, path, flushed)
    finally:
        handle.close()


def check_reaches(handle: Any, path: str, flushed: int) -> None:
    """Raise `StorageCorruptError` when a database ends before a sequence number."""
    if handle.latest_sequence_number() < flushed:
        raise StorageCorruptError(f"{path}: damaged: the end of its log is missing, which was flushed; nothing was changed")


class Follower(MapView):
    """A database that another process has open, for reading only: `catch_up` shows what that one has committed since.

    Between two of them it stands still, so whatever is read in between is of one moment.
    """

    def __init__(self, directory: str, path: str, notes: Path) -> None:
        library = rocksdict()
        flushed = FlushedNumber(directory).read()
        try:
            handle = library.Rdict(
                directory,
                _options(library, files_max=ALL_FILES, creates=False),
                access_type=library.AccessType.secondary(str(notes)),
            )
        except Exception as problem:
            raise storage_error(problem, path) from problem
        super().__init__(handle, path)
        if flushed is not None:
            self._check_reaches(flushed)

    def _check_reaches(self, flushed: int) -> None:
        try:
            self.catch_up()
            check_reaches(self._handle, self._path, flushed)
        except BaseException:
            self.close()
            raise

    def catch_up(self) -> None:
        """Show what has been committed by now."""
        try:
            self._handle.try_catch_up_with_primary()
        except Exception as problem:
            raise storage_error(problem, self._path) from problem

    def close(self) -> None:
        """Close it."""
        self._handle.close()


def salvage_options(library: Any) -> Any:
    """Return the options to open a damaged database with: as much as can be read, and nothing made that is missing."""
    options = _options(library, creates=False)
    options.set_paranoid_checks(False)
    options.set_wal_recovery_mode(library.DBRecoveryMode.skip_any_corrupted_record())
    return options


def _options(library: Any, *, files_max: int = OPEN_FILES_MAX, creates: bool = True) -> Any:
    blocks = library.BlockBasedOptions()
    blocks.set_block_cache(library.Cache(BLOCK_CACHE_BYTES))
    blocks.set_bloom_filter(FILTER_BITS, False)
    options = library.Options(raw_mode=True)
    options.create_if_missing(creates)
    options.set_block_based_table_factory(blocks)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_max_total_wal_size(LOG_BYTES_MAX)
    options.set_max_open_files(files_max)
    options.set_paranoid_checks(True)
    options.set_wal_recovery_mode(library.DBRecoveryMode.tolerate_corrupted_tail_records())
    options.set_max_log_file_size(NOTES_BYTES_MAX)
    options.set_keep_log_file_num(NOTES_FILES_MAX)
    return options
