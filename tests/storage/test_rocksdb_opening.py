"""A RocksDB store: made privately, refused unmodified when it is not ours to touch, and damage is never read past."""

import os
import shutil
import stat
import sys
from pathlib import Path

import pytest

from solidb_sync.errors import ConfigError, StorageCorruptError, StorageError
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.opening import stored_device_id
from solidb_sync.storage.rocksdb.salvage_reads import CUT_OFF
from solidb_sync.storage.salvage import salvage_store
from solidb_sync.storage.stored_engine import stored_engine


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def contents(directory: Path) -> dict[str, bytes]:
    """Return every file below a directory, but those that only coordinate processes."""
    files = [path for path in directory.rglob("*") if path.is_file() and path.name not in ("LOCK",)]
    return {str(path.relative_to(directory)): path.read_bytes() for path in files if path.suffix != ".lock"}


def refused(path: Path, device_id: str = "phone", engine: str = "rocksdb") -> StorageError:
    """Return the error of opening a store, having checked that no byte of any file has changed."""
    before = contents(path.parent)
    with pytest.raises(StorageError) as caught:
        LocalStore.open(path, device_id, engine=engine)
    assert contents(path.parent) == before
    return caught.value


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """Return the path of a closed store of the device `phone` with one document."""
    path = tmp_path / "store"
    with LocalStore.open(path, "phone", engine="rocksdb") as store:
        store.put_document("notes", "k", {"a": 1}, {"server": 1})
    return path


def test_the_directory_of_a_store_is_private_whatever_the_umask(tmp_path: Path) -> None:
    """0700 all the way up, the label and the lock 0600; what RocksDB keeps inside is behind the directory."""
    path = tmp_path / "one" / "two" / "store"
    before = os.umask(0)
    try:
        with LocalStore.open(path, "phone", engine="rocksdb") as store:
            store.put_document("notes", "k", {}, {})
            store.backup(tmp_path / "copy")
    finally:
        os.umask(before)
    assert [mode(place) for place in (path.parent.parent, path.parent, path, tmp_path / "copy")] == [0o700] * 4
    assert [mode(place) for place in (path / "solidb-store.json", Path(f"{path}.lock"))] == [0o600] * 2


def test_a_store_opens_again_with_all_it_held(store_path: Path) -> None:
    with LocalStore.open(store_path, "phone", engine="rocksdb") as store:
        number = store.add_pending_change("notes", "k", "update", {"a": 2}, {"server": 1})
        store.create_index("notes", "a")
    with LocalStore.open(str(store_path), "phone", engine="rocksdb") as store:
        assert store.get_document("notes", "k") == ({"a": 1}, {"server": 1})
        assert [change.id for change in store.get_pending_changes()] == [number]
        assert [index.field for index in store.list_indexes()] == ["a"]
    assert (stored_engine(str(store_path)), stored_device_id(str(store_path))) == ("rocksdb", "phone")


def test_the_store_of_another_device_is_refused_unmodified(store_path: Path) -> None:
    assert "'phone', not to 'laptop'" in str(refused(store_path, "laptop"))


def test_a_store_remembers_its_engine(tmp_path: Path, store_path: Path) -> None:
    """Opened with another one it is refused, unmodified, with the engine it has."""
    assert "made with the engine 'rocksdb', not with 'sqlite'" in str(refused(store_path, engine="sqlite"))
    LocalStore.open(tmp_path / "other", "phone").close()
    assert "made with the engine 'sqlite', not with 'rocksdb'" in str(refused(tmp_path / "other"))


def test_a_newer_format_is_refused_unmodified(store_path: Path) -> None:
    label = store_path / "solidb-store.json"
    label.write_text(label.read_text().replace('"format":1', '"format":3'))
    assert "format 3 by a newer version" in str(refused(store_path))


def test_a_directory_with_something_else_in_it_is_refused_unmodified(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"miaow")
    assert "something else in it" in str(refused(tmp_path / "photos"))


def test_an_empty_directory_and_a_creation_that_was_interrupted_become_stores(tmp_path: Path, store_path: Path) -> None:
    """The label comes first; whatever is missing behind it is made."""
    (tmp_path / "empty").mkdir()
    LocalStore.open(tmp_path / "empty", "phone", engine="rocksdb").close()
    shutil.rmtree(store_path / "rocksdb")
    with LocalStore.open(store_path, "phone", engine="rocksdb") as store:
        assert store.list_collections() == []


def test_a_damaged_label_is_damage(store_path: Path) -> None:
    (store_path / "solidb-store.json").write_text("{")
    assert isinstance(refused(store_path), StorageCorruptError)


