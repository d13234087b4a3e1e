"""Every engine keeps the laws of an engine, an encrypted one too."""

import os
from pathlib import Path

import pytest

from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.opening import Unlocking, new_replica, open_memory_engine, open_sqlite_engine
from solidb_sync.storage.opening_rocksdb import open_rocksdb_engine
from solidb_sync.storage.rocksdb.database import Database
from solidb_sync.storage.rocksdb.rocksdb_engine import RocksdbEngine
from solidb_sync.storage.rocksdb.sealed_database import SealedDatabase
from solidb_sync.storage.rocksdb.sealed_map import EntrySeal
from solidb_sync.storage.rocksdb.store_directory import data_directory, make_directory
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.testing.blob_conformance import BlobConformance
from solidb_sync.testing.engine_conformance import EngineConformance
from solidb_sync.testing.engine_samples import DEVICE_ID
from solidb_sync.testing.index_conformance import IndexConformance
from solidb_sync.testing.mark_conformance import MarkConformance


class TestSqliteEngine(EngineConformance, IndexConformance, MarkConformance, BlobConformance):
    key: bytes | None = None

    @pytest.fixture(autouse=True)
    def in_directory(self, tmp_path: Path) -> None:
        self.path = str(tmp_path / "store.db")

    def open(self) -> StorageEngine:
        unlocking = Unlocking(os.urandom, self.key)
        return open_sqlite_engine(FileLocation(self.path), DEVICE_ID, unlocking=unlocking, durability="normal").engine


class TestEncryptedSqliteEngine(TestSqliteEngine):
    key = bytes(range(32))


class TestRocksdbEngine(EngineConformance, IndexConformance, MarkConformance, BlobConformance):
    @pytest.fixture(autouse=True)
    def in_directory(self, tmp_path: Path) -> None:
        self.path = str(tmp_path / "store")

    def open(self) -> StorageEngine:
        return open_rocksdb_engine(self.path, DEVICE_ID, "normal", os.urandom).engine


class TestSealedRocksdbEngine(TestRocksdbEngine):
    def open(self) -> StorageEngine:
        make_directory(self.path, DEVICE_ID)
        database = Database(data_directory(self.path), self.path, durability="normal")
        engine = RocksdbEngine(SealedDatabase(database, EntrySeal(b"k" * 32, b"s" * 16, os.urandom)), self.path)
        if not engine.has_replica():
            engine.begin()
            engine.save_replica(new_replica(DEVICE_ID, os.urandom))
            engine.commit()
        return engine


class TestMemoryEngine(EngineConformance, IndexConformance, MarkConformance, BlobConformance):
    def open(self) -> StorageEngine:
        return open_memory_engine(DEVICE_ID, os.urandom)
