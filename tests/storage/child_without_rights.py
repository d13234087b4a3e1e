"""Run as a process of its own: a user without rights asks for a store in several ways; prints what each came to.

The superuser may do everything, so a child of that one becomes another user first, after everything is imported.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress

from solidb_sync.errors import SoliDBError
from solidb_sync.storage import convert_store, salvage
from solidb_sync.storage.local_store import LocalStore

NOBODY = 65_534


def _open(path: str, engine: str) -> None:
    LocalStore.open(path, "phone", engine=engine).close()


def _read(path: str, engine: str) -> None:
    LocalStore.open_for_reading(path, "phone").close()


def _convert(path: str, engine: str) -> None:
    convert_store.convert_store(path, path + ".new", {"sqlite": "rocksdb", "rocksdb": "sqlite"}[engine])


def _salvage(path: str, engine: str) -> None:
    salvage.salvage_store(path, path + ".salvaged")


def _back_up(path: str, engine: str) -> None:
    with LocalStore.open("", "phone", engine="memory") as store:
        store.backup(path)


WAYS: dict[str, Callable[[str, str], None]] = {
    "open": _open,
    "read": _read,
    "convert": _convert,
    "salvage": _salvage,
    "backup": _back_up,
}


def _import_everything(engine: str) -> None:
    """Go every way once: what is imported late can't be read any more later on."""
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/store"
        for way in ("open", "read", "convert"):
            WAYS[way](path, engine)
        WAYS["salvage"](path + (".new" if engine == "rocksdb" else ""), engine)
        WAYS["backup"](path + ".copy", engine)
        with suppress(SoliDBError):
            WAYS["open"](f"{path}.copy/below", engine)


def main(engine: str, requests: list[list[str]]) -> None:
    """Try each (way, path), and print `[type, message]` of each."""
    if os.geteuid() == 0:
        _import_everything(engine)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    told = []
    for way, path in requests:
        try:
            WAYS[way](path, engine)
        except (SoliDBError, OSError) as problem:
            told.append([type(problem).__name__, str(problem)])
        else:
            told.append(["", ""])
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
