"""A store that is made under a name of its own, and gets its name when it is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from solidb_sync.errors import StorageError
from solidb_sync.storage.private_files import flush_directory
from solidb_sync.storage.refusals import refusal


def give_name(part: str, target: str, *, again: str) -> None:
    """Let a finished store take its name, durably; `again` says what to do when it can't."""
    try:
        os.rename(part, target)
    except OSError as problem:
        raise StorageError(f"{target}: {problem.strerror}; {again}") from problem
    remove_store(part)
    flush_directory(str(Path(target).resolve().parent))


@contextmanager
def removed_on_failure(path: str) -> Iterator[None]:
    """Remove a store that is being made at a path when that fails, so that trying it again meets no half of it."""
    try:
        yield
    except BaseException:
        with suppress(StorageError):  # what went wrong first is what is told
            remove_store(path)
        raise


def remove_store(path: str) -> None:
    """Remove what an interrupted attempt has left, with what the engine and the lock put beside it."""
    try:
        if os.path.isdir(path):
            shutil.rmtree(path)
        for name in (path, f"{path}-wal", f"{path}-shm", f"{path}.lock"):
            Path(name).unlink(missing_ok=True)
    except NotADirectoryError:
        return  # there is nothing: what would be its directory is a file
    except OSError as problem:
        raise refusal(problem, path, "cannot be removed") from problem
