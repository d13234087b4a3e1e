"""What an encrypted RocksDB store promises on a real disk: as one of SQLite, its entries sealed one by one."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from encrypting_process import KEYS, SECRET
from solidb_sync import LocalStore, salvage_store
from solidb_sync.errors import EncryptionError, StorageCorruptError, StorageError
from solidb_sync.storage.convert_store import convert_store
from solidb_sync.storage.opening import stored_device_id
from solidb_sync.storage.rocksdb.salvage_reads import REPAIRED

CHILD = Path(__file__).parents[1] / "encrypting_process.py"
DEVICE = "the-device-of-nobody"
WORDS = (SECRET, "field-of-secrets", "secrets", DEVICE)
KEY, OTHER = KEYS
ROWS = 60
CHANGED_ROWS = 25
CHANGED_FROM = {"enable": None, "rotate": b"1" * 32, "renew": b"1" * 32, "disable": b"1" * 32}
NOT_OURS = ("LOG", "LOCK")
"""What RocksDB writes for itself as it is opened."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the store will be."""
    return tmp_path / "one" / "store"


def opened(path: Path, key: str | bytes | None, device_id: str = DEVICE) -> LocalStore:
    return LocalStore.open(path, device_id, engine="rocksdb", encryption_key=key, durability="normal")


def fill(store: LocalStore) -> None:
    for number in range(ROWS):
        store.put_document("secrets", f"{SECRET}-{number}", {"field-of-secrets": SECRET * 20, "n": number}, {})
    store.add_pending_change("secrets", f"{SECRET}-0", "update", {"field-of-secrets": SECRET}, {})
    store.create_index("secrets", "`field-of-secrets`")


def is_whole(store: LocalStore) -> bool:
    return store.verify().is_sound and len(store.list_documents("secrets")) == ROWS


def words_found(directory: Path) -> set[str]:
    """Return the secret words that some file below a directory holds, or is called."""
    contents = [file.read_bytes() for file in directory.rglob("*") if file.is_file()]
    names = [str(file.relative_to(directory)).encode() for file in directory.rglob("*")]
    return {word for word in WORDS if any(word.encode() in content for content in [*contents, *names])}


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(directory)): file.read_bytes()
        for file in directory.rglob("*")
        if file.is_file() and file.suffix != ".lock"
    }


def refused(path: Path, key: str | bytes | None) -> type[BaseException]:
    """Return the error of opening a store with a key, having checked that no byte has changed."""
    before = contents(path.parent)
    with pytest.raises(StorageError) as caught:
        opened(path, key)
    assert contents(path.parent) == before
    return caught.type


def data_names(path: Path) -> list[str]:
    return sorted(found.name for found in path.iterdir() if found.name.startswith("rocksdb"))


def test_k1_k2_no_file_of_a_store_in_use_or_closed_holds_a_value_a_name_or_a_key(path: Path) -> None:
    """The same words are all there in a plain store."""
    with opened(path, KEY) as store:
        fill(store)
        assert store.is_encrypted
        assert words_found(path.parent) == set()
        store.backup(path.parent / "copy")
    assert words_found(path.parent) == set()
    with opened(path, KEY) as store:
        assert is_whole(store)
        store.disable_encryption()
        assert is_whole(store)
    assert words_found(path.parent) == set(WORDS)
    with opened(path.parent / "copy", KEY) as copy:
        assert is_whole(copy)
        assert [index.field for index in copy.list_indexes()] == ["`field-of-secrets`"]
    assert refused(path.parent / "copy", OTHER) == EncryptionError


