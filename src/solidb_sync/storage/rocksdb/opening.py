"""Open a RocksDB store: create what is missing, refuse what is not ours to touch, unmodified."""

from __future__ import annotations

from solidb_sync.storage.keys.key_wrapping import UserKey
from solidb_sync.storage.keys.store_header import RandomBytes
from solidb_sync.storage.private_files import create_private_directory
from solidb_sync.storage.records import Replica
from solidb_sync.storage.rocksdb.database import Database, rocksdict
from solidb_sync.storage.rocksdb.rocksdb_engine import RocksdbEngine
from solidb_sync.storage.rocksdb.sealed_database import SealedDatabase
from solidb_sync.storage.rocksdb.store_directory import data_directory, finish, make_directory
from solidb_sync.storage.rocksdb.store_label import OpenLabel, new_label


def make_engine(path: str, replica: Replica, key: UserKey | None, random_bytes: RandomBytes) -> RocksdbEngine:
    """Make a store of this replica in a new directory, encrypted when there is a key."""
    rocksdict()
    label = new_label(replica.device_id, key, random_bytes)
    make_directory(path, label.label)
    return open_engine(path, label, replica, "full")


def open_engine(path: str, label: OpenLabel, replica: Replica, durability: str) -> RocksdbEngine:
    """Open the store in a directory; the caller holds its lock. One that was never written to becomes this replica's."""
    finish(path, label.label)
    create_private_directory(data_directory(path, label.label))
    engine = RocksdbEngine(open_database(path, label, durability), path, label, durability)
    try:
        if not engine.has_replica():
            engine.begin()
            engine.save_replica(replica)
            engine.commit()
    except BaseException:
        engine.close()
        raise
    return engine


def open_database(path: str, label: OpenLabel, durability: str) -> Database | SealedDatabase:
    """Open the data that a label names, behind its seals."""
    database = Database(data_directory(path, label.label), path, durability=durability)
    seal = label.seal()
    return database if seal is None else SealedDatabase(database, seal)
