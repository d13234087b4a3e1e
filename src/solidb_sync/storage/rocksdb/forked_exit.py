"""How a process ends that was forked from one with a RocksDB database open.

RocksDB's threads are not in the child, and what its library does at the end of a process waits for them, or crashes. So such
a child ends right after Python has, with its exit code, before the libraries' own last words. Where the system offers no way
to do so (it is glibc's `on_exit`), the child has to end by `os._exit`, as those of `multiprocessing` do.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache


@cache
def end_children_at_once() -> None:
    """From now on, let forked processes end so."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_end_at_once)


def _end_at_once() -> None:
    system = ctypes.CDLL(None)
    if hasattr(system, "on_exit"):
        system.on_exit(system._exit, None)  # called first, as the newest one, with the exit code as its first argument
