"""One database in one SQLite file.

Writing goes through a committer over the writing connection. Small reads run at once on the caller's thread over a
connection of their own, larger ones on a reader thread over another, so that the event loop goes on meanwhile. A file
that is exclusive (a simulation) has a single connection, which does all three.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import apsw

from solidb_sync.errors import StorageError, StorageFullError
from solidb_sync.server.storage.backend import ReadSession, WriteSession
from solidb_sync.server.storage.sqlite import statements as sql
from solidb_sync.server.storage.sqlite.session import SqliteReadSession, SqliteWriteSession
from solidb_sync.storage.committer import Committer, Transactions
from solidb_sync.storage.sqlite.connection import FileLocation, create_private_file, open_connection, storage_error
from solidb_sync.storage.sqlite.migrate import migrate, migrations_of
from solidb_sync.storage.sqlite.transactions import SqliteTransactions

Result = TypeVar("Result")
MIGRATIONS = "solidb_sync.server.storage.sqlite.migrations"
CommitterFactory = Callable[[Transactions, str], Committer]


class SqliteDatabase:
    """Implements `DatabaseBackend`."""

    def __init__(
        self,
        location: FileLocation,
        make_committer: CommitterFactory,
        *,
        random_bytes: Callable[[int], bytes],
        reader_thread: ThreadPoolExecutor | None,
    ) -> None:
        self._path = location.path
        self._writer = open_database_file(location, "database")
        try:
            _begin_run(self._writer, random_bytes)
        except BaseException as problem:
            with contextlib.suppress(apsw.Error):  # what went wrong first is what counts
                self._writer.close()
            if isinstance(problem, apsw.Error):
                raise storage_error(problem, location.path) from problem
            raise
        self._committer = make_committer(SqliteTransactions(self._writer, location.path), location.path)
        self._session = SqliteWriteSession(self._writer)
        self._reader_thread = None if location.is_exclusive else reader_thread
        self._reader, self._page_reader = (
            (self._writer, self._writer)
            if location.is_exclusive
            else (open_connection(location, read_only=True), open_connection(location, read_only=True))
        )
        self._page_reader_lock = threading.Lock()
        self._is_closed = False
        self.is_broken = False
        """True after a write failed in a way that asks for the file to be opened again."""

    @property
    def attachment_directory(self) -> str:
        """Where the files of its attachments are: beside its own file."""
        return self._path.removesuffix(".sqlite") + "-attachments"

    @property
    def reads_in_threads(self) -> bool:
        """True when long reads run beside the event loop."""
        return self._reader_thread is not None

    async def write(self, work: Callable[[WriteSession], Result]) -> Result:
        """Run `work` in a transaction and return its result after the commit."""
        try:
            return await self._committer.run(lambda: self._worked(work))
        except StorageError as problem:
            self.is_broken = self.is_broken or not isinstance(problem, StorageFullError)
            raise

    async def read(self, work: Callable[[ReadSession], Result], *, is_small: bool = True) -> Result:
        """Run `work` on a snapshot: here and now when it is small, on the reader thread when it is not."""
        if self._is_closed:
            raise StorageError(f"{self._path}: closed")
        if is_small or self._reader_thread is None:
            return self._snapshot(self._reader, work)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader_thread, self._read_page, work)

    def close(self) -> None:
        """Finish queued writes and the read under way on the reader thread, and close the connections.

        A read asked for after that raises `StorageError`.
        """
        self._is_closed = True
        self._committer.close()
        with self._page_reader_lock:
            self._page_reader.close()
        self._reader.close()
        if self._reader is not self._writer:
            # Closing copies the log as well, but stops all of this process's threads while it waits for the disk.
            with contextlib.suppress(apsw.Error):
                self._writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self._writer.close()

    def _read_page(self, work: Callable[[ReadSession], Result]) -> Result:
        with self._page_reader_lock:
            return self._snapshot(self._page_reader, work)

    def _worked(self, work: Callable[[WriteSession], Result]) -> Result:
        try:
            return work(self._session)
        except apsw.Error as problem:
            raise storage_error(problem, self._path) from problem

    def _snapshot(self, connection: apsw.Connection, work: Callable[[ReadSession], Result]) -> Result:
        try:
            connection.execute("BEGIN")
            try:
                return work(SqliteReadSession(connection))
            finally:
                connection.execute("COMMIT")
        except apsw.Error as problem:
            raise storage_error(problem, self._path) from problem


def open_database_file(location: FileLocation, kind: str) -> apsw.Connection:
    """Create the file if it is missing, and bring it to the newest schema."""
    if location.vfs is None:
        create_private_file(location.path)
    connection = open_connection(location)
    try:
        migrate(connection, migrations_of(f"{MIGRATIONS}.{kind}"), location.path)
    except BaseException as problem:
        connection.close()
        if isinstance(problem, apsw.Error):
            raise storage_error(problem, location.path) from problem
        raise
    return connection


def _begin_run(connection: apsw.Connection, random_bytes: Callable[[int], bytes]) -> None:
    """Give a new file its epoch, and every opening of it a name and a beginning: see `server/history`."""
    with connection:
        if not connection.execute(sql.HEAD).fetchall():
            connection.execute(sql.CREATE_HEAD, (random_bytes(8).hex(),))
        ((run,),) = connection.execute(sql.BEGIN_RUN, (random_bytes(8).hex(),)).fetchall()
        connection.execute(sql.SAVE_RUN, (run,))
