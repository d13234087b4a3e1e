"""Open SQLite files the one way this system opens them, and name their failures.

Every file is in WAL mode with `synchronous=FULL` unless its owner chose `normal`: an answered commit is on the disk. The
pragmas run one statement a call and are read to the end, because the binding runs a statement only as far as its rows
are fetched.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import apsw

from sdbql.sqlite_functions import SQL_FUNCTIONS
from solidb_sync.errors import StorageCorruptError, StorageError, StorageFullError, StoreLockedError
from solidb_sync.storage.private_files import create_private_file as create_private_file
from solidb_sync.storage.refusals import cause, full_disk
from solidb_sync.storage.sqlite.log_length import BUSY_TIMEOUT_MS, ReadersGate, keep_log_short
from solidb_sync.storage.sqlite.sealed.layout import PAGE_BYTES, RESERVED_BYTES
from solidb_sync.storage.sqlite.sealed.sealing import Sealing

CACHE_KIB = 16 * 1024
WAL_CHECKPOINT_PAGES = 4_000
SEALED_CACHE_KIB = 32 * 1024
SEALED_READING_CACHE_KIB = 64 * 1024
SEALED_WAL_CHECKPOINT_PAGES = 2_000
"""Sealed pages are twice as large, and dearer to read again."""

STATEMENTS_KEPT_MAX = 400
"""How many compiled statements a connection keeps: a server uses more than the binding's hundred in turn."""


@dataclass(frozen=True, slots=True)
class FileLocation:
    """Where a database file is: a path, and the SQLite virtual file system that serves it (None: the real one).

    A location with `is_exclusive` is used through a single connection and needs no shared memory file. With `sealing`, the
    pages are sealed and `vfs` is the file system that does it.
    """

    path: str
    vfs: str | None = None
    is_exclusive: bool = False
    sealing: Sealing | None = None

    def sealed_by(self, sealing: Sealing) -> FileLocation:
        """Return the same file behind its seals."""
        return replace(self, vfs=sealing.vfs, sealing=sealing)


def open_connection(
    location: FileLocation,
    *,
    durability: str = "full",
    read_only: bool = False,
    shrinks: bool = False,
    gate: ReadersGate | None = None,
) -> apsw.Connection:
    """Open one connection; the file must exist unless its virtual file system creates it.

    With `shrinks` a file that is new can give unused pages back later. `gate`: where the readers of this process wait when
    the log has grown too long.
    """
    flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = None
    try:
        connection = apsw.Connection(location.path, flags=flags, vfs=location.vfs, statementcachesize=STATEMENTS_KEPT_MAX)
        # Or SQLite looks at bound values as it plans, and compiles a statement anew whenever they differ from last time.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        if location.sealing is not None and not read_only:
            connection.reserve_bytes("main", RESERVED_BYTES)
        for pragma in _pragmas(location, durability, read_only=read_only, shrinks=shrinks):
            connection.execute(pragma).fetchall()
        if not read_only:
            pages_max = SEALED_WAL_CHECKPOINT_PAGES if location.sealing else WAL_CHECKPOINT_PAGES
            keep_log_short(connection, pages_max, gate or ReadersGate())
        add_functions(connection)
    except apsw.Error as problem:
        if connection is not None:
            with suppress(apsw.Error):
                connection.close(force=True)
        raise storage_error(problem, location.path) from problem
    return connection


def add_functions(connection: apsw.Connection) -> None:
    """Make the functions known that compiled queries and indexes call."""
    for name, (function, arguments) in SQL_FUNCTIONS.items():
        connection.create_scalar_function(name, function, arguments, deterministic=True)


def _pragmas(location: FileLocation, durability: str, *, read_only: bool, shrinks: bool) -> list[str]:
    is_sealed = location.sealing is not None
    sealed_cache_kib = SEALED_READING_CACHE_KIB if read_only else SEALED_CACHE_KIB
    cache_kib = sealed_cache_kib if is_sealed else CACHE_KIB
    shared = [f"PRAGMA cache_size = -{cache_kib}", "PRAGMA temp_store = MEMORY", "PRAGMA trusted_schema = OFF"]
    if read_only:
        return [*shared, "PRAGMA query_only = ON"]
    exclusive = ["PRAGMA locking_mode = EXCLUSIVE"] if location.is_exclusive else []
    return [
        *([f"PRAGMA page_size = {PAGE_BYTES}"] if is_sealed else []),
        *exclusive,
        *(["PRAGMA auto_vacuum = INCREMENTAL"] if shrinks else []),  # before the first page is written
        "PRAGMA journal_mode = WAL",
        # A log may end in frames whose flush failed: readable now, gone after a power loss, and everything behind them too.
        # So the log is emptied into the database file before anything is added to it.
        "PRAGMA wal_checkpoint(TRUNCATE)",
        f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}",
        *shared,
    ]


def storage_error(problem: apsw.Error, path: str) -> StorageError:
    """Return the error of ours that says what a failure of SQLite means."""
    match problem:
        case apsw.FullError():
            return full_disk(path)
        case apsw.CorruptError() | apsw.NotADBError():
            return StorageCorruptError(f"{path}: damaged or not a database of ours: {problem}")
        case apsw.BusyError() | apsw.LockedError():
            return StoreLockedError(f"{path}: another process holds it: {problem}")
        case apsw.CantOpenError() | apsw.PermissionsError() | apsw.ReadOnlyError():
            return StorageError(f"{path}: cannot be opened: {cause(path) or problem}")
        case _:
            return StorageError(f"{path}: {problem}")


def closing_error(problem: apsw.Error, path: str) -> StorageError:
    """Return the error of a store whose log could not be folded into its file at the end: what was saved is in the log."""
    found = storage_error(problem, path)
    reason = "the disk is full (ENOSPC)" if isinstance(found, StorageFullError) else str(problem)
    return type(found)(
        f"{path}: {reason} while it was closed; nothing that was saved is lost, the next opening finishes this"
    )
