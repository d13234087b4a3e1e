"""All databases of a server, in the files of one directory.

`server.sqlite` lists the databases and keeps the API keys; database number 3 is in `db-3.sqlite`. A file called
`server.lock` is held while a server runs, so that a second one on the same directory is refused. API keys may be added by
another process meanwhile (the command line does).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw

from solidb_sync.clock import Clock
from solidb_sync.errors import StorageFullError, StoreLockedError
from solidb_sync.server.storage.backend import DatabaseBackend
from solidb_sync.server.storage.records import ApiKey
from solidb_sync.server.storage.sqlite import statements as sql
from solidb_sync.server.storage.sqlite.database_backend import CommitterFactory, SqliteDatabase, open_database_file
from solidb_sync.storage.committer import ThreadCommitter
from solidb_sync.storage.sqlite.connection import FileLocation, create_private_file, storage_error

DATABASES_MAX = 1_000
CLOSED_AT_ONCE_MAX = 16
"""How many databases are closed side by side: each waits for the disk several times, and the disk can share the waits."""

LOCK_FILE = "server.lock"

Locator = Callable[[str], FileLocation]
"""Where the file of a name (`server.sqlite`, `db-1.sqlite`) is."""


class SqliteServerBackend:
    """Implements `ServerBackend` over files that `locate` finds, written through committers that `make_committer` makes.

    A simulation gives locations on a file system of its own that are exclusive, and `InlineCommitter`.
    """

    def __init__(
        self,
        locate: Locator,
        make_committer: CommitterFactory,
        *,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        lock: apsw.Connection | None = None,
    ) -> None:
        self._locate = locate
        self._make_committer = make_committer
        self._clock = clock
        self._random_bytes = random_bytes
        self._lock = lock
        self._directory = locate("server.sqlite")
        self._connection = open_database_file(self._directory, "server")
        self._open: dict[str, SqliteDatabase] = {}
        self._reader_thread = None if self._directory.is_exclusive else ThreadPoolExecutor(1, "reader")

    def database(self, name: str, *, create: bool) -> DatabaseBackend | None:
        """Return an open database, None when there is none and it may not be created."""
        database = self._open.get(name)
        if database is not None and database.is_broken:
            del self._open[name]
            database.close()
            database = None
        if database is None:
            number = self._number(name, create=create)
            if number is None:
                return None
            database = self._open[name] = SqliteDatabase(
                self._locate(f"db-{number}.sqlite"),
                self._make_committer,
                random_bytes=self._random_bytes,
                reader_thread=self._reader_thread,
            )
        return database

    def database_names(self) -> list[str]:
        """Return the names of all databases, in order."""
        return [name for (name,) in self._run(sql.DATABASES)]

    def add_api_key(self, key: ApiKey) -> None:
        """Store a key, and create the database it is for when that is missing."""
        self._number(key.database, create=True)
        self._run(sql.ADD_API_KEY, *key)

    def find_api_key(self, digest: bytes) -> ApiKey | None:
        """Return the key with this digest."""
        rows = self._run(sql.API_KEY_BY_DIGEST, digest)
        return _api_key(rows[0]) if rows else None

    def api_keys(self) -> list[ApiKey]:
        """Return all keys, oldest first."""
        return [_api_key(row) for row in self._run(sql.API_KEYS)]

    def remove_api_key(self, key_id: str) -> bool:
        """Delete a key; False when there is none."""
        return bool(self._run(sql.DELETE_API_KEY, key_id))

    def check(self) -> None:
        """Raise `StorageError` unless the storage answers."""
        self._run(sql.COUNT_DATABASES)

    def close(self) -> None:
        """Close every database and let go of the directory."""
        databases = list(self._open.values())
        self._open.clear()
        try:
            self._close_all(databases)
        finally:
            if self._reader_thread is not None:
                self._reader_thread.shutdown()
            self._connection.close()
            if self._lock is not None:
                self._lock.close()

    def _close_all(self, databases: list[SqliteDatabase]) -> None:
        if self._directory.is_exclusive:
            for database in databases:
                database.close()
            return
        with ThreadPoolExecutor(CLOSED_AT_ONCE_MAX, "closer") as closers:
            closings = [closers.submit(database.close) for database in databases]
        for closing in closings:
            closing.result()

    def _number(self, name: str, *, create: bool) -> int | None:
        rows = self._run(sql.DATABASE_ID, name)
        if rows or not create:
            return int(rows[0][0]) if rows else None
        if self._run(sql.COUNT_DATABASES)[0][0] >= DATABASES_MAX:
            raise StorageFullError(f"there are {DATABASES_MAX} databases already; {name!r} was not created")
        self._run(sql.ADD_DATABASE, name, self._clock.now_ms())
        return self._number(name, create=False)

    def _run(self, statement: str, *bindings: Any) -> list[Any]:
        try:
            return self._connection.execute(statement, bindings).fetchall()
        except apsw.Error as problem:
            raise storage_error(problem, self._directory.path) from problem


def open_sqlite_backend(data_dir: Path, *, clock: Clock, random_bytes: Callable[[int], bytes]) -> SqliteServerBackend:
    """Open the databases of a directory for one server process; `StoreLockedError` when another one has it."""
    lock = _lock(data_dir)
    try:
        return SqliteServerBackend(
            _locator(data_dir),
            lambda transactions, path: ThreadCommitter(transactions, name=f"committer {Path(path).name}"),
            clock=clock,
            random_bytes=random_bytes,
            lock=lock,
        )
    except BaseException:
        lock.close()
        raise


def open_key_store(data_dir: Path, *, clock: Clock, random_bytes: Callable[[int], bytes]) -> SqliteServerBackend:
    """Open the same directory to manage API keys only, which is allowed while a server runs."""
    return SqliteServerBackend(
        _locator(data_dir), lambda transactions, _: ThreadCommitter(transactions), clock=clock, random_bytes=random_bytes
    )


def _locator(data_dir: Path) -> Locator:
    return lambda name: FileLocation(str(data_dir / name))


def _lock(data_dir: Path) -> apsw.Connection:
    """Hold an SQLite write lock on a file of its own: it is portable, and the system drops it when the process dies."""
    path = str(data_dir / LOCK_FILE)
    create_private_file(path)
    connection = apsw.Connection(path)
    try:
        connection.execute("PRAGMA journal_mode = MEMORY").fetchall()
        connection.execute("BEGIN EXCLUSIVE").fetchall()
    except apsw.BusyError as problem:
        connection.close()
        raise StoreLockedError(f"{data_dir}: another server is running on this directory") from problem
    except apsw.Error as problem:
        connection.close()
        raise storage_error(problem, path) from problem
    return connection


def _api_key(row: Any) -> ApiKey:
    return ApiKey(row[0], row[1], row[2], row[3], bool(row[4]), row[5])
