"""RocksDB and processes that are forked from one that uses it: its threads are not in them.

Such a child can't use RocksDB, not even for another database: work for the threads that are missing would wait for ever; so
it is refused. And what the library does at the end of a process waits for them too, or crashes: so the child ends right
after Python has, with its exit code, before the libraries' own last words. Where the system offers no way to do so (it is
glibc's `on_exit`), the child has to end by `os._exit`, as those of `multiprocessing` do.
"""

from __future__ import annotations

import ctypes
import os

from solidb_sync.errors import StorageError

_users: list[int] = []
"""The process that uses RocksDB, first this one or the one it was forked from."""


def use_here() -> None:
    """Note that this process uses RocksDB; raises in one that was forked from another that does."""
    if not _users:
        _users.append(os.getpid())
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_end_at_once)
    if _users[0] != os.getpid():
        raise StorageError(
            f"engine: 'rocksdb' can't be used by process {os.getpid()}, which was forked from process {_users[0]} that uses "
            "it; start it anew instead (multiprocessing: the start method 'spawn' or 'forkserver')"
        )


def _end_at_once() -> None:
    system = ctypes.CDLL(None)
    if hasattr(system, "on_exit"):
        system.on_exit(system._exit, None)  # called first, as the newest one, with the exit code as its first argument
