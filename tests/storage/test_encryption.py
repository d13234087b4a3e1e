"""What an encrypted store promises on a real disk: nothing can be read without the key, and everything works with it."""

from __future__ import annotations

import os
import queue
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from encrypting_process import KEYS, SECRET
from solidb_sync.client.config import SyncConfig
from solidb_sync.client.sync_manager import SyncManager
from solidb_sync.client.transport.http_transport import HttpClient
from solidb_sync.errors import ConfigError, EncryptionError, StorageError, StoreLockedError
from solidb_sync.storage.keys.key_wrapping import Derivation
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.opening import new_replica
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.storage.sqlite.sqlite_engine import SqliteEngine

CHILD = Path(__file__).parents[1] / "encrypting_process.py"
WORDS = (SECRET, "field-of-secrets", "secrets")
KEY, OTHER = KEYS
ROWS = 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the store will be."""
    return tmp_path / "store.db"


def fill(store: LocalStore) -> None:
    for number in range(ROWS):
        store.put_document("secrets", f"{SECRET}-{number}", {"field-of-secrets": SECRET * 20, "n": number}, {})
    store.add_pending_change("secrets", f"{SECRET}-0", "update", {"field-of-secrets": SECRET}, {})
    store.create_index("secrets", "`field-of-secrets`")


def is_whole(store: LocalStore) -> bool:
    return store.verify().is_sound and len(store.list_documents("secrets")) == ROWS


def words_found(directory: Path) -> set[str]:
    """Return the secret words that some file of a directory holds."""
    contents = [file.read_bytes() for file in directory.iterdir() if file.is_file()]
    return {word for word in WORDS if any(word.encode() in content for content in contents)}


def contents(directory: Path) -> dict[str, bytes]:
    return {
        file.name: file.read_bytes()
        for file in directory.iterdir()
        if file.stat().st_size and not file.name.endswith((".lock", "-shm"))
    }


def test_k1_k2_no_file_of_a_store_in_use_or_closed_holds_a_value_a_name_or_a_key(path: Path) -> None:
    """The same words are all there in a plain store."""
    with LocalStore.open(path, "phone", encryption_key=KEY) as store:
        fill(store)
        assert store.is_encrypted
        assert words_found(path.parent) == set()
        store.backup(path.parent / "copy.db")
    assert words_found(path.parent) == set()
    with LocalStore.open(path, "phone", encryption_key=KEY) as store:
        assert is_whole(store)
        store.disable_encryption()
        assert is_whole(store)
    assert words_found(path.parent) == set(WORDS)


def test_k1_a_process_killed_while_it_saves_and_encrypts_anew_leaves_nothing_to_read_and_loses_nothing(path: Path) -> None:
    """`kill -9` at any moment of several lives; every acknowledged document is there, under exactly one key."""
    rng = random.Random(1)
    acknowledged: set[str] = set()
    key = 0
    for _ in range(5):
        command = [sys.executable, str(CHILD), str(path), str(key)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(rng.randrange(15, 60))]
            child.kill()
            lines += child.stdout.readlines()
        acknowledged |= {line.strip() for line in lines if line.endswith("\n")}
        assert words_found(path.parent) == set()
        opened = []
        for number, candidate in enumerate(KEYS):
            try:
                with LocalStore.open(path, "phone", encryption_key=candidate) as store:
                    assert acknowledged <= {found for found, _, _ in store.list_documents("secrets")}
                    assert store.verify().is_sound
                opened.append(number)
            except EncryptionError:
                pass
        (key,) = opened
    assert len(acknowledged) > 75


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "encrypted"])
def test_k1_a_flipped_bit_gives_right_rows_or_a_typed_error_and_never_a_wrong_row(path: Path, key: bytes | None) -> None:
    """300 bits anywhere in the file, one at a time."""
    with LocalStore.open(path, "phone", encryption_key=key, durability="normal") as store:
        fill(store)
        right = store.list_documents("secrets")
    whole = path.read_bytes()
    rng = random.Random(7)
    errors = 0
    for _ in range(300):
        damaged = bytearray(whole)
        place = rng.randrange(len(whole) * 8)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            with LocalStore.open(path, "phone", encryption_key=key, durability="normal") as store:
                found = store.list_documents("secrets")
                looked_up = [store.get_document("secrets", at) for at, _, _ in right]
        except StorageError:
            errors += 1
        else:
            assert found == right
            assert looked_up == [(document, vector) for _, document, vector in right]
    assert 50 < errors <= 300


def test_k1_a_page_in_anothers_place_or_of_another_store_is_an_error(path: Path) -> None:
    """The page's number and the store are proved with it."""
    for name in ("store.db", "other.db"):
        with LocalStore.open(path.parent / name, "phone", encryption_key=KEY, durability="normal") as store:
            fill(store)
    whole, other = path.read_bytes(), (path.parent / "other.db").read_bytes()
    blocks = len(whole) // 8192
    assert blocks > 4
    swapped = bytearray(whole)
    swapped[8192 * 3 : 8192 * 4], swapped[8192 * 4 : 8192 * 5] = whole[8192 * 4 : 8192 * 5], whole[8192 * 3 : 8192 * 4]
    foreign = bytearray(whole)
    foreign[8192 * 3 : 8192 * 4] = other[8192 * 3 : 8192 * 4]
    for damaged in (swapped, foreign):
        path.write_bytes(damaged)
        with pytest.raises(StorageError):
            read_all(path)


