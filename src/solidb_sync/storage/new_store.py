"""A store that is made under a name of its own, and gets its name when it is whole."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from solidb_sync.errors import StorageError
from solidb_sync.storage.private_files import flush_directory
from solidb_sync.storage.refusals import refusal
from solidb_sync.storage.text_forms import RandomBytes


def give_name(part: str, target: str, *, again: str) -> None:
    """Let a finished store take its name, durably, unless something has it by now; `again` says what to do when it can't."""
    try:
        _rename_to_new(part, target)
    except OSError as problem:
        raise StorageError(f"{target}: {problem.strerror}; {again}") from problem
    remove_store(part)
    flush_directory(str(Path(target).resolve().parent))


def _rename_to_new(part: str, target: str) -> None:
    if os.path.isdir(part):
        os.rename(part, target)  # refused when there is a directory with something in it, or a file
        return
    try:
        os.link(part, target)  # other than a rename, this is refused when there is a file
    except FileExistsError:
        raise
    except OSError:  # a file system that has no links
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None
        os.rename(part, target)


@contextmanager
def made_aside(target: str, random_bytes: RandomBytes) -> Iterator[str]:
    """Yield a path beside `target` for a new copy of a store, which takes the name `target` when it is whole.

    What fails leaves nothing behind, and what was at `target` is untouched: of two that are made at once the later one
    fails. A process that dies leaves its part, `target` with eight digits and `.part` after it.
    """
    if os.path.lexists(target):
        raise StorageError(f"{target}: exists already; a backup goes to a new place")
    part = f"{target}.{random_bytes(4).hex()}.part"
    try:
        yield part
        give_name(part, target, again="a backup goes to a new place")
    except BaseException:
        with suppress(StorageError):  # what went wrong first is what is told
            remove_store(part)
        raise


def remove_store(path: str) -> None:
    """Remove what an interrupted attempt has left, with what the engine and the lock put beside it."""
    try:
        if os.path.isdir(path):
            shutil.rmtree(path)
        for name in (path, f"{path}-wal", f"{path}-shm", f"{path}-journal", f"{path}-flushed", f"{path}.lock"):
            Path(name).unlink(missing_ok=True)
    except NotADirectoryError:
        return  # there is nothing: what would be its directory is a file
    except OSError as problem:
        raise refusal(problem, path, "cannot be removed") from problem
