"""A local store keeps the public contract on every engine."""

from pathlib import Path

import pytest

from solidb_sync.storage.local_store import LocalStore
from solidb_sync.testing.store_conformance import StoreConformance

KEY = bytes(range(32))


class TestSqliteStore(StoreConformance):
    @pytest.fixture(autouse=True)
    def in_directory(self, tmp_path: Path) -> None:
        self.path = tmp_path / "store.db"

    def open(self) -> LocalStore:
        return LocalStore.open(self.path, "device-1", durability="normal")


class TestRocksdbStore(StoreConformance):
    backup_engine = "rocksdb"

    @pytest.fixture(autouse=True)
    def in_directory(self, tmp_path: Path) -> None:
        self.path = tmp_path / "store"

    def open(self) -> LocalStore:
        return LocalStore.open(self.path, "device-1", engine="rocksdb", durability="normal")


class TestEncryptedSqliteStore(StoreConformance):
    @pytest.fixture(autouse=True)
    def in_directory(self, tmp_path: Path) -> None:
        self.path = tmp_path / "store.db"

    def open(self) -> LocalStore:
        return LocalStore.open(self.path, "device-1", durability="normal", encryption_key=KEY)

    def open_backup(self, path: str) -> LocalStore:
        return LocalStore.open(path, "device-1", encryption_key=KEY)


class TestMemoryStore(StoreConformance):
    def open(self) -> LocalStore:
        return LocalStore.open("unused", "device-1", engine="memory")
