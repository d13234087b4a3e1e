"""How many files the server's process may have open.

A database that is in use has about seven (three connections with their logs), a connection of a device has one. Systems
let a process open 1,024 unless it asks for more, which is too few for 150 databases.
"""

from __future__ import annotations

import importlib

OPEN_FILES_WANTED = 65_536


def ask_for_open_files() -> None:
    """Raise this process's own limit to `OPEN_FILES_WANTED`, or to as many as the system allows it; never lower it."""
    try:
        resource = importlib.import_module("resource")
    except ImportError:
        return  # this system has no such limit
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_WANTED if hard == resource.RLIM_INFINITY else min(OPEN_FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
