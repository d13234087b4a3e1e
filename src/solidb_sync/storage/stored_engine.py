"""Which engine a store was made with: seen from outside, before anything is opened."""

from __future__ import annotations

import os
from pathlib import Path

from solidb_sync.errors import StorageError
from solidb_sync.storage.refusals import refusal
from solidb_sync.storage.rocksdb.store_directory import has_label

ENGINES = ("sqlite", "rocksdb", "memory")


def stored_engine(path: str) -> str | None:
    """Return the engine of the store at a path, None when there is none yet; changes nothing.

    Raises `StorageError` when the system does not let one look.
    """
    place = Path(path)
    try:
        if place.is_dir():
            return "rocksdb" if has_label(path) else None
        return "sqlite" if place.exists() and os.path.getsize(path) > 0 else None
    except OSError as problem:
        raise refusal(problem, path, "cannot be looked into") from problem


def engine_for(path: str) -> str:
    """Return the engine to open a path with: the store's own, SQLite for a new one."""
    return stored_engine(path) or ENGINES[0]


def check_engine(path: str, engine: str) -> None:
    """Raise unless a store at a path, if there is one, was made with this engine: a store remembers its own."""
    found = stored_engine(path)
    if found is not None and found != engine:
        raise StorageError(
            f"{path}: this store was made with the engine {found!r}, not with {engine!r}; nothing was changed. "
            f"Open it with engine={found!r}, or convert it: solidb-sync convert"
        )
