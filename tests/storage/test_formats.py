"""Stores of every format there ever was open with this version, with everything in them, and go on."""

from __future__ import annotations

import gzip
import random
import tarfile
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from solidb_sync.clock import SystemClock
from solidb_sync.errors import StorageError
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.opening import MIGRATIONS
from solidb_sync.storage.rocksdb.store_label import ENCRYPTED_FORMAT
from solidb_sync.storage.salvage import salvage_store
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.storage.sqlite.migrate import migrations_of
from solidb_sync.testing.crashable_files import CrashableFiles, Snapshot

KEPT = Path(__file__).parent / "formats"
FILES = sorted(KEPT.glob("format-*.db.gz"))
PASSPHRASE = "a passphrase of these tests"


def key_of(file: Path) -> str | None:
    return PASSPHRASE if "encrypted" in file.name else None


@pytest.fixture(params=FILES, ids=[file.name for file in FILES])
def file(request: pytest.FixtureRequest) -> Path:
    """Return one of the stores that are kept."""
    found: Path = request.param
    return found


@pytest.fixture
def path(file: Path, tmp_path: Path) -> Path:
    """Return where the store lies, as it was written then."""
    (tmp_path / "store.db").write_bytes(gzip.decompress(file.read_bytes()))
    return tmp_path / "store.db"


def assert_holds_everything(store: LocalStore) -> None:
    assert store.list_documents("notes") == [
        ("a", {"v": 1, "text": "é"}, {"server": 1}),
        ("b", {"v": 2.5, "list": [1, None, True]}, {"server": 2}),
    ]
    assert store.get_document("notes", "gone") is None
    changes = store.get_pending_changes()
    assert [(change.collection, change.key, change.operation, change.data) for change in changes] == [
        ("notes", "a", "update", {"v": 2}),
        ("tasks", "new", "insert", {"t": 1}),
    ]
    assert [change.version_vector for change in changes] == [{"server": 1}, {}]
    assert [(found.collection, found.filter, found.bind_vars) for found in store.list_subscriptions()] == [
        ("notes", "doc.v > @x", {"x": 0})
    ]
    assert store.verify().is_sound


def test_there_is_a_store_of_every_format() -> None:
    """A new migration wants a new file: tests/storage/formats/write_format.py."""
    numbers = {int(file.name.removeprefix("format-")[:2]) for file in FILES}
    assert numbers == set(range(1, len(migrations_of(MIGRATIONS)) + 1))


def test_an_old_store_opens_with_everything_in_it_and_goes_on(file: Path, path: Path) -> None:
    for attempt in range(2):
        with LocalStore.open(path, "phone", encryption_key=key_of(file)) as store:
            if not attempt:
                assert_holds_everything(store)
            store.put_document("notes", f"later{attempt}", {"v": attempt}, {"server": 9 + attempt})
            assert store.verify().is_sound
    with LocalStore.open_for_reading(path, "phone", encryption_key=key_of(file)) as store:
        assert [key for key, _, _ in store.list_documents("notes")] == ["a", "b", "later0", "later1"]


def test_a_store_that_was_brought_to_this_format_can_be_salvaged(file: Path, path: Path, tmp_path: Path) -> None:
    LocalStore.open(path, "phone", encryption_key=key_of(file)).close()
    report = salvage_store(path, tmp_path / "new.db", encryption_key=key_of(file))
    assert report.lost == ()
    with LocalStore.open(tmp_path / "new.db", "phone", encryption_key=key_of(file)) as store:
        assert_holds_everything(store)


DIRECTORIES = sorted(KEPT.glob("rocksdb-*.tar.gz"))


@pytest.fixture(params=DIRECTORIES, ids=[file.name for file in DIRECTORIES])
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str | None]:
    """Return where a RocksDB store lies, as it was written then, and its key."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path / "store", filter="data")
    return tmp_path / "store", key_of(request.param)


def test_there_is_a_rocksdb_store_of_every_format() -> None:
    """A new format of the label wants a new archive."""
    numbers = {int(file.name.removeprefix("rocksdb-")[:1]) for file in DIRECTORIES}
    assert numbers == set(range(1, ENCRYPTED_FORMAT + 1))


def test_an_old_rocksdb_store_opens_with_everything_in_it_and_goes_on(directory: tuple[Path, str | None]) -> None:
    path, key = directory
    for attempt in range(2):
        with LocalStore.open(path, "phone", engine="rocksdb", encryption_key=key) as store:
            if not attempt:
                assert_holds_everything(store)
            store.put_document("notes", f"later{attempt}", {"v": attempt}, {"server": 9 + attempt})
            assert store.verify().is_sound
    with LocalStore.open_for_reading(path, "phone", encryption_key=key) as store:
        assert [key for key, _, _ in store.list_documents("notes")] == ["a", "b", "later0", "later1"]


PLAIN = [file for file in FILES if "encrypted" not in file.name and gzip.decompress(file.read_bytes()).startswith(b"SQLite")]
CALLS_MAX = 2_000


@pytest.mark.parametrize("trouble", ["power", "io", "full", "sync"])
@pytest.mark.parametrize("old", PLAIN[::4], ids=lambda file: file.name)
def test_trouble_at_every_call_of_bringing_a_store_to_this_format_loses_nothing(old: Path, trouble: str) -> None:
    """Whatever happens, the next start finds everything, and goes on."""
    with CrashableFiles("old", random.Random(5)) as files:
        location = FileLocation("store.db", vfs=files.name, is_exclusive=True)

        def opened() -> LocalStore:
            return LocalStore.open_at(location, "phone", clock=SystemClock(), random_bytes=random.Random(1).randbytes)

        for number in range(1, CALLS_MAX):
            files.restore(Snapshot({"store.db": gzip.decompress(old.read_bytes())}))
            if trouble == "power":
                files.lose_power_after(number)
            elif trouble == "sync":
                files.fail_after(syncs=number)
            else:
                files.fail_after(writes=number, error=apsw.FullError if trouble == "full" else apsw.IOError)
            store = None
            with suppress(StorageError):
                store = opened()
            files.power_loss()
            assert_holds_everything(opened())
            if store is not None:
                return
    raise AssertionError(f"the store was not brought to this format within {CALLS_MAX} calls")
