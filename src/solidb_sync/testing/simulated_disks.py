"""Where a simulated device keeps its store: files that fail for SQLite, the engine itself for the others.

Over the other engines the same stories are told without failing disks and power losses (RocksDB writes files of its own,
memory has none): what is proven there is that sync asks nothing of a store that only SQLite does.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from solidb_sync.clock import Clock
from solidb_sync.storage.committer import InlineCommitter, Transactions
from solidb_sync.storage.copy_store import copy_records
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.memory import MemoryEngine
from solidb_sync.storage.opening import new_replica
from solidb_sync.storage.records import Replica
from solidb_sync.storage.rocksdb.opening import open_engine
from solidb_sync.storage.rocksdb.store_directory import make_directory, unlocked
from solidb_sync.storage.rocksdb.store_label import new_label
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.storage.text_forms import RandomBytes
from solidb_sync.testing.crashable_files import CrashableFiles
from solidb_sync.testing.empty_stores import STORE_PATH

Result = TypeVar("Result")

ENGINES = ("sqlite", "memory", "rocksdb")


class DeviceDisk(Protocol):
    """What outlives a device's program."""

    @property
    def writes(self) -> int:
        """How often anything was written; the same number means that nothing has changed."""

    def open_store(self, device_id: str, *, clock: Clock, random_bytes: RandomBytes, key: bytes | None = None) -> LocalStore:
        """Open what is there, or begin a store."""

    def kill(self) -> None:
        """End the program, not the machine."""

    def power_loss(self) -> None:
        """End the machine under it."""

    def is_dark(self) -> bool:
        """Whether the power has gone."""

    def snapshot(self) -> Any:
        """Return a backup, for `restore`."""

    def restore(self, snapshot: Any) -> None:
        """End the program and put a backup in the place of everything."""

    def clone(self, name: str) -> Any:
        """Return an independent copy: a disk of the same kind."""

    def close(self) -> None:
        """Give everything back."""


class SqliteDisk(CrashableFiles):
    """Files in memory that may fail at every write, with a SQLite store in them."""

    def open_store(self, device_id: str, *, clock: Clock, random_bytes: RandomBytes, key: bytes | None = None) -> LocalStore:
        """Open what is there, or begin a store."""
        location = FileLocation(STORE_PATH, vfs=self.name, is_exclusive=True)
        return LocalStore.open_at(
            location,
            device_id,
            clock=clock,
            random_bytes=random_bytes,
            encryption_key=key,
            seals_new_stores=key is not None,
        )


class EngineDisk:
    """An engine that keeps what was committed while programs over it come and go.

    A backup is a `MemoryEngine` with the same records. Not to be taken during a resync, which a copy begins anew.
    """

    def __init__(self) -> None:
        self.writes = 0
        self._engine: StorageEngine | None = None
        self._committer: _CountingCommitter | None = None

    def open_store(self, device_id: str, *, clock: Clock, random_bytes: RandomBytes, key: bytes | None = None) -> LocalStore:
        """Open what is there, or begin a store."""
        assert key is None, "no engine but SQLite has seals"
        if self._engine is None:
            self._engine = self.opened(new_replica(device_id, random_bytes))
        self._committer = _CountingCommitter(self._engine, self)
        return LocalStore(self._engine, path=self.name, committer=self._committer, clock=clock, random_bytes=random_bytes)

    @property
    def name(self) -> str:
        """What its store is called in errors."""
        return type(self).__name__

    def opened(self, replica: Replica) -> StorageEngine:
        """Return the engine with what it kept, or a new one of this replica."""
        raise NotImplementedError

    def emptied(self) -> None:
        """Throw away what is kept; the engine is closed."""

    def kill(self) -> None:
        """End the program: whatever it still tries to write fails."""
        if self._committer is not None:
            self._committer.close()

    def power_loss(self) -> None:
        """End the machine; all that was committed is kept."""
        self.kill()

    def is_dark(self) -> bool:
        """Return False: without files of its own there is no power to lose."""
        return False

    def snapshot(self) -> MemoryEngine:
        """Return a copy of all records."""
        assert self._engine is not None
        copy = MemoryEngine(self._engine.replica())
        _fill(copy, self._engine)
        return copy

    def restore(self, snapshot: MemoryEngine) -> None:
        """End the program and put a backup in the place of everything."""
        self.close()
        self._engine = self.opened(snapshot.replica())
        _fill(self._engine, snapshot)

    def close(self) -> None:
        """End the program and throw everything away."""
        self.kill()
        if self._engine is not None:
            self._engine.close()
            self._engine = None
        self.emptied()


class MemoryDisk(EngineDisk):
    """A `MemoryEngine` that outlives the programs over it."""

    def opened(self, replica: Replica) -> StorageEngine:
        """Return a new engine: nothing else is ever asked for."""
        return MemoryEngine(replica)

    def clone(self, name: str) -> MemoryDisk:
        """Return an independent copy."""
        other = MemoryDisk()
        other.restore(self.snapshot())
        return other


class RocksdbDisk(EngineDisk):
    """A RocksDB store in a directory: every program opens it anew."""

    def __init__(self, directory: Path, key: bytes | None = None) -> None:
        super().__init__()
        self._directory = directory
        self._key = key

    def opened(self, replica: Replica) -> StorageEngine:
        """Return the engine with what it kept, or a new one of this replica."""
        path = str(self._directory)
        label = unlocked(path, self._key, os.urandom)
        if label is None:
            label = new_label(replica.device_id, self._key, os.urandom)
            make_directory(path, label.label)
        return open_engine(path, label, replica, "normal")

    def emptied(self) -> None:
        """Delete the directory."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def kill(self) -> None:
        """End the program: it can neither write nor read any more."""
        super().kill()
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def clone(self, name: str) -> RocksdbDisk:
        """Return an independent copy, beside it."""
        other = RocksdbDisk(self._directory.with_name(name), self._key)
        other.restore(self.snapshot())
        return other


class _CountingCommitter(InlineCommitter):
    """Tells the disk of every commit."""

    def __init__(self, transactions: Transactions, disk: EngineDisk) -> None:
        super().__init__(transactions)
        self._disk = disk

    def run_blocking(self, work: Callable[[], Result]) -> Result:
        """Run `work` in a transaction of its own."""
        result = super().run_blocking(work)
        self._disk.writes += 1
        return result


def _fill(target: StorageEngine, source: EngineReader) -> None:
    target.begin()
    copy_records(source, target)
    target.commit()
