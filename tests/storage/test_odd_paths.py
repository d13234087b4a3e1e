"""What can be no path of a store is refused by every way in, with what would be right, and nothing is made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from solidb_sync.errors import ConfigError, StorageError
from solidb_sync.storage.convert_store import convert_store
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.salvage import salvage_store

Way = Callable[[LocalStore, Any], object]

WAYS_IN: dict[str, tuple[Way, str]] = {
    "open": (lambda store, path: LocalStore.open(path, "phone"), "engine='memory'"),
    "open rocksdb": (lambda store, path: LocalStore.open(path, "phone", engine="rocksdb"), "engine='memory'"),
    "open for reading": (lambda store, path: LocalStore.open_for_reading(path, "phone"), "a store that is there"),
    "open read_only": (lambda store, path: LocalStore.open(path, "phone", read_only=True), "engine='memory'"),
    "back up": (lambda store, path: store.backup(path), "a new file"),
    "convert from": (lambda store, path: convert_store(path, "new.db", "sqlite"), "a store that is there"),
    "convert to": (lambda store, path: convert_store("other.db", path, "rocksdb"), "a new file"),
    "salvage from": (lambda store, path: salvage_store(path, "new.db"), "a store that is there"),
    "salvage to": (lambda store, path: salvage_store("other.db", path), "a new file"),
}

NO_PATHS: dict[str, tuple[Any, str]] = {
    "nothing": ("", "names no file"),
    "memory": (":memory:", "names no file"),
    "a NUL": ("a\0b", "NUL character"),
    "a lone surrogate": ("\ud800", "can't be written in the file names"),
    "bytes": (b"store.db", "expected a str or a path, found bytes"),
    "None": (None, "expected a str or a path, found NoneType"),
    "a number": (3, "expected a str or a path, found int"),
}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A store in use, and beside it another that is not, in the working directory."""
    monkeypatch.chdir(tmp_path)
    with LocalStore.open("store.db", "phone") as opened:
        opened.backup("other.db")
        yield opened


@pytest.mark.parametrize("way", WAYS_IN)
@pytest.mark.parametrize("odd", NO_PATHS)
def test_what_is_no_path_is_a_config_error_that_says_what_would_be_right(store: LocalStore, way: str, odd: str) -> None:
    """And a backup is never written to where nobody finds it."""
    call, right = WAYS_IN[way]
    path, problem = NO_PATHS[odd]
    before = sorted(Path().iterdir())
    with pytest.raises(ConfigError) as raised:
        call(store, path)
    assert problem in str(raised.value)
    assert right in str(raised.value)
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("way", WAYS_IN)
@pytest.mark.parametrize(
    ("path", "problem"), [("x" * 300, "File name too long"), ("store.db/below", "Not a directory|no store")]
)
def test_a_path_the_system_refuses_is_a_storage_error_with_its_reason(
    store: LocalStore, way: str, path: str, problem: str
) -> None:
    """It never escapes as an error of the system. A store to convert was locked by then, and the lock's file stays."""
    before = {*Path().iterdir(), Path("other.db.lock")}
    with pytest.raises(StorageError, match=problem):
        WAYS_IN[way][0](store, path)
    assert {*Path().iterdir(), Path("other.db.lock")} == before


def test_a_name_that_other_programs_take_for_an_address_is_a_file_like_any_other(store: LocalStore) -> None:
    """`file:…?mode=memory` is an address to SQLite only where that is asked for; here it is a name."""
    store.put_document("notes", "one", {"v": 1}, {})
    store.backup("file:copy.db?mode=memory")
    with LocalStore.open_for_reading("file:copy.db?mode=memory", "phone") as copy:
        assert copy.get_document("notes", "one") is not None
