"""The paths that stores are opened at, copied to and read from: what can be no place of a store is refused first.

SQLite takes `""` and `":memory:"` for databases that nobody finds again: a backup "written" there would be none. Every way
in asks here before anything is opened or made, so each of them refuses the same.
"""

from __future__ import annotations

import os
from enum import Enum

from solidb_sync.errors import ConfigError, StorageError

NO_FILE = ("", ":memory:")
"""What SQLite takes for no file at all."""


class PathUse(Enum):
    """What a path is given for; the value says what would be right."""

    OPEN = "a store that keeps nothing is engine='memory'"
    READ = "give the path of a store that is there: a file of the engine 'sqlite', or a directory of 'rocksdb'"
    WRITE = "give the path of a new file, in a directory on a disk"


def checked_path(path: str | os.PathLike[str], use: PathUse, *, name: str = "path") -> str:
    """Return a path as text; makes nothing.

    Raises `ConfigError` when it can be no path of a store, `StorageError` when the system does not even let one look there.
    """
    text: object = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(text, str):
        raise ConfigError(f"{name}: expected a str or a path, found {type(path).__name__}; {use.value}")
    if text in NO_FILE:
        raise ConfigError(f"{name}: {text!r} names no file; {use.value}")
    if misspelt := _spelling_problem(text):
        raise ConfigError(f"{name}: {text!r} {misspelt}; {use.value}")
    try:
        os.lstat(text)
    except (FileNotFoundError, NotADirectoryError):
        pass  # whoever needs what is not there says so
    except OSError as problem:
        raise StorageError(f"{text}: {problem.strerror}") from problem
    return text


def _spelling_problem(text: str) -> str:
    if "\0" in text:
        return "holds a NUL character, which no file name can"
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return "can't be written in the file names of this system"
    return ""