def test_k3_a_change_of_the_key_that_failed_leaves_no_later_call_waiting(path: Path) -> None:
    """Whatever broke it, every save after it is told at once, in each of several threads; opened again, all is there."""

    def breaks(done: int, total: int) -> None:
        raise RuntimeError("the progress bar broke")

    store = LocalStore.open(path, "phone", durability="normal")
    fill(store)
    with pytest.raises(RuntimeError, match="the progress bar broke"):
        store.enable_encryption(KEY, progress=breaks)
    told: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def save() -> None:
        try:
            store.put_document("secrets", "late", {}, {})
        except BaseException as problem:  # noqa: BLE001 - the test looks at it
            told.put(problem)
        else:
            told.put(None)

    for _ in range(3):
        threading.Thread(target=save, daemon=True).start()
        assert isinstance(told.get(timeout=10), StorageError)
    for use in (lambda: store.get_document("secrets", SECRET), lambda: store.list_documents("secrets"), store.verify):
        with pytest.raises(StorageError, match=r"its encryption failed \(the progress bar broke\); close"):
            use()
    store.close()
    try:
        opened = LocalStore.open(path, "phone")
    except EncryptionError:
        opened = LocalStore.open(path, "phone", encryption_key=KEY)
    with opened:
        assert is_whole(opened)


def read_all(path: Path) -> None:
    with LocalStore.open(path, "phone", encryption_key=KEY) as store:
        store.list_documents("secrets")
        if not store.verify().is_sound:
            raise StorageError("verify found it")


def test_k3_an_old_store_without_seals_is_encrypted_and_nothing_readable_is_left(path: Path) -> None:
    """It opens as ever before; what a conversion that was cut off has left does no harm."""
    old_store(path)
    assert path.read_bytes().startswith(b"SQLite format 3\0")
    (path.parent / "store.db-sealing").write_bytes(SECRET.encode() * 1000)
    with LocalStore.open(path, "phone", durability="normal") as store:
        fill(store)
        told: list[tuple[int, int]] = []
        store.enable_encryption("a passphrase", progress=lambda done, pages: told.append((done, pages)))
        assert is_whole(store)
        store.put_document("secrets", "later", {}, {})
    assert told[0][0] == 0
    assert told[-1][0] == told[-1][1] == told[0][1] > 0
    assert words_found(path.parent) == set()
    with LocalStore.open(path, "phone", encryption_key="a passphrase") as store:
        assert store.get_document("secrets", "later") is not None


def old_store(path: Path) -> None:
    engine = SqliteEngine(FileLocation(str(path)))
    engine.begin()
    engine.save_replica(new_replica("phone", os.urandom))
    engine.commit()
    engine.close()


