"""The pages of a SQLite file: what they are used for, how many wait for use, and how the file gets rid of those."""

from __future__ import annotations

import re
from typing import Any

import apsw

from solidb_sync.storage.sqlite import statements as sql

OUTBOX_TABLES = frozenset({"changes", "changes_by_document", "bases"})
_DOCUMENTS = re.compile(r"c_[0-9]+")
_INDEX = re.compile(r"i_[0-9]+|sqlite_autoindex_.*|sqlite_stat.*")


def measure(connection: apsw.Connection) -> dict[str, int]:
    """Return bytes by what they are for; reads the whole file."""
    sizes = dict.fromkeys(("documents", "outbox", "indexes", "other"), 0)
    rows: list[Any] = connection.execute(sql.TABLE_BYTES).fetchall()
    for name, size in rows:
        sizes[_purpose(str(name))] += int(size)
    sizes["free"] = _pragma(connection, "freelist_count") * _pragma(connection, "page_size")
    sizes["log"] = _log_bytes(connection)
    return sizes


def _purpose(name: str) -> str:
    if _DOCUMENTS.fullmatch(name):
        return "documents"
    if name in OUTBOX_TABLES:
        return "outbox"
    return "indexes" if _INDEX.fullmatch(name) else "other"


def used_bytes(connection: apsw.Connection) -> int:
    """Return the bytes of the pages in use, without the log; a few microseconds."""
    pages = _pragma(connection, "page_count") - _pragma(connection, "freelist_count")
    return pages * _pragma(connection, "page_size")


def give_back(connection: apsw.Connection, *, pages_max: int) -> bool:
    """Move unused pages out of the file, within a transaction; returns whether it is worth doing again.

    Only files that were made to shrink do.
    """
    before = _pragma(connection, "freelist_count")
    connection.execute(f"PRAGMA incremental_vacuum({pages_max:d})").fetchall()
    return 0 < _pragma(connection, "freelist_count") < before


def _pragma(connection: apsw.Connection, name: str) -> int:
    rows: list[Any] = connection.execute(f"PRAGMA {name}").fetchall()
    return int(rows[0][0])


def _log_bytes(connection: apsw.Connection) -> int:
    pointer = connection.filename_wal
    try:
        with open(pointer, "rb") as log:
            return log.seek(0, 2)
    except OSError:
        return 0  # there is none, or it is in a file system that only SQLite sees
