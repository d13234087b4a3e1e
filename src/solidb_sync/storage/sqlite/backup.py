"""A consistent copy of a database in use, by SQLite's online backup."""

from __future__ import annotations

import apsw

from solidb_sync.storage.sqlite.connection import FileLocation, create_private_file, storage_error
from solidb_sync.storage.sqlite.sealed.layout import RESERVED_BYTES


def backup_to(path: str, connection: apsw.Connection, location: FileLocation) -> None:
    """Write what a connection sees to a new file; of a sealed store, under the same seals: the same key opens it."""
    create_private_file(path)
    try:
        _copy(path, connection, location)
    except apsw.Error as problem:
        raise storage_error(problem, path) from problem


def _copy(path: str, connection: apsw.Connection, location: FileLocation) -> None:
    sealing = None if location.sealing is None else location.sealing.of_copy(path)
    target = apsw.Connection(path, vfs=None if sealing is None else sealing.vfs)
    try:
        if sealing is not None:
            target.reserve_bytes("main", RESERVED_BYTES)
        with target.backup("main", connection, "main") as copying:
            copying.step(-1)
        target.execute("PRAGMA journal_mode = DELETE").fetchall()
    finally:
        target.close()
        if sealing is not None:
            sealing.close()
