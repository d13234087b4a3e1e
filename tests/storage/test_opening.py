"""Opening: what is missing is made, privately; what is not ours to touch is refused and left as it is."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from solidb_sync.errors import ConfigError, EncryptionError, StorageCorruptError, StorageError
from solidb_sync.storage.local_store import LocalStore
from store_sql import sql_in


def mode(path: Path) -> int:
    """Return the permission bits of a path."""
    return stat.S_IMODE(path.stat().st_mode)


def contents(directory: Path) -> dict[str, bytes]:
    """Return every file of a directory that holds a byte, but those that only coordinate processes."""
    held = {path.name: path.read_bytes() for path in directory.iterdir() if not path.name.endswith((".lock", "-shm"))}
    return {name: body for name, body in held.items() if body}


def refused(path: Path, device_id: str = "phone") -> StorageError:
    """Return the error of opening a store, having checked that no byte of any file has changed."""
    before = contents(path.parent)
    with pytest.raises(StorageError) as caught:
        LocalStore.open(path, device_id)
    assert contents(path.parent) == before
    return caught.value


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """Return the path of a closed store of the device `phone` with one document."""
    path = tmp_path / "store.db"
    with LocalStore.open(path, "phone") as store:
        store.put_document("notes", "k", {"a": 1}, {"server": 1})
    return path


def test_files_are_private_and_so_are_the_directories_made_for_them(tmp_path: Path) -> None:
    """Whatever the umask is: 0600, also of what SQLite and the lock put beside, and 0700 all the way up."""
    path = tmp_path / "one" / "two" / "three" / "store.db"
    before = os.umask(0)
    try:
        with LocalStore.open(path, "phone") as store:
            store.put_document("notes", "k", {}, {})
            assert {file.name: mode(file) for file in path.parent.iterdir()} == dict.fromkeys(
                ("store.db", "store.db-flushed", "store.db-wal", "store.db-shm", "store.db.lock"), 0o600
            )
            store.backup(tmp_path / "four" / "copy.db")
    finally:
        os.umask(before)
    made = [path.parent, path.parent.parent, path.parent.parent.parent, tmp_path / "four"]
    assert [mode(directory) for directory in made] == [0o700] * 4
    assert mode(tmp_path / "four" / "copy.db") == 0o600


def test_a_store_opens_again_with_all_it_held(store_path: Path) -> None:
    """Documents, changes and subscriptions, under the same ids."""
    with LocalStore.open(store_path, "phone") as store:
        number = store.add_pending_change("notes", "k", "update", {"a": 2}, {"server": 1})
        store.add_subscription("notes", "doc.a > @x", {"x": 0})
        change = store.get_pending_changes()
    with LocalStore.open(str(store_path), "phone") as store:
        assert store.get_document("notes", "k") == ({"a": 1}, {"server": 1})
        assert store.get_pending_changes() == change
        assert store.add_pending_change("notes", "k", "delete", None, {}) > number
        assert [found.bind_vars for found in store.list_subscriptions()] == [{"x": 0}]


def test_the_store_of_another_device_is_refused_unmodified(store_path: Path) -> None:
    """Both are named, and what to do."""
    problem = refused(store_path, "laptop")
    assert "'phone', not to 'laptop'" in str(problem)


def test_a_store_that_was_not_closed_is_refused_to_another_device_unmodified(tmp_path: Path, store_path: Path) -> None:
    """What waits in the write-ahead log is not folded in on the way."""
    with LocalStore.open(store_path, "phone") as store:
        store.put_document("notes", "k", {"a": 2}, {"server": 2})
        crashed = tmp_path / "crashed"
        crashed.mkdir()
        for name in ("store.db", "store.db-wal"):
            (crashed / name).write_bytes((tmp_path / name).read_bytes())
    path = crashed / "store.db"
    assert len(contents(crashed)) == 2
    assert "belongs to the device 'phone'" in str(refused(path, "laptop"))
    with LocalStore.open(path, "phone") as store:
        assert store.get_document("notes", "k") == ({"a": 2}, {"server": 2})


def test_a_newer_format_is_refused_unmodified(store_path: Path) -> None:
    """A downgrade says which format it found."""
    with sql_in(store_path) as connection:
        ((newest,),) = connection.execute("PRAGMA user_version").fetchall()
        connection.execute(f"PRAGMA user_version = {newest + 1}").fetchall()
    problem = refused(store_path)
    assert f"format {newest + 1} by a newer version" in str(problem)


@pytest.mark.parametrize("body", [b"x", b"not a database of ours, but somebody's notes\n" * 100, bytes(4096)])
def test_a_file_that_is_not_sqlite_is_refused_unmodified(tmp_path: Path, body: bytes) -> None:
    """However short."""
    path = tmp_path / "notes.txt"
    path.write_bytes(body)
    assert isinstance(refused(path), StorageCorruptError)


@pytest.mark.parametrize("user_version", [0, 1])
def test_the_sqlite_file_of_another_program_is_refused_unmodified(tmp_path: Path, user_version: int) -> None:
    """It has tables, and they are not ours."""
    path = tmp_path / "photos.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE photos (name TEXT)")
        connection.execute(f"PRAGMA user_version = {user_version}")
    assert str(path) in str(refused(path))


def test_a_truncated_store_is_refused(store_path: Path) -> None:
    """With a typed error, whether or not it can tell which page is missing."""
    store_path.write_bytes(store_path.read_bytes()[:5000])
    with pytest.raises(StorageError):
        LocalStore.open(store_path, "phone").close()


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    """It is what is left of an opening that was interrupted."""
    path = tmp_path / "store.db"
    path.touch()
    with LocalStore.open(path, "phone") as store:
        assert store.device_id == "phone"


@pytest.mark.parametrize("name", ["file/store.db", "file/deeper/store.db", "."])
def test_a_path_that_cannot_be_is_an_error_with_the_path_in_it(tmp_path: Path, name: str) -> None:
    """A directory under a file, and a file where a directory is."""
    (tmp_path / "file").write_text("a file")
    path = str(tmp_path / name)
    with pytest.raises(StorageError) as caught:
        LocalStore.open(path, "phone")
    assert path in str(caught.value)
    assert (tmp_path / "file").read_text() == "a file"


def test_the_default_place_is_a_directory_of_the_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under `SOLIDB_HOME`, or `.solidb` in the home directory."""
    monkeypatch.setenv("SOLIDB_HOME", str(tmp_path / "elsewhere"))
    with LocalStore.open_default("myapp", "device-123", durability="normal") as store:
        assert Path(store.path).parent == tmp_path / "elsewhere" / "myapp"
    monkeypatch.delenv("SOLIDB_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    with LocalStore.open_default("myapp", "device-123") as store:
        assert Path(store.path).parent == tmp_path / ".solidb" / "myapp"
    assert mode(tmp_path / ".solidb") == 0o700


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../up", "/abs", "a\\b", "a\0b", "_x", ".hidden", "a b", "x" * 200])
def test_an_app_name_that_is_no_safe_directory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Before anything is made."""
    monkeypatch.setenv("SOLIDB_HOME", str(tmp_path / "home"))
    with pytest.raises(ConfigError, match="app_name"):
        LocalStore.open_default(name, "device-123")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("device_id", ["", "server", "a~1", "a b", "a/b", "x" * 129])
def test_a_bad_device_id_is_refused(tmp_path: Path, device_id: str) -> None:
    """Before anything is made."""
    with pytest.raises(ConfigError, match="device_id"):
        LocalStore.open(tmp_path / "store.db", device_id)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [{"engine": "files"}, {"durability": "maybe"}])
def test_an_unknown_option_is_refused_with_those_that_are_known(tmp_path: Path, arguments: dict[str, str]) -> None:
    """Before anything is made."""
    with pytest.raises(ConfigError, match="is not one of"):
        LocalStore.open(tmp_path / "store.db", "phone", **arguments)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_never_ignored(tmp_path: Path) -> None:
    """Whoever asks for encryption where there is none is told so, and nothing is made."""
    with pytest.raises(EncryptionError, match="a store in memory keeps nothing"):
        LocalStore.open(tmp_path / "store.db", "phone", engine="memory", encryption_key="secret")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("engine", ["sqlite", "rocksdb"])
@pytest.mark.parametrize("path", ["", ":memory:"])
def test_a_path_that_names_no_file_is_refused_and_nothing_is_made(
    path: str, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite would keep such a store in memory; its lock would be a file in the working directory."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="names no file; a store that keeps nothing is engine='memory'"):
        LocalStore.open(path, "phone", engine=engine)
    assert list(tmp_path.iterdir()) == []
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        store.put_document("notes", "one", {"v": 1}, {})
        assert store.get_document("notes", "one") is not None
    assert list(tmp_path.iterdir()) == []
