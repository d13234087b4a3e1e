"""Bring an old store, a plain SQLite file without seals, into an encrypted one.

Its pages have no room for seals, so it is written anew as a whole beside the old file, encrypted from the first byte, and
takes the old one's place by a rename: before it, the old file is the store and what is beside it is forgotten; after it, the
new one is. The old log is emptied, and its deletion flushed, before the rename: it would lie beside the new file.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw

from solidb_sync.errors import StorageError, StoreLockedError
from solidb_sync.storage.keys.key_wrapping import UserKey
from solidb_sync.storage.keys.store_header import RandomBytes
from solidb_sync.storage.private_files import create_private_file, flush_directory
from solidb_sync.storage.sqlite.connection import add_functions, storage_error
from solidb_sync.storage.sqlite.sealed.layout import PAGE_BYTES, RESERVED_BYTES
from solidb_sync.storage.sqlite.sealed.raw_file import raw_database
from solidb_sync.storage.sqlite.sealed.renewal import Progress
from solidb_sync.storage.sqlite.sealed.sealing import Place, Sealing, create_sealing

NEW_FILE_SUFFIX = "-sealing"
LOG_SUFFIX = "-wal"


def convert(place: Place, key: UserKey, random_bytes: RandomBytes, *, progress: Progress | None = None) -> Sealing:
    """Write a closed store anew under an encrypting seal, and return its seals."""
    if place.vfs is not None:
        raise StorageError(f"{place.path}: a store without seals can be encrypted only in a real file system")
    forget_unfinished(place)
    new_path = place.path + NEW_FILE_SUFFIX
    create_private_file(new_path)
    sealing = create_sealing(Place(new_path, None), key, random_bytes)
    try:
        pages = _copy(place.path, new_path, sealing, progress)
    finally:
        sealing.close()
    with raw_database(new_path, None) as file:
        file.flush()
    _take_the_place(place.path, new_path)
    if progress is not None:
        progress(pages, pages)
    return Sealing(place, sealing.opened)


def forget_unfinished(place: Place) -> None:
    """Delete what a crash has left of a conversion."""
    if place.vfs is None:
        for suffix in ("", LOG_SUFFIX, "-journal"):
            with suppress(FileNotFoundError):
                os.unlink(place.path + NEW_FILE_SUFFIX + suffix)


def _copy(old_path: str, new_path: str, sealing: Sealing, progress: Progress | None) -> int:
    """Copy with SQLite's own VACUUM, with nobody else in the store; returns the number of the old file's pages."""
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI
    connection = apsw.Connection(Path(old_path).absolute().as_uri(), flags=flags)
    try:
        add_functions(connection)
        for statement in ("PRAGMA locking_mode = EXCLUSIVE", "PRAGMA temp_store = MEMORY", "BEGIN EXCLUSIVE", "COMMIT"):
            connection.execute(statement).fetchall()
        ((is_busy, _, _),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if is_busy:
            raise apsw.BusyError("the log is in use")
        pages = _page_count(connection)
        if progress is not None:
            progress(0, pages)
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}").fetchall()
        target = f"{Path(new_path).absolute().as_uri()}?vfs={sealing.vfs}&reserve={RESERVED_BYTES}"
        connection.execute("VACUUM INTO ?", (target,)).fetchall()
    except (apsw.BusyError, apsw.LockedError) as problem:
        raise StoreLockedError(
            f"{old_path}: a process has it open for reading; close it there first. Nothing was changed."
        ) from problem
    except apsw.Error as problem:
        raise storage_error(problem, old_path) from problem
    finally:
        connection.close()
    return pages


def _page_count(connection: apsw.Connection) -> int:
    rows: list[Any] = connection.execute("PRAGMA page_count").fetchall()
    return int(rows[0][0])


def _take_the_place(old_path: str, new_path: str) -> None:
    directory = str(Path(old_path).resolve().parent)
    with suppress(FileNotFoundError):
        os.unlink(old_path + LOG_SUFFIX)  # closing the connection has deleted it, unless something failed
    flush_directory(directory)
    os.replace(new_path, old_path)
    flush_directory(directory)
