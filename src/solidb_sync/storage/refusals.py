"""What the system refused, and why: every error of a disk names its cause, and where there is one, the mend.

SQLite says of a file it may not write only that it is "unable to open" it. So the file, its directory and its file system
are looked at, once something has failed, for the reason that a person can do something about.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from solidb_sync.errors import StorageError, StorageFullError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""No room on the disk, none left for this user, or none beyond a limit for one file."""


def full_disk(path: str, reason: str = "the disk is full (ENOSPC)") -> StorageFullError:
    """Return the error of a write for which there was no room."""
    return StorageFullError(f"{path}: {reason}; nothing was written. Make room and try again")


def refusal(problem: OSError, path: str, what: str) -> StorageError:
    """Return the error for something the system would not do with a file; `what`, such as `cannot be created`."""
    name = errno.errorcode.get(problem.errno or 0, "")
    reason = f"{problem.strerror}{f' ({name})' if name else ''}"
    if problem.errno in FULL:
        return full_disk(path, f"{what}: {reason}")
    found = cause(path) if problem.errno in (errno.EACCES, errno.EPERM, errno.EROFS) else ""
    return StorageError(f"{path}: {what}: {found or reason}")


def cause(path: str) -> str:
    """Return why a file can't be read and written, as far as can be seen from outside; empty when nothing stands out."""
    return next((found for look in _LOOKS if (found := look(path))), "")


def _is_below_a_file(path: str) -> str:
    directory = _nearest_directory(path)
    return "" if directory.is_dir() else f"{directory} is no directory (ENOTDIR)"


def _is_read_only(path: str) -> str:
    if not hasattr(os, "statvfs"):
        return ""
    is_read_only = os.statvfs(_nearest_directory(path)).f_flag & os.ST_RDONLY
    return "its file system can only be read (EROFS); mount it for writing, or choose another place" if is_read_only else ""


def _is_closed_directory(path: str) -> str:
    directory = _nearest_directory(path)
    if os.access(directory, os.W_OK | os.X_OK):
        return ""
    return f"no permission to write in the directory {directory} (EACCES): {_rights(directory)}"


def _is_closed(path: str) -> str:
    wanted = os.R_OK | os.W_OK | (os.X_OK if os.path.isdir(path) else 0)
    if not os.path.exists(path) or os.access(path, wanted):
        return ""
    return f"no permission to read and write it (EACCES): {_rights(Path(path))}"


_LOOKS: tuple[Callable[[str], str], ...] = (
    _is_below_a_file,
    _is_read_only,
    _is_closed,
    _is_closed_directory,
)


def _nearest_directory(path: str) -> Path:
    """Return the directory that a file is in, or would be made in."""
    return next(above for above in Path(path).absolute().parents if os.path.lexists(above))


def _rights(place: Path) -> str:
    found = place.stat()
    user = f", this process is user {os.geteuid()}" if hasattr(os, "geteuid") else ""
    return f"its mode is {found.st_mode & 0o7777:04o} and its owner user {found.st_uid}{user}"
