"""Open or create the RocksDB store at a path, with its lock, its label and its owner checked."""

from __future__ import annotations

import os
from pathlib import Path

from solidb_sync.errors import StorageError
from solidb_sync.storage.keys.key_wrapping import UserKey
from solidb_sync.storage.opening import OpenedEngine, Unlocking, check_owner, new_replica
from solidb_sync.storage.private_files import create_private_directory
from solidb_sync.storage.rocksdb.database import rocksdict
from solidb_sync.storage.rocksdb.following_engine import FollowingEngine
from solidb_sync.storage.rocksdb.opening import open_engine
from solidb_sync.storage.rocksdb.store_directory import make_directory, read_label, unlocked
from solidb_sync.storage.rocksdb.store_label import OpenLabel, new_label
from solidb_sync.storage.store_lock import StoreLock
from solidb_sync.storage.text_forms import RandomBytes


def open_rocksdb_engine(path: str, device_id: str, durability: str, unlocking: Unlocking) -> OpenedEngine:
    """Open or create the store in a directory; one of another device, key or of a newer format is refused unmodified."""
    rocksdict()
    seen = _checked_label(path, device_id, unlocking.key, unlocking.random_bytes)
    create_private_directory(str(Path(path).resolve().parent))
    lock = StoreLock(path + ".lock")
    try:
        if seen is None or seen.label != read_label(path):  # another process was quicker
            seen = _checked_label(path, device_id, unlocking.key, unlocking.random_bytes)
        if seen is None:
            seen = new_label(device_id, unlocking.key, unlocking.random_bytes)
            make_directory(path, seen.label)
        engine = open_engine(path, seen, new_replica(device_id, unlocking.random_bytes), durability)
    except BaseException:
        lock.release()
        raise
    return OpenedEngine(engine, lock)


def open_rocksdb_for_reading(path: str, device_id: str, key: UserKey | None = None) -> FollowingEngine:
    """Open a store that is there and that another process may have open; nothing is ever written to it."""
    rocksdict()
    label = _checked_label(path, device_id, key, os.urandom)
    if label is None:
        raise StorageError(f"{path}: there is no store")
    return FollowingEngine(path, label)


def _checked_label(path: str, device_id: str, key: UserKey | None, random_bytes: RandomBytes) -> OpenLabel | None:
    """Return the label of a store, None when there is none; raise when it is not this device's, or the key is not its."""
    label = unlocked(path, key, random_bytes)
    if label is not None:
        check_owner(label.device_id, device_id, path)
    return label
