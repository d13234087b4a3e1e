"""One writing process a store: an advisory lock on a file beside it, given back by the system when a process dies."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from solidb_sync.errors import StoreLockedError
from solidb_sync.storage.refusals import refusal

NUMBER_BYTES_MAX = 20


class StoreLock:
    """Holds the lock from construction to `release`."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as problem:
            raise refusal(problem, path, "cannot be opened for writing") from problem
        try:
            _lock(self._handle)
        except OSError as problem:
            holder = os.read(self._handle, NUMBER_BYTES_MAX).decode("ascii", "replace").strip()
            os.close(self._handle)
            raise StoreLockedError(
                f"{Path(path).with_suffix('')}: process {holder or 'unknown'} has it open for writing; "
                "close it there first, or open another store"
            ) from problem
        with suppress(OSError):  # a full disk: others are told of no number then, but the lock holds
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Give the lock back, also when a forked process holds a copy of its handle; harmless to repeat."""
        if self._handle >= 0:
            _unlock(self._handle)
            self.forget()

    def forget(self) -> None:
        """Close the handle and leave the lock to whoever has another copy of it: the process this one was forked from."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def lock_holder(path: str) -> str | None:
    """Return which process has a store's lock, `unknown` when that can't be told, None when nobody has; writes nothing.

    The lock is tried and given back at once: whoever opens the store within those microseconds is refused.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise refusal(problem, path, "cannot be read") from problem
    try:
        if not _is_taken(handle):
            return None
        return os.read(handle, NUMBER_BYTES_MAX).decode("ascii", "replace").strip() or "unknown"
    finally:
        os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        os.lseek(handle, 1_000, os.SEEK_SET)  # a byte past the process number, which others may read
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)

    def _unlock(handle: int) -> None:
        os.lseek(handle, 1_000, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

    def _is_taken(handle: int) -> bool:
        try:
            _lock(handle)
        except OSError:
            return True
        _unlock(handle)
        return False
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)

    def _is_taken(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        fcntl.flock(handle, fcntl.LOCK_UN)
        return False
