"""Where a shell remembers what was typed: a file that only its owner can read.

It is kept where the system wants such things: `$XDG_STATE_HOME`, else `~/.local/state`; on Windows `%LOCALAPPDATA%`.
"""

import os
from collections.abc import Mapping
from pathlib import Path

HISTORY_BYTES_MAX = 1_000_000


def history_path(program: str, environment: Mapping[str, str], home: Path) -> Path:
    """Return where the history of a program is."""
    state = environment.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # a relative one is to be ignored, says the XDG specification
        state = environment.get("LOCALAPPDATA") or str(home / ".local" / "state")
    return Path(state) / program / "history"


def prepare_history(path: Path) -> Path | None:
    """Make the file (0600) and the directories above it (0700), cut a long one; None when it can't be kept."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if hasattr(os, "fchmod"):
                os.fchmod(handle, 0o600)
            _cut(handle)
        finally:
            os.close(handle)
    except OSError:
        return None
    return path


def _cut(handle: int) -> None:
    """Forget the older half of a history that has grown too long, at an entry's end."""
    size = os.fstat(handle).st_size
    if size <= HISTORY_BYTES_MAX:
        return
    os.lseek(handle, size - HISTORY_BYTES_MAX // 2, os.SEEK_SET)
    _, _, kept = os.read(handle, HISTORY_BYTES_MAX).partition(b"\n\n")
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, kept)
