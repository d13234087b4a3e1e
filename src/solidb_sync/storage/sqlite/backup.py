"""A consistent copy of a database in use, by SQLite's online backup."""

from __future__ import annotations

import os

import apsw

from solidb_sync.errors import StorageError
from solidb_sync.storage.sqlite.connection import create_private_file


def backup_to(path: str, connection: apsw.Connection) -> None:
    """Write what a connection sees to a new file."""
    if os.path.exists(path):
        raise StorageError(f"{path}: exists already; a backup goes into a new file")
    create_private_file(path)
    target = apsw.Connection(path)
    try:
        with target.backup("main", connection, "main") as copying:
            copying.step(-1)
        target.execute("PRAGMA journal_mode = DELETE").fetchall()
    finally:
        target.close()
