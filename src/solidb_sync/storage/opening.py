"""Open an engine: create what is missing, refuse what is not ours to touch, unmodified."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import apsw

from solidb_sync.errors import ConfigError, StorageError
from solidb_sync.protocol.names import name_problem
from solidb_sync.storage.keys.key_wrapping import UserKey
from solidb_sync.storage.memory import MemoryEngine
from solidb_sync.storage.records import Replica
from solidb_sync.storage.refusals import cause
from solidb_sync.storage.rocksdb.rocksdb_engine import RocksdbEngine
from solidb_sync.storage.rocksdb.store_directory import unlocked
from solidb_sync.storage.sqlite.connection import (
    FileLocation,
    create_private_file,
    open_connection,
    storage_error,
)
from solidb_sync.storage.sqlite.migrate import check_format, format_of, migrations_of
from solidb_sync.storage.sqlite.reading_engine import ReadingEngine
from solidb_sync.storage.sqlite.sealed.sealing import Place, is_empty
from solidb_sync.storage.sqlite.sealed_location import (
    check_is_settled,
    finished_location,
    location_of_new,
    location_of_old,
)
from solidb_sync.storage.sqlite.sqlite_engine import MIGRATIONS, SqliteEngine
from solidb_sync.storage.sqlite.statements import ANY_TABLE, READ_OWNER
from solidb_sync.storage.store_lock import StoreLock
from solidb_sync.storage.text_forms import RandomBytes

HOME_DIRECTORY = ".solidb"
STORE_FILE = "store.db"


@dataclass(frozen=True, slots=True)
class Unlocking:
    """What opens a store's seals: the user's key, if any, and randomness; and whether a new plain store gets seals."""

    random_bytes: RandomBytes
    key: UserKey | None = None
    seals_new_stores: bool = True


@dataclass(frozen=True, slots=True)
class OpenedEngine:
    """An engine ready for use, and the lock that keeps other processes out."""

    engine: SqliteEngine | RocksdbEngine
    lock: StoreLock | None


def default_path(app_name: str, environment: Mapping[str, str]) -> str:
    """Return where the store of an app is kept; the name must be safe as the name of a directory."""
    problem = name_problem(app_name)
    if problem:
        raise ConfigError(f"app_name: {problem}")
    home = environment.get("SOLIDB_HOME")
    root = Path(home) if home else Path.home() / HOME_DIRECTORY
    return str(root / app_name / STORE_FILE)


def open_memory_engine(device_id: str, random_bytes: RandomBytes) -> MemoryEngine:
    """Return an empty engine in memory."""
    return MemoryEngine(new_replica(device_id, random_bytes))


def open_sqlite_engine(
    location: FileLocation, device_id: str, *, unlocking: Unlocking, durability: str = "full"
) -> OpenedEngine:
    """Open or create the store in a file; a store of another device, key or of a newer format is refused unmodified."""
    lock, engine = None, None
    random_bytes = unlocking.random_bytes
    if location.vfs is None:
        create_private_file(location.path)
        lock = StoreLock(location.path + ".lock")
    try:
        new = location_of_new(location, unlocking.key, random_bytes, with_seals=unlocking.seals_new_stores)
        engine = SqliteEngine(new or _checked_location(location, device_id, unlocking), durability=durability)
        _claim(engine, device_id, random_bytes, location.path)
    except BaseException as problem:
        if engine is not None:
            with suppress(apsw.Error):
                engine.close()
        if lock is not None:
            lock.release()
        if isinstance(problem, apsw.Error):
            raise storage_error(problem, location.path) from problem
        raise
    return OpenedEngine(engine, lock)


def _checked_location(location: FileLocation, device_id: str, unlocking: Unlocking) -> FileLocation:
    """Return where a store is, behind its seals, when key, device and format are right."""
    location = location_of_old(location, unlocking.key, unlocking.random_bytes)
    if location.sealing is not None and location.sealing.opened.header.is_changing:
        location = finished_location(location)  # who has the key may; until then a page may be cut off in the middle
    if not location.is_exclusive:
        _check_before_writing(location, device_id)
    return finished_location(location)


def open_sqlite_for_reading(location: FileLocation, device_id: str, key: UserKey | None = None) -> ReadingEngine:
    """Open a store that is there and that another process may have open; nothing is ever written to it."""
    location = location_of_old(location, key, os.urandom)
    check_is_settled(location)
    _check_before_writing(location, device_id)
    engine = ReadingEngine(location)
    if format_of(engine.connection) < len(migrations_of(MIGRATIONS)):
        engine.close()
        raise StorageError(f"{location.path}: written by an older version; open it once for writing with this one")
    return engine


def stored_device_id(path: str, encryption_key: UserKey | None = None) -> str | None:
    """Return whose store is at a path, None when there is none yet; changes nothing."""
    if os.path.isdir(path):
        label = unlocked(path, encryption_key, os.urandom)
        return None if label is None else label.device_id
    if not os.path.exists(path):
        return None
    if not os.access(path, os.R_OK):  # or it would be taken for an empty one
        raise StorageError(f"{path}: cannot be opened: {cause(path)}")
    if is_empty(Place(path, None)):
        return None
    location = location_of_old(FileLocation(path), encryption_key, os.urandom)
    check_is_settled(location)
    connection = open_connection(location, read_only=True)
    try:
        if check_format(connection, migrations_of(MIGRATIONS), path) == 0:
            return None
        return next((str(row[0]) for row in connection.execute(READ_OWNER)), None)
    except apsw.Error as problem:
        raise storage_error(problem, path) from problem
    finally:
        connection.close()


def _check_before_writing(location: FileLocation, device_id: str) -> None:
    connection = open_connection(location, read_only=True)
    try:
        if check_format(connection, migrations_of(MIGRATIONS), location.path) > 0:
            for row in connection.execute(READ_OWNER):
                check_owner(str(row[0]), device_id, location.path)
        elif connection.execute(ANY_TABLE).fetchall():
            raise StorageError(f"{location.path}: a database of another program; nothing was changed. Choose another path.")
    except apsw.Error as problem:
        raise storage_error(problem, location.path) from problem
    finally:
        connection.close()


def _claim(engine: SqliteEngine, device_id: str, random_bytes: RandomBytes, path: str) -> None:
    """Write the replica's record into a new store; check it in an old one."""
    if engine.has_replica():
        check_owner(engine.replica().device_id, device_id, path)
        return
    engine.begin()
    engine.save_replica(new_replica(device_id, random_bytes))
    engine.commit()


def check_owner(owner: str, device_id: str, path: str) -> None:
    """Raise unless the store at a path belongs to a device."""
    if owner != device_id:
        raise StorageError(
            f"{path}: this store belongs to the device {owner!r}, not to {device_id!r}; nothing was changed. "
            "Open it with its own device id, or choose another path."
        )


def new_replica(device_id: str, random_bytes: RandomBytes) -> Replica:
    """Return the record of a store that has never synced."""
    return Replica(device_id=device_id, store_id=random_bytes(16).hex())
