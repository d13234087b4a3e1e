"""Bring a database file to the newest schema, one numbered step after the other, each in a transaction of its own.

`PRAGMA user_version` holds the number of the last step. A file with a higher number was written by a newer version of this
program and is refused untouched.
"""

from __future__ import annotations

from importlib.resources import files

import apsw

from solidb_sync.errors import StorageError
from solidb_sync.storage.sqlite.connection import storage_error

_SCRIPTS = files("solidb_sync.server.storage.sqlite") / "migrations"


def migrate(connection: apsw.Connection, kind: str, path: str) -> None:
    """Apply the steps of this kind (`server`, `database`) that the file does not have yet."""
    steps = migration_steps(kind)
    try:
        applied = int(connection.pragma("user_version"))
        if applied > len(steps):
            raise StorageError(
                f"{path}: written by a newer version (schema {applied}, this one knows {len(steps)}); it was not touched"
            )
        for number, script in enumerate(steps[applied:], start=applied + 1):
            with connection:
                connection.execute(script).fetchall()
                connection.execute(f"PRAGMA user_version = {number}").fetchall()
    except apsw.Error as problem:
        raise storage_error(problem, path) from problem


def migration_steps(kind: str) -> list[str]:
    """Return the scripts of one kind of file, in order."""
    scripts = sorted(
        (script for script in (_SCRIPTS / kind).iterdir() if script.name.endswith(".sql")), key=lambda s: s.name
    )
    return [script.read_text("utf-8") for script in scripts]
