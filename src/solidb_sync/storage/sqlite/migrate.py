"""Bring a SQLite file to the newest format: numbered `.sql` files, each applied in one transaction.

The number of the last one applied is the file's `user_version`. A file with a larger number was written by a newer
version of this software and is refused before anything is written to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import apsw

from solidb_sync.errors import StorageError


@cache
def migrations_of(package: str) -> tuple[str, ...]:
    """Return the texts of the numbered `.sql` files in a package, in order."""
    folder = resources.files(package)
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return tuple(folder.joinpath(name).read_text(encoding="utf-8") for name in names)


def format_of(connection: apsw.Connection) -> int:
    """Return the number of the last migration applied, 0 for a new file."""
    rows: list[Any] = connection.execute("PRAGMA user_version").fetchall()
    return int(rows[0][0])


def check_format(connection: apsw.Connection, migrations: Sequence[str], path: str) -> int:
    """Return the file's format, or raise when it is newer than this software knows."""
    found = format_of(connection)
    if found > len(migrations):
        raise StorageError(
            f"{path}: written in format {found} by a newer version; this one reads up to {len(migrations)}. "
            "Nothing was changed: open it with the newer version."
        )
    return found


def migrate(connection: apsw.Connection, migrations: Sequence[str], path: str) -> None:
    """Apply what is missing."""
    for number in range(check_format(connection, migrations, path) + 1, len(migrations) + 1):
        connection.execute("BEGIN IMMEDIATE").fetchall()
        try:
            for _ in connection.execute(migrations[number - 1]):
                pass
            connection.execute(f"PRAGMA user_version = {number}").fetchall()
            connection.execute("COMMIT").fetchall()
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK").fetchall()
            raise