def test_without_its_library_the_engine_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is made."""
    monkeypatch.setitem(sys.modules, "rocksdict", None)
    with pytest.raises(ConfigError, match=r"pip install 'solidb-sync\[rocksdb\]'"):
        LocalStore.open(tmp_path / "store", "phone", engine="rocksdb")
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_byte_in_a_table_is_found_and_never_read_past(tmp_path: Path) -> None:
    """RocksDB's checksums: `verify` names the damage, and a scan fails rather than ends early."""
    path = tmp_path / "store"
    with LocalStore.open(path, "phone", engine="rocksdb") as store:
        for number in range(400):
            store.put_document("notes", f"k{number:04}", {"text": os.urandom(300).hex()}, {})
        store.backup(tmp_path / "copy")
    tables = sorted((tmp_path / "copy" / "rocksdb").glob("*.sst"))
    assert tables, "a copy begins with everything in tables"
    body = bytearray(tables[-1].read_bytes())
    body[len(body) // 2] ^= 1
    tables[-1].write_bytes(body)
    with LocalStore.open(tmp_path / "copy", "phone", engine="rocksdb") as store:
        assert not store.verify().is_sound
        with pytest.raises(StorageCorruptError):
            store.list_documents("notes")
        with pytest.raises(StorageCorruptError):
            store.view(lambda reader: list(reader.all_rows("notes")))


def test_a_flipped_byte_in_the_middle_of_the_log_is_refused(tmp_path: Path) -> None:
    """What was acknowledged behind it would be lost without a word."""
    path = tmp_path / "store"
    store = LocalStore.open(path, "phone", engine="rocksdb")
    for number in range(50):
        store.put_document("notes", f"k{number:04}", {"text": "x" * 300}, {})
    shutil.copytree(path, tmp_path / "crashed")
    store.close()
    (log,) = (tmp_path / "crashed" / "rocksdb").glob("*.log")
    body = bytearray(log.read_bytes())
    body[len(body) // 2] ^= 1
    log.write_bytes(body)
    with pytest.raises(StorageCorruptError):
        LocalStore.open(tmp_path / "crashed", "phone", engine="rocksdb")


def test_a_log_cut_by_a_crash_opens_with_what_was_whole(tmp_path: Path) -> None:
    """At any byte: a batch that is not whole was never acknowledged, and all before it is there.

    The power was lost, and with it the note of how far the log was flushed, which would say otherwise.
    """
    path = tmp_path / "store"
    store = LocalStore.open(path, "phone", engine="rocksdb")
    for number in range(20):
        store.put_document("notes", f"k{number:02}", {"n": number}, {})
    shutil.copytree(path, tmp_path / "crashed")
    store.close()
    (log,) = (tmp_path / "crashed" / "rocksdb").glob("*.log")
    whole = log.read_bytes()
    seen: list[int] = []
    for length in range(len(whole) - 200, len(whole), 17):
        cut = tmp_path / f"cut{length}"
        shutil.copytree(tmp_path / "crashed", cut)
        (cut / "rocksdb" / log.name).write_bytes(whole[:length])
        (cut / "rocksdb" / "flushed").unlink()
        with LocalStore.open(cut, "phone", engine="rocksdb") as store:
            keys = [key for key, _, _ in store.list_documents("notes")]
            assert keys == [f"k{number:02}" for number in range(len(keys))]
            assert store.verify().is_sound
            seen.append(len(keys))
    assert seen == sorted(seen)
    assert 10 < seen[0] < seen[-1] <= 20


def crashed_store(tmp_path: Path, rows: int) -> tuple[Path, Path]:
    """Return what a killed program leaves, and its log."""
    path = tmp_path / "store"
    with LocalStore.open(path, "phone", engine="rocksdb") as store:
        for number in range(rows):
            store.put_document("notes", f"k{number:02}", {"n": number}, {})
        shutil.copytree(path, tmp_path / "crashed")
    assert not (path / "rocksdb" / "flushed").exists()
    (log,) = (tmp_path / "crashed" / "rocksdb").glob("*.log")
    return tmp_path / "crashed", log


@pytest.mark.parametrize("cut", [1, 10, 100, 1000])
def test_k1_a_log_that_a_killed_program_had_flushed_and_that_is_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    """By every way in, as often as it is tried; a salvage saves the rest and says so."""
    path, log = crashed_store(tmp_path, 20)
    os.truncate(log, log.stat().st_size - cut)
    before = log.read_bytes()
    for _ in range(2):
        assert isinstance(refused(path), StorageCorruptError)
        with pytest.raises(StorageCorruptError, match="the end of its log is missing"):
            LocalStore.open(path, "phone", engine="rocksdb", read_only=True)
    assert log.read_bytes() == before
    report = salvage_store(path, tmp_path / "rescued")
    assert CUT_OFF in report.lost
    with LocalStore.open(tmp_path / "rescued", "phone", engine="rocksdb") as store:
        keys = [key for key, _, _ in store.list_documents("notes")]
        assert keys == [f"k{number:02}" for number in range(len(keys))]
        assert 5 < len(keys) < 20


def test_k1_a_flipped_bit_at_the_end_of_a_killed_programs_log_gives_right_rows_or_a_typed_error(tmp_path: Path) -> None:
    """Where a longer length would make the last batches look cut off by a crash."""
    crashed, log = crashed_store(tmp_path, 10)
    whole = log.read_bytes()
    place = tmp_path / "flipped"
    for bit in range(len(whole) * 8 - 8 * 300, len(whole) * 8, 7):
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(crashed, place)
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        (place / "rocksdb" / log.name).write_bytes(damaged)
        try:
            with LocalStore.open(place, "phone", engine="rocksdb") as store:
                assert len(store.list_documents("notes")) == 10
        except StorageCorruptError:
            pass


@pytest.mark.parametrize("note", [b"", b"torn", bytes(32)])
def test_a_store_without_a_whole_note_opens_as_far_as_its_log_goes(tmp_path: Path, note: bytes) -> None:
    """The note is not flushed: a power loss may take it."""
    path, _ = crashed_store(tmp_path, 5)
    (path / "rocksdb" / "flushed").write_bytes(note)
    with LocalStore.open(path, "phone", engine="rocksdb") as store:
        assert len(store.list_documents("notes")) == 5
