"""The moments of a database that a reader sees: the present at every call, or one that is held."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from solidb_sync.errors import StorageError
from solidb_sync.storage.rocksdb.database import Database
from solidb_sync.storage.rocksdb.ordered_map import OrderedMap
from solidb_sync.storage.rocksdb.sealed_database import SealedDatabase
from solidb_sync.storage.rocksdb.store_directory import back_up


class DatabaseMoments:
    """Those of a database that this process writes. Used by one thread at a time."""

    def __init__(self, database: Database | SealedDatabase, path: str) -> None:
        self._database = database
        self._path = path
        self._moment: OrderedMap | None = None

    @property
    def view(self) -> OrderedMap:
        """What is held, else the last commit."""
        return self._database if self._moment is None else self._moment

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the last commit; within a moment that is held, go on with that."""
        if self._moment is not None:
            yield
            return
        self._moment = self._database.moment()
        try:
            yield
        finally:
            self._moment = None

    def backup(self, path: str) -> None:
        """Write a consistent copy to a new place."""
        back_up(self._path, path, self._database.checkpoint)

    def close(self) -> None:
        """Do nothing: the database is the engine's."""


class PresentOnly:
    """Of a map that nobody writes: there is one moment."""

    def __init__(self, view: OrderedMap) -> None:
        self.view = view

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold what never moves."""
        yield

    def backup(self, path: str) -> None:
        """Refuse: what is read is damaged."""
        raise StorageError(f"{path}: a damaged store is salvaged, not backed up")

    def close(self) -> None:
        """Do nothing: the map is its owner's."""
