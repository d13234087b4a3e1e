"""A RocksDB store that another process has open, for reading only: what that process commits is seen.

RocksDB's own way: a second instance that reads the files and follows the log of the first. It goes on only when it is told
to, which is before every read outside a moment that is held; so a moment is simply not going on.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from solidb_sync.errors import StorageError
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.rocksdb.database import Follower
from solidb_sync.storage.rocksdb.ordered_map import OrderedMap
from solidb_sync.storage.rocksdb.rocksdb_reads import RocksdbReads
from solidb_sync.storage.rocksdb.sealed_map import SealedView
from solidb_sync.storage.rocksdb.store_directory import data_directory
from solidb_sync.storage.rocksdb.store_label import OpenLabel

OPENING_ATTEMPTS = 5
"""The writer may replace files while a follower opens them; then it begins again."""


class FollowerMoments:
    """Those of a database that another process writes. Used by one thread at a time."""

    def __init__(self, path: str, label: OpenLabel) -> None:
        self._path = path
        self._directory = data_directory(path, label.label)
        self._notes = tempfile.mkdtemp(prefix="solidb-follower-")
        try:
            self._follower = self._open()
        except BaseException:
            shutil.rmtree(self._notes, ignore_errors=True)
            raise
        seal = label.seal()
        self._view: OrderedMap = self._follower if seal is None else SealedView(self._follower, seal)
        self._is_held = False

    def _open(self) -> Follower:
        for attempt in range(OPENING_ATTEMPTS):
            try:
                return Follower(self._directory, self._path, Path(self._notes))
            except StorageError:
                if attempt + 1 == OPENING_ATTEMPTS:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    @property
    def view(self) -> OrderedMap:
        """What has been committed by now, or by the beginning of the moment that is held."""
        if not self._is_held:
            self._catch_up()
        return self._view

    def _catch_up(self) -> None:
        if not os.path.isdir(self._directory):
            raise StorageError(f"{self._path}: its encryption was changed meanwhile; open it again")
        self._follower.catch_up()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Stand still."""
        if self._is_held:
            yield
            return
        self._catch_up()
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False

    def backup(self, path: str) -> None:
        """Refuse: a copy is made by the process that writes."""
        raise StorageError(f"{self._path}: open for reading only; back it up in the process that has it open for writing")

    def close(self) -> None:
        """Stop following."""
        self._follower.close()
        shutil.rmtree(self._notes, ignore_errors=True)


class FollowingEngine(RocksdbReads):
    """The reading half of a storage engine over a directory that must be there."""

    def __init__(self, path: str, label: OpenLabel) -> None:
        super().__init__(FollowerMoments(path, label))
        self._path = path
        self._label = label

    @property
    def is_encrypted(self) -> bool:
        """True when the store can't be read without a key."""
        return self._label.is_encrypted

    def reader(self) -> EngineReader:
        """Return a reader with a follower of its own."""
        return RocksdbReads(FollowerMoments(self._path, self._label))
