"""Keep the write-ahead log of a SQLite file short, also while somebody reads all the time.

Copying the log into the database never lets it begin anew while there is always a reader in it. Waiting for the readers
does, because whoever begins to read meanwhile reads from the database. The wait is short, and tried again at the next
commit. A copy that fails at the disk is raised by the commit: trying it again could succeed without having written all.
"""

from __future__ import annotations

import apsw

BUSY_TIMEOUT_MS = 5_000
WAITING_FACTOR = 4
"""How many times as long as it should be a log may get before a commit waits for its readers."""
READERS_WAIT_MS = 250


def keep_log_short(connection: apsw.Connection, pages_max: int) -> None:
    """Have every commit of a writing connection look at the length of the log."""

    def after_commit(writer: apsw.Connection, schema: str, pages: int) -> int:
        if pages >= pages_max:
            _copy(writer, schema, waits=pages >= WAITING_FACTOR * pages_max)
        return apsw.SQLITE_OK

    connection.set_wal_hook(after_commit)


def _copy(connection: apsw.Connection, schema: str, *, waits: bool) -> None:
    try:
        if waits:
            connection.set_busy_timeout(READERS_WAIT_MS)
        connection.wal_checkpoint(schema, apsw.SQLITE_CHECKPOINT_RESTART if waits else apsw.SQLITE_CHECKPOINT_PASSIVE)
    except (apsw.BusyError, apsw.FullError):
        pass  # readers are still there, or the file can't grow: the commit itself is safe in the log
    finally:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
