"""A store stays in the process that opened it: what `fork` copies must not be used, nor closed, by the child.

The child has the parent's handles, but not its threads, and not the locks by which SQLite and RocksDB keep two users of one
file apart. So every use of a store asks `check`, which is one look at the process's number, and raises in a child. Handing
back what a library holds would be a use too (SQLite would fold its log into a file the parent still writes, RocksDB would
wait for threads that are not there), and Python does that by itself when an object is forgotten: so in a child the
stores of the parent are never forgotten.
"""

from __future__ import annotations

import ctypes
import os
from typing import Protocol
from weakref import WeakSet

from solidb_sync.errors import StorageError


class Forkable(Protocol):
    """What may be open when the process is copied."""

    def left_behind(self) -> None:
        """Give back, in a child, what would keep the parent's lock alive."""


class ProcessGuard:
    """Knows in which process it was made."""

    def __init__(self, owner: Forkable, path: str) -> None:
        self._process = os.getpid()
        self._path = path
        _OPEN.add(owner)

    @property
    def is_elsewhere(self) -> bool:
        """True in a process that was forked from the one that opened the store."""
        return os.getpid() != self._process

    def check(self) -> None:
        """Raise in any other process."""
        if os.getpid() != self._process:
            raise StorageError(
                f"{self._path}: opened by process {self._process} and used by process {os.getpid()}, which was forked from "
                "it: a store can't be carried over fork(). Open it after the fork, in one process for writing and in the "
                "others with read_only=True"
            )


_OPEN: WeakSet[Forkable] = WeakSet()


def _leave_behind() -> None:
    """In a child: let what was open in the parent be, for as long as the child lives."""
    for owner in list(_OPEN):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))
        owner.left_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_behind)
