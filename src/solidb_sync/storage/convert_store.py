"""Move a store to another engine: a new store with everything in it, compared with the old one before it takes its place.

The old store is read only, and stays. What happens, in this order, so that a crash at any point loses nothing and leaves at
most one store that can be written:

1. the old store is locked, and copied into a new one under a name of its own;
2. the copy is opened again and compared with the old store, record by record;
3. the old store is noted as moved away (`moved_store`): from here on it can't be opened for writing;
4. the copy gets its name.

After a crash the same conversion is simply run again. The copy is the same device in the same incarnation: edits that were
never sent keep their numbers and ids, and the server sees no difference. That is sound because the old store is out of use;
were its note deleted and both used, the server would fence one of them off, as with any store that was copied by hand.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass

from solidb_sync.clock import Clock, SystemClock, iso_text
from solidb_sync.errors import ConfigError, StorageCorruptError, StorageError
from solidb_sync.storage.copy_store import copy_records
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.moved_store import Moved, read_note, write_note
from solidb_sync.storage.new_store import give_name, remove_store
from solidb_sync.storage.opening import open_sqlite_for_reading, stored_device_id
from solidb_sync.storage.opening_rocksdb import open_rocksdb_for_reading
from solidb_sync.storage.private_files import create_private_file
from solidb_sync.storage.records import Replica
from solidb_sync.storage.rocksdb.opening import make_engine
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.storage.sqlite.sealed_location import location_of_new
from solidb_sync.storage.sqlite.sqlite_engine import SqliteEngine
from solidb_sync.storage.store_content import differences
from solidb_sync.storage.store_lock import StoreLock
from solidb_sync.storage.store_path import PathUse, checked_path
from solidb_sync.storage.stored_engine import stored_engine

FILE_ENGINES = ("sqlite", "rocksdb")
ROWS_PER_TRANSACTION = 5_000


@dataclass(frozen=True, slots=True)
class Converted:
    """What a conversion came to."""

    source: str
    target: str
    engine: str
    device_id: str
    records: int


def convert_store(
    source: str | os.PathLike[str], target: str | os.PathLike[str], engine: str, *, clock: Clock | None = None
) -> Converted:
    """Move the store at `source` into a new one at `target`; nobody may have either open.

    Raises `StoreLockedError` when a process has it open, `StorageError` when there is no store or the target exists,
    `StorageCorruptError` when the copy is not the same; the old store is then as it was. An encrypted store is refused
    (`EncryptionError`): it would come out readable.
    """
    source = checked_path(source, PathUse.READ, name="source")
    target = checked_path(target, PathUse.WRITE, name="target")
    device_id = _checked(source, target, engine)
    lock = StoreLock(source + ".lock")
    try:
        part = f"{target}.converting"
        remove_store(part)
        with ExitStack() as opened:
            reader = opened.enter_context(closing(_open_for_reading(source, device_id)))
            opened.enter_context(reader.snapshot())
            _copy(reader, part, engine)
            records = _compared(reader, part, device_id)
        moved = Moved(os.path.abspath(target), engine, iso_text((clock or SystemClock()).now_ms()))
        write_note(source, moved)
        give_name(part, target, again="run the conversion again")
    finally:
        lock.release()
    return Converted(source, target, engine, device_id, records)


def _checked(source: str, target: str, engine: str) -> str:
    """Return whose store is to be moved; raise when it can't be."""
    if engine not in FILE_ENGINES:
        raise ConfigError(f"engine: {engine!r} is not one of {', '.join(FILE_ENGINES)}")
    device_id = stored_device_id(source) if stored_engine(source) else None
    if device_id is None:
        raise StorageError(f"{source}: there is no store")
    if os.path.exists(target):
        raise StorageError(f"{target}: exists already; a store is converted into a new one")
    moved = read_note(source)
    if moved is not None and moved.to != os.path.abspath(target):
        raise StorageError(f"{source}: this store was moved to {moved.to} at {moved.at}; convert that one")
    return device_id


def _open_for_reading(path: str, device_id: str) -> EngineReader:
    if stored_engine(path) == "rocksdb":
        return open_rocksdb_for_reading(path, device_id)
    return open_sqlite_for_reading(FileLocation(path), device_id)


def _copy(reader: EngineReader, path: str, engine: str) -> None:
    """Write everything into a new store, in transactions of a bounded size: until it has its name, nobody looks at it."""
    with closing(_NEW[engine](path, reader.replica())) as target:
        left = ROWS_PER_TRANSACTION

        def pause() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                target.commit()
                target.begin()
                left = ROWS_PER_TRANSACTION

        target.begin()
        copy_records(reader, target, pause)
        target.commit()


def _compared(reader: EngineReader, path: str, device_id: str) -> int:
    """Return how many records there are, all of them the same in the copy."""
    with closing(_open_for_reading(path, device_id)) as copy:
        count, found = differences(reader, copy)
        found += copy.damage()
    if found:
        remove_store(path)
        raise StorageCorruptError(f"{path}: the copy is not the same: {'; '.join(found)}. The old store is as it was.")
    return count


def _new_sqlite(path: str, replica: Replica) -> StorageEngine:
    create_private_file(path)
    return SqliteEngine(location_of_new(FileLocation(path), None, os.urandom, with_seals=True) or FileLocation(path))


def _new_rocksdb(path: str, replica: Replica) -> StorageEngine:
    return make_engine(path, replica, None, os.urandom)


_NEW: dict[str, Callable[[str, Replica], StorageEngine]] = {"sqlite": _new_sqlite, "rocksdb": _new_rocksdb}
