"""The files of a store and of a server that nobody has used yet: what a simulated world begins with.

The real code makes them, once a process: to apply every migration anew for each device of each world would take longer
than anything that happens to them. That a crash while a store is made does no harm has tests of its own
(`tests/storage/test_every_crash.py`).
"""

from __future__ import annotations

import random
from functools import cache

from solidb_sync.server.storage.sqlite.database_backend import open_database_file
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.storage.sqlite.sqlite_engine import SqliteEngine
from solidb_sync.testing.crashable_files import CrashableFiles, Snapshot

STORE_PATH = "store.db"
SERVER_FILES = {"server.sqlite": "server", "db-1.sqlite": "database"}


@cache
def empty_store() -> Snapshot:
    """Return a disk with a plain store that belongs to no device yet."""
    with CrashableFiles("empty store", random.Random(0)) as files:
        SqliteEngine(FileLocation(STORE_PATH, vfs=files.name, is_exclusive=True)).close()
        return files.snapshot()


@cache
def empty_server() -> Snapshot:
    """Return a disk with a server that knows no database, and the file of the first one it will make."""
    with CrashableFiles("empty server", random.Random(0)) as files:
        for path, kind in SERVER_FILES.items():
            open_database_file(FileLocation(path, vfs=files.name, is_exclusive=True), kind).close()
        return files.snapshot()
