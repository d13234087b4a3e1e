"""A store's file as SQL, past the store: what tests look at or damage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from solidb_sync.storage.sqlite.connection import FileLocation, open_connection
from solidb_sync.storage.sqlite.sealed_location import location_of_old


@contextmanager
def sql_in(path: Path) -> Iterator[apsw.Connection]:
    """Open a plain store that nobody else has open."""
    location = location_of_old(FileLocation(str(path)), None, os.urandom)
    connection = open_connection(location)
    try:
        yield connection
    finally:
        connection.close()