def test_k1_a_process_killed_while_it_saves_and_encrypts_anew_leaves_nothing_to_read_and_loses_nothing(path: Path) -> None:
    """`kill -9` at any moment of several lives; every acknowledged document is there, under exactly one key."""
    rng = random.Random(1)
    acknowledged: set[str] = set()
    key = 0
    for _ in range(6):
        command = [sys.executable, str(CHILD), str(path), str(key), "rocksdb"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(rng.randrange(15, 60))]
            child.kill()
            lines += child.stdout.readlines()
        acknowledged |= {line.strip() for line in lines if line.endswith("\n")}
        assert words_found(path.parent) == set()
        keys = []
        for number, candidate in enumerate(KEYS):
            try:
                with opened(path, candidate, "phone") as store:
                    assert acknowledged <= {found for found, _, _ in store.list_documents("secrets")}
                    assert store.verify().is_sound
                keys.append(number)
            except EncryptionError:
                pass
        (key,) = keys
        assert len(data_names(path)) == 1
    assert len(acknowledged) > 75


def test_k3_k4_k5_a_store_in_use_is_encrypted_rotated_and_made_plain(path: Path) -> None:
    """Its readers go on, progress is told, and each time only the newest key opens it."""
    told: list[tuple[int, int]] = []
    with opened(path, None) as store:
        fill(store)
        store.enable_encryption(KEY, progress=lambda done, entries: told.append((done, entries)))
        assert is_whole(store)
        assert words_found(path.parent) == set()
        store.put_document("secrets", f"{SECRET}-0", {"n": -1}, {})
    assert (told[0][0], told[-1][0]) == (0, told[-1][1])
    assert refused(path, None) == refused(path, OTHER) == EncryptionError
    for reencrypt in (False, True):
        before, after = (KEY, OTHER) if not reencrypt else (OTHER, KEY)
        label = (path / "solidb-store.json").read_bytes()
        with opened(path, before) as store:
            store.rotate_encryption_key(after, reencrypt=reencrypt)
            store.put_document("secrets", f"{SECRET}-0", {"n": 0}, {})
            assert is_whole(store)
        assert refused(path, before) == EncryptionError
        assert label not in contents(path).values()
    with opened(path, KEY) as store:
        store.disable_encryption()
        assert not store.is_encrypted
        assert data_names(path) == ["rocksdb"]
    with opened(path, None) as store:
        assert is_whole(store)
        store.enable_encryption(OTHER)
        store.rotate_encryption_key(KEY, reencrypt=True)
        assert is_whole(store)
    with opened(path, KEY) as store:
        assert is_whole(store)


def test_k6_a_wrong_or_missing_key_is_an_error_and_the_files_stay(path: Path) -> None:
    """A key for a store that has none, too; and whose store it is can't be seen without one."""
    with opened(path, "right") as store:
        store.put_document("notes", "k", {}, {})
    for key in (None, "wrong", "right ", KEY):
        assert refused(path, key) == EncryptionError
    with pytest.raises(EncryptionError):
        stored_device_id(str(path))
    assert stored_device_id(str(path), "right") == DEVICE
    with pytest.raises(EncryptionError):
        LocalStore.open_for_reading(path, DEVICE, encryption_key="wrong")
    with pytest.raises(StorageError, match="belongs to the device"):
        opened(path, "right", "another")
    plain = path.parent / "plain"
    opened(plain, None).close()
    assert refused(plain, "right") == EncryptionError


def test_k8_encryption_is_enabled_once_and_only_an_encrypted_store_gets_another_key(path: Path) -> None:
    store = opened(path, None)
    with pytest.raises(EncryptionError, match="not encrypted"):
        store.disable_encryption()
    with pytest.raises(EncryptionError, match="not encrypted"):
        store.rotate_encryption_key(KEY)
    store.enable_encryption(KEY)
    with pytest.raises(EncryptionError, match="encrypted already"):
        store.enable_encryption(OTHER)
    store.close()


def test_an_encrypted_store_is_never_converted_into_a_readable_one(path: Path) -> None:
    """It would come out plain."""
    opened(path, KEY).close()
    with pytest.raises(EncryptionError):
        convert_store(path, path.parent / "other", "sqlite")


