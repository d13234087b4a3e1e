"""A store that another process has open, for reading only: what that process commits is seen, nothing can be written."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, TypeVar

from solidb_sync.errors import StoreLockedError
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.sqlite.connection import FileLocation, open_connection
from solidb_sync.storage.sqlite.sqlite_reads import SqliteReads

Result = TypeVar("Result")


class ReadingEngine(SqliteReads):
    """The reading half of a storage engine over a file that must be there."""

    def __init__(self, location: FileLocation) -> None:
        super().__init__(open_connection(location, read_only=True), location)

    @property
    def is_encrypted(self) -> bool:
        """True when the file can't be read without a key."""
        return self._location.sealing is not None and self._location.sealing.is_encrypted

    def reader(self) -> EngineReader:
        """Return a reader with a connection of its own."""
        return SqliteReads(open_connection(self._location, read_only=True), self._location)


class NoCommitter:
    """Stands in for a committer where nothing may be written: it runs no work."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def run(self, work: Callable[[], Result]) -> Result:
        """Refuse."""
        self._refuse()

    def run_blocking(self, work: Callable[[], Result]) -> Result:
        """Refuse."""
        self._refuse()

    def run_alone(self, work: Callable[[], Result]) -> Result:
        """Refuse."""
        self._refuse()

    def close(self) -> None:
        """Do nothing."""

    def _refuse(self) -> NoReturn:
        raise StoreLockedError(f"{self._path}: open for reading only, because another process has it open for writing")
