"""SQLite for a process in which one thread does everything, such as one that only simulates.

By itself SQLite takes and gives back a lock at every call and every piece of memory, and counts what it hands out. Where
there is one thread nobody else can be locked out, and a twentieth of the time of a simulation goes into nothing.
"""

from __future__ import annotations

import apsw


def leave_out_locks() -> None:
    """Let SQLite do without locks from now on, in this process and those it forks; nothing may be open yet."""
    assert not apsw.connections(), "SQLite is configured before the first connection is opened"
    apsw.shutdown()
    apsw.config(apsw.SQLITE_CONFIG_SINGLETHREAD)
    apsw.config(apsw.SQLITE_CONFIG_MEMSTATUS, 0)
    apsw.initialize()
