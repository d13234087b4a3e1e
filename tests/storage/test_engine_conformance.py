"""Every engine keeps the laws of an engine, an encrypted one too."""

import os
from pathlib import Path

import pytest

from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.opening import Unlocking, open_memory_engine, open_sqlite_engine
from solidb_sync.storage.opening_rocksdb import open_rocksdb_engine
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

    key: bytes | None = None

    def open(self) -> StorageEngine:
        return open_rocksdb_engine(self.path, DEVICE_ID, "normal", Unlocking(os.urandom, self.key)).engine


class TestEncryptedRocksdbEngine(TestRocksdbEngine):
    key = bytes(range(32))


class TestMemoryEngine(EngineConformance, IndexConformance, MarkConformance, BlobConformance):
    def open(self) -> StorageEngine:
        return open_memory_engine(DEVICE_ID, os.urandom)