def test_another_process_reads_an_encrypted_store_while_it_is_written(path: Path) -> None:
    """What is committed is seen; after a change of the encryption it is told to open the store again."""
    with LocalStore.open(path, "phone", engine="rocksdb", encryption_key=KEY) as store:
        fill(store)
        command = [sys.executable, str(CHILD), str(path), "read"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"{ROWS}\n"
        with LocalStore.open_for_reading(path, "phone", encryption_key=KEY) as reading:
            assert reading.is_encrypted
            store.put_document("secrets", "more", {}, {})
            assert len(reading.list_documents("secrets")) == ROWS + 1
            store.rotate_encryption_key(OTHER)
            store.put_document("secrets", "more still", {}, {})
            assert len(reading.list_documents("secrets")) == ROWS + 2
            store.rotate_encryption_key(KEY, reencrypt=True)
            with pytest.raises(StorageError, match="its encryption was changed meanwhile; open it again"):
                reading.list_documents("secrets")
        with LocalStore.open_for_reading(path, "phone", encryption_key=KEY) as reading:
            assert len(reading.list_documents("secrets")) == ROWS + 2


# damage


def test_k1_a_flipped_bit_gives_right_rows_or_a_typed_error_and_never_a_wrong_row(path: Path) -> None:
    """300 bits anywhere in the files, one at a time, of a closed store and of one whose program was killed."""
    with opened(path, KEY) as store:
        fill(store)
        right = store.list_documents("secrets")
        shutil.copytree(path, path.parent / "killed")
    rng = random.Random(7)
    errors = 0
    for attempt in range(300):
        place = path.parent / "flipped"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(path if attempt % 2 else path.parent / "killed", place)
        files = [file for file in place.rglob("*") if file.is_file() and file.stat().st_size and file.stem not in NOT_OURS]
        file = rng.choice(sorted(files))
        damaged = bytearray(file.read_bytes())
        bit = rng.randrange(len(damaged) * 8)
        damaged[bit // 8] ^= 1 << bit % 8
        file.write_bytes(damaged)
        try:
            with opened(place, KEY) as store:
                found = store.list_documents("secrets")
                looked_up = [store.get_document("secrets", at) for at, _, _ in right]
        except StorageError:
            errors += 1
        else:
            assert found == right, file
            assert looked_up == [(document, vector) for _, document, vector in right]
    assert 50 < errors < 300


@pytest.mark.parametrize("lost", ["solidb-store.json", "solidb-store-copy.json"])
@pytest.mark.parametrize("damage", [None, b"", b"{", b'{"engine":"rocksdb","format":1,"device_id":"the-device-of-nobody"}'])
def test_one_copy_of_the_label_is_enough_and_the_other_is_made_again(path: Path, lost: str, damage: bytes | None) -> None:
    """Unless the label says by itself that this is a plain store: then the data that it names is missing, and stays."""
    with opened(path, KEY) as store:
        fill(store)
    whole = (path / lost).read_bytes()
    if damage is None:
        (path / lost).unlink()
    else:
        (path / lost).write_bytes(damage)
    if damage and b"engine" in damage and lost == "solidb-store.json":
        before = contents(path)
        with pytest.raises(StorageError):
            opened(path, None)
        with pytest.raises(StorageError):
            opened(path, KEY)
        assert {name: found for name, found in contents(path).items() if "rocksdb-" in name} == {
            name: found for name, found in before.items() if "rocksdb-" in name
        }
        return
    with opened(path, KEY) as store:
        assert is_whole(store)
    assert (path / lost).read_bytes() == whole


def test_without_both_copies_of_the_label_nothing_can_be_read_and_the_error_says_so(path: Path) -> None:
    with opened(path, KEY) as store:
        fill(store)
    for name in ("solidb-store.json", "solidb-store-copy.json"):
        content = bytearray((path / name).read_bytes())
        content[len(content) // 2] ^= 1
        (path / name).write_bytes(content)
    assert refused(path, KEY) == StorageCorruptError
    with pytest.raises(StorageCorruptError, match="damaged"):
        salvage_store(path, path.parent / "rescued", encryption_key=KEY)


def test_what_a_cut_off_change_left_is_removed_and_what_the_label_says_stays(path: Path) -> None:
    """The directory of a change that never was finished, and an old copy of the label."""
    with opened(path, KEY) as store:
        fill(store)
        old_copy = (path / "solidb-store-copy.json").read_bytes()
        store.rotate_encryption_key(OTHER)
    (path / "solidb-store-copy.json").write_bytes(old_copy)
    (path / "rocksdb-9").mkdir()
    (path / "rocksdb-9" / "000009.sst").write_bytes(SECRET.encode())
    (path / "rocksdb-notes").mkdir()
    with opened(path, OTHER) as store:
        assert is_whole(store)
    assert old_copy not in contents(path).values()
    assert data_names(path) == ["rocksdb-2", "rocksdb-notes"]


def breaks(done: int, entries: int) -> None:
    if done > entries // 2:
        raise RuntimeError("the progress bar broke")


CHANGES: dict[str, tuple[bytes | None, Callable[[LocalStore], None]]] = {
    "enable": (None, lambda store: store.enable_encryption(OTHER, progress=breaks)),
    "renew": (KEY, lambda store: store.rotate_encryption_key(OTHER, reencrypt=True, progress=breaks)),
    "disable": (KEY, lambda store: store.disable_encryption(progress=breaks)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_fails_leaves_the_store_as_it_was_and_in_use(path: Path, change: str) -> None:
    """Nothing of the new one stays."""
    key, act = CHANGES[change]
    with opened(path, key) as store:
        fill(store)
        names = data_names(path)
        with pytest.raises(RuntimeError, match="the progress bar broke"):
            act(store)
        assert data_names(path) == names
        assert is_whole(store)
        store.put_document("secrets", f"{SECRET}-0", {"n": 0}, {})
    with opened(path, key) as store:
        assert is_whole(store)


def test_a_damaged_store_is_salvaged_under_its_key(path: Path) -> None:
    """Damage to a table costs the entries of a block, and what is saved is encrypted again."""
    with opened(path, KEY) as store:
        for number in range(2000):
            store.put_document("secrets", f"{SECRET}-{number}", {"n": number, "x": os.urandom(100).hex()}, {})
        store.backup(path.parent / "copy")  # which has everything in tables
    (table, *_) = sorted((path.parent / "copy" / "rocksdb-2").glob("*.sst"), key=lambda file: -file.stat().st_size)
    damaged = bytearray(table.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    table.write_bytes(damaged)
    report = salvage_store(path.parent / "copy", path.parent / "rescued", encryption_key=KEY)
    assert report.lost
    assert REPAIRED not in report.lost
    assert 1500 < report.documents < 2000
    assert words_found(path.parent) == set()
    with opened(path.parent / "rescued", KEY) as store:
        found = {key: document["n"] for key, document, _ in store.list_documents("secrets")}
        assert all(key == f"{SECRET}-{number}" for key, number in found.items())
    with pytest.raises(EncryptionError):
        salvage_store(path, path.parent / "again", encryption_key=OTHER)


@pytest.mark.parametrize(("change", "fewest"), [("enable", 12), ("rotate", 6), ("renew", 12), ("disable", 10)])
def test_k3_k4_k5_a_kill_at_any_file_operation_of_a_change_leaves_one_key_and_every_row(
    path: Path, change: str, fewest: int
) -> None:
    """And nothing of what it was before, once it is opened again."""
    key = CHANGED_FROM[change]
    with LocalStore.open(path, "phone", engine="rocksdb", encryption_key=key) as store:
        for number in range(CHANGED_ROWS):
            store.put_document("secrets", f"{SECRET}-{number}", {"text": SECRET * 10}, {})
    command = [sys.executable, str(Path(__file__).with_name("child_that_changes_keys.py")), str(path), change]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > fewest
