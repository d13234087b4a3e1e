"""Keep the write-ahead log of a SQLite file short, also while somebody reads all the time.

Copying the log into the database never lets it begin anew while there is always a reader in it. Waiting for the readers
does, if no others come meanwhile: SQLite keeps waiting for a place among its readers that one after the other takes. So
new snapshots of this process wait at a gate for that moment. The wait is short; when a reader stays for longer, it is tried
again after as much was written as makes the log too long. A copy that fails at the disk is raised by the commit: trying it
again could succeed without having written all.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import apsw

BUSY_TIMEOUT_MS = 5_000
WAITING_FACTOR = 4
"""How many times as long as it should be a log may get before a commit waits for its readers."""
READERS_WAIT_MS = 100
GATE_SECONDS_MAX = 2.0
"""How long a new snapshot waits at most, whatever keeps the writer."""


class ReadersGate:
    """Where snapshots wait before they begin, while the writer waits for those that have begun."""

    def __init__(self) -> None:
        self._is_open = threading.Event()
        self._is_open.set()

    def pass_through(self) -> None:
        """Wait until the gate is open, or has been closed for too long."""
        self._is_open.wait(GATE_SECONDS_MAX)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Let nobody through meanwhile."""
        self._is_open.clear()
        try:
            yield
        finally:
            self._is_open.set()


def keep_log_short(connection: apsw.Connection, pages_max: int, gate: ReadersGate) -> None:
    """Have every commit of a writing connection look at the length of the log; the readers of this process are at `gate`."""
    waits_at = WAITING_FACTOR * pages_max

    def after_commit(writer: apsw.Connection, schema: str, pages: int) -> int:
        nonlocal waits_at
        if pages < pages_max:
            waits_at = WAITING_FACTOR * pages_max
        elif pages < waits_at:
            _copy(writer, schema)
        else:
            waits_at = pages + pages_max
            with gate.closed():
                _copy_and_wait(writer, schema)
        return apsw.SQLITE_OK

    connection.set_wal_hook(after_commit)


def _copy(connection: apsw.Connection, schema: str, mode: int = apsw.SQLITE_CHECKPOINT_PASSIVE) -> None:
    # When readers are still there, or the file can't grow, the commit itself is safe in the log.
    with suppress(apsw.BusyError, apsw.FullError):
        connection.wal_checkpoint(schema, mode)


def _copy_and_wait(connection: apsw.Connection, schema: str) -> None:
    """Copy all of the log, and let the next commit begin it anew when the readers have left it in time."""
    try:
        connection.set_busy_timeout(READERS_WAIT_MS)
        _copy(connection, schema, apsw.SQLITE_CHECKPOINT_RESTART)
    finally:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