def test_k3_an_old_store_without_seals_opens_and_stays_as_it_is(path: Path) -> None:
    """For ever."""
    old_store(path)
    with LocalStore.open(path, "phone") as store:
        store.put_document("notes", "k", {"a": 1}, {})
        assert not store.is_encrypted
    assert path.read_bytes().startswith(b"SQLite format 3\0")


def test_k3_k4_k5_a_store_in_use_is_encrypted_rotated_and_made_plain(path: Path) -> None:
    """Its readers go on, progress is told, and each time only the newest key opens it."""
    told: list[tuple[int, int]] = []
    with LocalStore.open(path, "phone", durability="normal") as store:
        fill(store)
        store.enable_encryption(KEY, progress=lambda done, pages: told.append((done, pages)))
        assert is_whole(store)
        assert words_found(path.parent) == set()
    assert (told[0][0], told[-1][0]) == (0, told[-1][1])
    assert refused(path, None) == refused(path, OTHER) == EncryptionError
    for reencrypt in (False, True):
        before, after = (KEY, OTHER) if not reencrypt else (OTHER, KEY)
        with LocalStore.open(path, "phone", encryption_key=before) as store:
            store.rotate_encryption_key(after, reencrypt=reencrypt)
            store.put_document("secrets", f"{SECRET}-0", {"n": 0}, {})
            assert is_whole(store)
        assert refused(path, before) == EncryptionError
    with LocalStore.open(path, "phone", encryption_key=KEY) as store:
        store.disable_encryption()
        assert not store.is_encrypted
    with LocalStore.open(path, "phone") as store:
        assert is_whole(store)


def refused(path: Path, key: str | bytes | None) -> type[BaseException]:
    """Return the error of opening a store with a key, having checked that no byte has changed."""
    before = contents(path.parent)
    with pytest.raises(StorageError) as caught:
        LocalStore.open(path, "phone", encryption_key=key)
    assert contents(path.parent) == before
    return caught.type


def test_k6_a_wrong_or_missing_key_is_an_error_within_two_seconds_and_the_files_stay(path: Path) -> None:
    """A key for a store that has none, too: nobody shall believe it to be encrypted."""
    with LocalStore.open(path, "phone", encryption_key="right") as store:
        store.put_document("notes", "k", {}, {})
    for key in (None, "wrong", "right ", KEY):
        assert refused(path, key) == EncryptionError
    plain = path.parent / "plain.db"
    LocalStore.open(plain, "phone").close()
    assert refused(plain, "right") == EncryptionError
    with pytest.raises(EncryptionError):
        LocalStore.open_for_reading(path, "phone", encryption_key="wrong")


@pytest.mark.parametrize("key", ["your-32-byte-encryption-key!!", "new-32-byte-encryption-key!", "x", "ключ 🔑", "k" * 5000])
def test_k7_a_text_of_any_length_is_a_key(path: Path, key: str) -> None:
    """Of one text there may be several forms of bytes; they are the same key."""
    LocalStore.open(path, "phone", encryption_key=key).close()
    with LocalStore.open(path, "phone", encryption_key=key) as store:
        assert store.is_encrypted


def test_k7_letters_composed_in_either_way_are_the_same_key(path: Path) -> None:
    """What a keyboard sends depends on the system."""
    LocalStore.open(path, "phone", encryption_key="caf\u00e9").close()
    LocalStore.open(path, "phone", encryption_key="cafe\u0301").close()


def test_k7_a_passphrase_is_derived_at_a_cost_that_the_header_names(path: Path) -> None:
    """At least what scrypt with 2**15, 8 and 3 costs; a key of bytes is not derived."""
    assert (Derivation(b"").log2_cost, Derivation(b"").block_size, Derivation(b"").parallelism) == (15, 8, 3)
    LocalStore.open(path, "phone", encryption_key="text").close()
    assert b'"log2_cost":15' in path.read_bytes()[:4096]


