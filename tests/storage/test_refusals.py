"""A disk that is full and files that may not be touched: every error names its cause, whichever way one came."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from solidb_sync.clock import SystemClock
from solidb_sync.errors import StorageError, StorageFullError, StoreLockedError
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.private_files import create_private_file, replace_private_file
from solidb_sync.storage.refusals import cause, refusal
from solidb_sync.storage.rocksdb.database import storage_error as rocksdb_error
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.testing.crashable_files import CrashableFiles

CHILD = Path(__file__).with_name("child_without_rights.py")
SECONDS_MAX = 60


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that another user can get at, as none of pytest's own is."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def refused_to_others(engine: str, requests: list[tuple[str, Path]]) -> list[str]:
    """Return what each request comes to for a user who may not; all of them are typed errors."""
    wanted = json.dumps([[way, str(path)] for way, path in requests])
    done = subprocess.run(
        [sys.executable, str(CHILD), engine, wanted], capture_output=True, timeout=SECONDS_MAX, check=False, text=True
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [kind for kind, _ in told] == ["StorageError"] * len(requests), told
    return [message for _, message in told]


@pytest.mark.parametrize("engine", ["sqlite", "rocksdb"])
def test_n10_a_store_of_somebody_else_is_refused_with_its_rights(shared: Path, engine: str) -> None:
    """Not "damaged", and not "there is none": a person would make a new one then."""
    store = shared / "store"
    LocalStore.open(store, "phone", engine=engine).close()
    store.chmod(0)
    for message in refused_to_others(engine, [(way, store) for way in ("open", "read", "convert")]):
        assert str(store) in message
        assert "no permission to read and write it (EACCES): its mode is 0000 and its owner user" in message


@pytest.mark.parametrize("engine", ["sqlite", "rocksdb"])
def test_n10_a_directory_that_may_not_be_written_is_named_with_its_rights(shared: Path, engine: str) -> None:
    """What can't be made there is said of the directory, not of the file that is not there yet."""
    closed = shared / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    for message in refused_to_others(engine, [(way, closed / way) for way in ("open", "backup")]):
        assert f"no permission to write in the directory {closed} (EACCES): its mode is 0555" in message


def test_n10_a_file_below_a_file_says_so(tmp_path: Path) -> None:
    """Where a directory is wanted."""
    (tmp_path / "file").touch()
    assert cause(str(tmp_path / "file" / "store.db")) == f"{tmp_path / 'file'} is no directory (ENOTDIR)"
    with pytest.raises(StorageError, match="ENOTDIR"):
        create_private_file(str(tmp_path / "file" / "store.db"))


def test_n9_a_full_disk_is_named_by_every_engine(tmp_path: Path) -> None:
    """And says that making room is enough."""
    random_bytes = random.Random(7)
    with CrashableFiles("disk", random_bytes) as files:
        location = FileLocation("store.db", vfs=files.name, is_exclusive=True)
        store = LocalStore.open_at(location, "phone", clock=SystemClock(), random_bytes=random_bytes.randbytes)
        files._disk.total_bytes_max = sum(len(body) for body in files.snapshot().files.values()) + 20_000
        with pytest.raises(StorageFullError, match=r"the disk is full \(ENOSPC\); nothing was written. Make room"):
            store.put_document("notes", "one", {"text": "x" * 200_000}, {})
        files._disk.total_bytes_max *= 100
        store.close()
    told = rocksdb_error(Exception("IO error: No space left on device: While appending to file"), "store")
    assert isinstance(told, StorageFullError)
    assert "(ENOSPC)" in str(told)


def test_n9_what_is_written_beside_a_store_names_a_full_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the note of a store that was moved."""

    def full(handle: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(StorageFullError, match=r"cannot be written: No space left on device \(ENOSPC\)"):
            replace_private_file(str(tmp_path / "note"), b"moved")
    assert not (tmp_path / "note").exists()


@pytest.mark.parametrize(
    ("number", "kind", "name"),
    [
        (errno.ENOSPC, StorageFullError, "ENOSPC"),
        (errno.EDQUOT, StorageFullError, "EDQUOT"),
        (errno.EFBIG, StorageFullError, "EFBIG"),
        (errno.EROFS, StorageError, "EROFS"),
        (errno.EIO, StorageError, "EIO"),
        (errno.EMFILE, StorageError, "EMFILE"),
    ],
)
def test_n9_n10_every_refusal_of_the_system_keeps_its_name(tmp_path: Path, number: int, kind: type, name: str) -> None:
    """A person can look it up."""
    told = refusal(OSError(number, os.strerror(number)), str(tmp_path / "store.db"), "cannot be written")
    assert type(told) is kind
    assert f"({name})" in str(told)


@pytest.mark.parametrize("engine", ["sqlite", "memory"])
def test_n9_a_backup_that_fails_names_its_own_place_and_leaves_nothing(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not that of the store, which is on another disk perhaps; and the next try meets no half of it."""
    target = tmp_path / "copies" / "monday"
    with LocalStore.open(tmp_path / "store", "phone", engine=engine) as store:
        for number in range(3):
            store.put_document("notes", str(number), {"text": random.Random(number).randbytes(450_000).hex()}, {})
        with pytest.raises(StorageError, match=str(target)), smallest_files():
            store.backup(target)
        assert not target.exists()
        store.backup(target)
    with LocalStore.open_for_reading(target, "phone") as copy:
        assert copy.verify().is_sound


def test_n9_a_store_on_a_full_disk_is_opened_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in it can be read, and some of it evicted; the lock's file says nobody's number then."""
    LocalStore.open(tmp_path / "store", "phone", engine="rocksdb").close()

    def full(handle: int, content: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        store = LocalStore.open(tmp_path / "store", "phone", engine="rocksdb")
    with store, pytest.raises(StoreLockedError, match="process unknown"):
        LocalStore.open(tmp_path / "store", "phone", engine="rocksdb")


@contextmanager
def smallest_files() -> Iterator[None]:
    """Let this process write no file beyond a megabyte."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
