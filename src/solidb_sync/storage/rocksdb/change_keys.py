"""Encrypt a RocksDB store, give it another key, make it plain again.

Everything is written once more, sealed anew, into a directory of data beside the old one, read again and compared; then the
label names the new one, and the old one is deleted. Whenever a crash comes, the label says which of the two is the store,
and opening it removes the other (`store_directory.finish`). Only another key alone is quicker: just the label is replaced.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import msgspec

from solidb_sync.errors import EncryptionError, StorageCorruptError, StorageError
from solidb_sync.storage.keys.key_wrapping import UserKey
from solidb_sync.storage.keys.store_header import OpenHeader, RandomBytes, new_header
from solidb_sync.storage.private_files import create_private_directory
from solidb_sync.storage.rocksdb.database import Database
from solidb_sync.storage.rocksdb.opening import open_database
from solidb_sync.storage.rocksdb.ordered_map import Entry
from solidb_sync.storage.rocksdb.rocksdb_engine import RocksdbEngine
from solidb_sync.storage.rocksdb.sealed_database import SealedDatabase
from solidb_sync.storage.rocksdb.store_directory import data_directory, read_label, remove_data, write_label
from solidb_sync.storage.rocksdb.store_label import OpenLabel, plain_label, sealed_label

Progress = Callable[[int, int], None]

ENTRIES_AT_ONCE = 1_000
BYTES_AT_ONCE = 4 * 1024 * 1024
_SUM_OF = 1 << 256


def encrypt(engine: RocksdbEngine, key: UserKey, random_bytes: RandomBytes, progress: Progress | None = None) -> None:
    """Encrypt a plain store."""
    if engine.label.is_encrypted:
        raise EncryptionError(f"{engine.path}: encrypted already; rotate_encryption_key(key) gives it another key")
    _move(engine, sealed_label(engine.label.device_id, new_header(key, random_bytes)), progress)


def encrypt_anew(engine: RocksdbEngine, key: UserKey, progress: Progress | None = None) -> None:
    """Encrypt everything again under a new data key, wrapped for `key`."""
    following = _opened(engine).with_new_data_key(key).with_last_seal_only()
    _move(engine, sealed_label(engine.label.device_id, following), progress)


def decrypt(engine: RocksdbEngine, progress: Progress | None = None) -> None:
    """Make an encrypted store plain."""
    _opened(engine)
    _move(engine, plain_label(engine.label.device_id), progress)


def wrap_anew(engine: RocksdbEngine, key: UserKey) -> None:
    """Wrap the data key for another user's key; the store may be in use."""
    opened = _opened(engine).with_key(key)
    label = msgspec.structs.replace(engine.label.label, header=opened.header)
    _write_label(engine, OpenLabel(label, engine.label.device_id, opened))


def _opened(engine: RocksdbEngine) -> OpenHeader:
    if engine.label.opened is None:
        raise EncryptionError(f"{engine.path}: not encrypted; enable_encryption(key) does that")
    return engine.label.opened


def _move(engine: RocksdbEngine, following: OpenLabel, progress: Progress | None) -> None:
    former = data_directory(engine.path, engine.label.label)
    directory = data_directory(engine.path, following.label)
    remove_data(directory)
    create_private_directory(directory)
    database = open_database(engine.path, following, engine.durability)
    try:
        _copy(engine, database, progress or _unheard)
        _write_label(engine, following)
    except BaseException:
        if engine.label is not following:
            with suppress(StorageError):  # what went wrong first is what is told
                database.close()
                remove_data(directory)
            raise
        engine.go_on_with(database)
        raise
    engine.go_on_with(database)
    remove_data(former)


def _write_label(engine: RocksdbEngine, following: OpenLabel) -> None:
    """Replace the label, and let the engine know; what fails behind it is finished by the next opening."""
    try:
        write_label(engine.path, following.label)
    finally:
        if read_label(engine.path) == following.label:
            engine.label = following


def _copy(engine: RocksdbEngine, target: Database | SealedDatabase, progress: Progress) -> None:
    """Write all entries of an engine into a new database, and compare them as they are read again."""
    total = sum(1 for _ in engine.entries())
    progress(0, total)
    done, written = 0, 0
    for batch in _batches(engine.entries()):
        target.write(batch)
        done += len(batch)
        written = _sum(written, batch.items())
        progress(min(done, total - 1), total)
    if _sum(0, target.entries()) != written or done != total:
        raise StorageCorruptError(f"{engine.path}: the copy is not the same; the store is as it was")
    progress(total, total)


def _batches(entries: Iterator[Entry]) -> Iterator[dict[bytes, bytes]]:
    batch: dict[bytes, bytes] = {}
    size = 0
    for key, value in entries:
        batch[key] = value
        size += len(key) + len(value)
        if len(batch) >= ENTRIES_AT_ONCE or size >= BYTES_AT_ONCE:
            yield batch
            batch, size = {}, 0
    if batch:
        yield batch


def _sum(before: int, entries: Iterable[Entry]) -> int:
    """Add up what entries hash to: the same for the same entries in any order."""
    found = before
    for key, value in entries:
        text = len(key).to_bytes(4) + key + value
        found = (found + int.from_bytes(hashlib.sha256(text).digest())) % _SUM_OF
    return found


def _unheard(_done: int, _total: int) -> None:
    pass