@pytest.mark.parametrize("key", ["", b"", b"k" * 31, b"k" * 33, 5])
def test_k7_what_can_be_no_key_is_refused_before_anything_is_made(path: Path, key: str | bytes) -> None:
    with pytest.raises(ConfigError, match="encryption_key"):
        LocalStore.open(path, "phone", encryption_key=key)
    assert list(path.parent.iterdir()) == []


def test_k8_encryption_is_enabled_on_an_open_store_only_and_once(path: Path) -> None:
    """In the configuration or later: both are right."""
    store = LocalStore.open(path, "phone")
    with pytest.raises(EncryptionError, match="not encrypted"):
        store.disable_encryption()
    with pytest.raises(EncryptionError, match="not encrypted"):
        store.rotate_encryption_key(KEY)
    store.close()
    with pytest.raises(StorageError, match="closed"):
        store.enable_encryption(KEY)
    with LocalStore.open(path.parent / "encrypted.db", "phone", encryption_key=KEY) as other:
        other.put_document("notes", "k", {"a": 1}, {})
        with pytest.raises(EncryptionError, match="encrypted already"):
            other.enable_encryption(OTHER)
        assert other.get_document("notes", "k") == ({"a": 1}, {})
        other.put_document("notes", "later", {}, {})
    with LocalStore.open("unused", "phone", engine="memory") as memory, pytest.raises(EncryptionError, match="in memory"):
        memory.enable_encryption(KEY)


def test_another_process_reads_an_encrypted_store_while_it_is_written(path: Path) -> None:
    """What is committed is seen; and keys can't be changed meanwhile, which changes nothing."""
    with LocalStore.open(path, "phone", encryption_key=KEY) as store:
        fill(store)
        command = [sys.executable, str(CHILD), str(path), "read"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"{ROWS}\n"
        with LocalStore.open_for_reading(path, "phone", encryption_key=KEY) as reading:
            store.put_document("secrets", "more", {}, {})
            assert len(reading.list_documents("secrets")) == ROWS + 1
            with pytest.raises(StoreLockedError):
                store.disable_encryption()
            assert store.get_document("secrets", f"{SECRET}-0") is not None
            store.put_document("secrets", "more still", {}, {})
            assert len(reading.list_documents("secrets")) == ROWS + 2
        store.disable_encryption()
    with LocalStore.open(path, "phone") as store:
        assert len(store.list_documents("secrets")) == ROWS + 2


def test_a_backup_opens_with_the_key_of_its_store(path: Path) -> None:
    """And with no other; its pages are sealed for it alone."""
    with LocalStore.open(path, "phone", encryption_key="right") as store:
        fill(store)
        store.backup(path.parent / "copy.db")
    assert refused(path.parent / "copy.db", "wrong") == EncryptionError
    with LocalStore.open(path.parent / "copy.db", "phone", encryption_key="right") as copy:
        assert is_whole(copy)
        assert [index.field for index in copy.list_indexes()] == ["`field-of-secrets`"]


@pytest.mark.anyio
async def test_b8_k2_the_key_of_the_configuration_opens_the_store_and_the_manager_changes_it(path: Path) -> None:
    """The methods of the store as coroutines; queries go on over an encrypted store."""

    def opened(key: str | bytes | None) -> SyncManager:
        config = SyncConfig(local_storage_path=str(path), encryption_key=key, auto_sync=False)
        return SyncManager.open(config, HttpClient("localhost:1", database="d"))

    async with opened(KEY) as manager:
        await manager.save_document("secrets", "a", {"field-of-secrets": SECRET, "n": 1})
        await manager.rotate_encryption_key(OTHER)
    with pytest.raises(EncryptionError):
        opened(KEY)
    async with opened(OTHER) as manager:
        assert await manager.query("FOR s IN secrets FILTER s.n == 1 RETURN s.n") == [1]
        assert words_found(path.parent) == set()
        await manager.disable_encryption()
        await manager.enable_encryption(KEY)
        assert await manager.query("FOR s IN secrets RETURN s.n") == [1]
    assert words_found(path.parent) == set()
