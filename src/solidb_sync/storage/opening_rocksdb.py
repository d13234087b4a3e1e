"""Open or create the RocksDB store at a path, with its lock, its label and its owner checked."""

from __future__ import annotations

from pathlib import Path

from solidb_sync.errors import StorageError
from solidb_sync.storage.opening import OpenedEngine, check_owner, new_replica
from solidb_sync.storage.private_files import create_private_directory
from solidb_sync.storage.rocksdb.database import rocksdict
from solidb_sync.storage.rocksdb.following_engine import FollowingEngine
from solidb_sync.storage.rocksdb.opening import open_engine
from solidb_sync.storage.rocksdb.store_directory import read_label
from solidb_sync.storage.store_lock import StoreLock
from solidb_sync.storage.text_forms import RandomBytes


def open_rocksdb_engine(path: str, device_id: str, durability: str, random_bytes: RandomBytes) -> OpenedEngine:
    """Open or create the store in a directory; one of another device or of a newer format is refused unmodified."""
    rocksdict()
    _check_label(path, device_id)
    create_private_directory(str(Path(path).resolve().parent))
    lock = StoreLock(path + ".lock")
    try:
        _check_label(path, device_id)
        engine = open_engine(path, new_replica(device_id, random_bytes), durability)
    except BaseException:
        lock.release()
        raise
    return OpenedEngine(engine, lock)


def open_rocksdb_for_reading(path: str, device_id: str) -> FollowingEngine:
    """Open a store that is there and that another process may have open; nothing is ever written to it."""
    rocksdict()
    if not _check_label(path, device_id):
        raise StorageError(f"{path}: there is no store")
    return FollowingEngine(path)


def _check_label(path: str, device_id: str) -> bool:
    """Return whether there is a store; raise when it is not this device's."""
    label = read_label(path)
    if label is not None:
        check_owner(label.device_id, device_id, path)
    return label is not None
