"""Files and directories that are their owner's alone, with names that are on the disk."""

from __future__ import annotations

import os
from pathlib import Path

from solidb_sync.storage.refusals import refusal


def create_private_directory(path: str) -> None:
    """Create a directory (0700), and those above it, where they are missing."""
    try:
        _make_directories(Path(path).resolve())
    except OSError as problem:
        raise refusal(problem, path, "cannot be created") from problem


def create_private_file(path: str) -> None:
    """Create the file (0600) and the directories above it (0700) where they are missing."""
    directory = Path(path).resolve().parent
    try:
        _make_directories(directory)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as problem:
        raise refusal(problem, path, "cannot be opened for writing") from problem
    flush_directory(str(directory))


def _make_directories(directory: Path) -> None:
    for missing in [ancestor for ancestor in (directory, *directory.parents) if not ancestor.exists()][::-1]:
        missing.mkdir(mode=0o700, exist_ok=True)
        flush_directory(str(missing.parent))


def replace_private_file(path: str, content: bytes) -> None:
    """Write a file (0600) in the place of any before it: after a crash it is the old one or the new one, whole."""
    new = f"{path}.new"
    try:
        handle = os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        try:
            os.write(handle, content)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(new, path)
    except OSError as problem:
        raise refusal(problem, path, "cannot be written") from problem
    flush_directory(str(Path(path).resolve().parent))


def flush_directory(directory: str) -> None:
    """Make the names in a directory durable, where the platform lets one open a directory."""
    try:
        handle = os.open(directory, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
