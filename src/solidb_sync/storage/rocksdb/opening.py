"""Open a RocksDB store: create what is missing, refuse what is not ours to touch, unmodified."""

from __future__ import annotations

from solidb_sync.storage.private_files import create_private_directory
from solidb_sync.storage.records import Replica
from solidb_sync.storage.rocksdb.database import Database, rocksdict
from solidb_sync.storage.rocksdb.rocksdb_engine import RocksdbEngine
from solidb_sync.storage.rocksdb.store_directory import data_directory, make_directory, read_label


def open_engine(path: str, replica: Replica, durability: str) -> RocksdbEngine:
    """Open the store in a directory, or make one of this replica; the caller holds its lock and has checked its label."""
    rocksdict()
    if read_label(path) is None:
        make_directory(path, replica.device_id)
    create_private_directory(data_directory(path))
    engine = RocksdbEngine(Database(data_directory(path), path, durability=durability), path)
    try:
        if not engine.has_replica():
            engine.begin()
            engine.save_replica(replica)
            engine.commit()
    except BaseException:
        engine.close()
        raise
    return engine
