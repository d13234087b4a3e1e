"""What a damaged log of a killed program does: right rows or a typed error, never an older commit without a word."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from solidb_sync import LocalStore, salvage_store
from solidb_sync.clock import SystemClock
from solidb_sync.errors import StorageCorruptError, StorageError
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.storage.sqlite.sealed.flushed_log import Flushed, FlushedLog
from solidb_sync.storage.sqlite.sealed.page_seal import ChecksumSeal, Seals
from solidb_sync.storage.sqlite.sealed.sealed_file import Below
from solidb_sync.storage.sqlite.sealed.sealed_log import LogFile
from solidb_sync.storage.sqlite.sqlite_engine import SqliteEngine
from solidb_sync.testing.crashable_files import CrashableFiles

KEY = b"k" * 32
ROWS = 40
FRAME_BYTES = 24 + 8192
LOG_HEAD_BYTES = 32
COMMITS_KEPT_MIN = 10
CALLS = 25
"""More than a save makes, with the log begun anew."""

CHILD = """
import os, signal, sys
from solidb_sync import LocalStore
path, key = sys.argv[1], bytes.fromhex(sys.argv[2]) or None
store = LocalStore.open(path, "phone", encryption_key=key)
for number in range(int(sys.argv[3])):
    store.put_document("notes", f"n{number:03}", {"number": number, "text": "x" * 300}, {})
os.kill(os.getpid(), signal.SIGKILL)
"""

Rows = dict[str, dict[str, object]]

RIGHT: Rows = {f"n{number:03}": {"number": number, "text": "x" * 300} for number in range(ROWS)}


@pytest.fixture(params=[None, KEY], ids=["plain", "encrypted"])
def key(request: pytest.FixtureRequest) -> bytes | None:
    """Return the key of the store, for plain and for encrypted ones."""
    found: bytes | None = request.param
    return found


@pytest.fixture
def killed(tmp_path: Path, key: bytes | None) -> Path:
    """Return a store whose program was killed after its last save had returned."""
    path = tmp_path / "killed" / "store.db"
    command = [sys.executable, "-c", CHILD, str(path), (key or b"").hex(), str(ROWS)]
    assert subprocess.run(command, check=False, timeout=60).returncode == -9
    assert path.with_name("store.db-wal").stat().st_size > ROWS * FRAME_BYTES
    return path


def copy_of(store: Path, name: str = "copy") -> Path:
    """Return a copy of a store with all that lies beside it."""
    directory = store.parent.parent / name
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(store.parent, directory)
    return directory / store.name


def beside(store: Path, suffix: str) -> Path:
    return store.with_name(store.name + suffix)


def rows_of(store: LocalStore) -> Rows:
    return {found: document for found, document, _ in store.list_documents("notes")}


def opened_rows(path: Path, key: bytes | None) -> Rows:
    with LocalStore.open(path, "phone", encryption_key=key) as store:
        return rows_of(store)


def flip(file: Path, bit: int) -> None:
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


def test_k1_a_flipped_bit_in_what_a_killed_program_leaves_gives_right_rows_or_a_typed_error(
    killed: Path, key: bytes | None
) -> None:
    """300 bits anywhere in the log, the file, and the note of how far the log was flushed, one at a time."""
    rng = random.Random(5)
    errors = 0
    for _ in range(300):
        path = copy_of(killed)
        file = beside(path, rng.choice(["", "-wal", "-wal", "-flushed"]))
        flip(file, rng.randrange(file.stat().st_size * 8))
        try:
            found = opened_rows(path, key)
        except StorageError:
            errors += 1
        else:
            assert found == RIGHT, file.name
    assert 100 < errors < 300


def test_k1_every_frame_of_the_log_of_a_killed_program_is_missed(killed: Path, key: bytes | None) -> None:
    """Wherever the damage is, up to the last commit, and to its head: the opening is refused and changes nothing."""
    size = beside(killed, "-wal").stat().st_size
    places = [8 * 5, *(8 * (start + 4_000) for start in range(LOG_HEAD_BYTES, size, FRAME_BYTES))]
    assert len(places) > ROWS
    for bit in places:
        path = copy_of(killed)
        flip(beside(path, "-wal"), bit)
        before = {
            file.name: file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith(("-shm", ".lock"))
        }
        with pytest.raises(StorageCorruptError, match=r"store\.db-wal"):
            opened_rows(path, key)
        with pytest.raises(StorageCorruptError, match=r"store\.db-wal"):
            LocalStore.open_for_reading(path, "phone", encryption_key=key)
        after = {file.name: file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith(("-shm", ".lock"))}
        assert after == before


@pytest.mark.parametrize("left", [0, 20, LOG_HEAD_BYTES, LOG_HEAD_BYTES + 7 * FRAME_BYTES, None])
def test_k1_a_log_that_is_cut_off_or_missing_is_an_error(killed: Path, key: bytes | None, left: int | None) -> None:
    """Also where the cut lies between two commits."""
    path = copy_of(killed)
    log = beside(path, "-wal")
    if left is None:
        log.unlink()
    else:
        os.truncate(log, left)
    for _ in range(2):
        with pytest.raises(StorageCorruptError, match=r"store\.db-wal: cut off"):
            opened_rows(path, key)


def test_k1_what_was_being_written_when_the_program_was_killed_is_the_end_of_the_log(
    killed: Path, key: bytes | None
) -> None:
    """Half a frame, or a whole one that is not sealed, behind what was flushed."""
    for garbage in (b"\x01" * 100, b"\x02" * FRAME_BYTES):
        path = copy_of(killed)
        with beside(path, "-wal").open("ab") as log:
            log.write(garbage)
        assert opened_rows(path, key) == RIGHT


@pytest.mark.parametrize("note", [b"", b"torn", bytes(80), None])
def test_a_store_without_a_whole_note_opens_as_far_as_its_log_goes(
    killed: Path, key: bytes | None, note: bytes | None
) -> None:
    """The note is not flushed: a power loss may take it."""
    path = copy_of(killed)
    if note is None:
        beside(path, "-flushed").unlink()
    else:
        beside(path, "-flushed").write_bytes(note)
    assert opened_rows(path, key) == RIGHT
    assert not beside(path, "-wal").exists()


def test_the_note_of_another_store_says_nothing(killed: Path, key: bytes | None) -> None:
    """A new store at the place of one that was removed without its note."""
    path = copy_of(killed)
    for suffix in ("", "-wal", "-shm", ".lock"):
        beside(path, suffix).unlink()
    assert opened_rows(path, key) == {}


def store_on(files: CrashableFiles, key: bytes | None) -> LocalStore:
    return LocalStore.open_at(
        FileLocation("store.db", vfs=files.name, is_exclusive=True),
        "phone",
        clock=SystemClock(),
        random_bytes=random.Random(1).randbytes,
        encryption_key=key,
        seals_new_stores=True,
    )


def begin_log_anew(store: LocalStore) -> None:
    """Fold the log into the file: the next commit is written at the log's beginning, over what is there."""
    engine = store._engine
    assert isinstance(engine, SqliteEngine)
    ((_, frames, folded),) = engine.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    assert frames == folded > 0


@pytest.mark.parametrize("trouble", ["kill", "power", "write", "sync"])
def test_trouble_at_every_call_while_a_log_begins_anew_leaves_no_note_about_the_one_before(
    key: bytes | None, trouble: str
) -> None:
    """A note about a log that is rightly gone would keep a sound store from being opened."""
    was_in_time = []
    for number in range(1, CALLS):
        with CrashableFiles("anew", random.Random(number)) as files:
            store = store_on(files, key)
            for name in "abc":
                store.put_document("notes", name, {"n": 1}, {})
            begin_log_anew(store)
            if trouble in ("kill", "power"):
                files.lose_power_after(number)
            else:
                files.fail_after(**{f"{trouble}s": number})
            try:
                store.put_document("notes", "d", {"n": 1}, {})
                was_in_time.append(False)
            except StorageError:
                was_in_time.append(True)
            if trouble == "kill":
                files.kill()
            else:
                files.power_loss()
            assert rows_of(store_on(files, key)).keys() - {"d"} == set("abc")
    assert was_in_time[0]
    assert not was_in_time[-1]


HEAD = b"h" * 16 + b"saltsalt" + b"h" * 8
"""The head of a log, with its salts."""


def frame_head(number: int, pages_after_commit: int) -> bytes:
    return number.to_bytes(4, "big") + pages_after_commit.to_bytes(4, "big") + b"saltsalt" + bytes(8)


def write_frame(log: LogFile, place: int, *, is_commit: bool) -> None:
    start = LOG_HEAD_BYTES + place * FRAME_BYTES
    log.xWrite(frame_head(place + 1, 9 if is_commit else 0), start)
    log.xWrite(bytes(FRAME_BYTES - 24), start + 24)


@contextmanager
def opened_log(files: CrashableFiles) -> Iterator[tuple[LogFile, FlushedLog]]:
    """Yield a log with its head, and the note about it."""
    below = Below(files.name, Seals(b"s" * 16, {1: ChecksumSeal(1)}), b"s" * 16)
    flags = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    log = LogFile(below, "store.db-wal", [flags, 0])
    log.xWrite(HEAD, 0)
    try:
        yield log, FlushedLog("store.db-wal", files.name, b"s" * 16)
    finally:
        log.xClose()


def end_of(frames: int) -> Flushed:
    return Flushed(HEAD, LOG_HEAD_BYTES + frames * FRAME_BYTES)


def test_the_note_says_the_last_commit_that_was_flushed() -> None:
    """Not the frames behind it, and not before the flush."""
    with CrashableFiles("noted", random.Random(1)) as files, opened_log(files) as (log, note):
        for place, is_commit in enumerate([False, True, False]):
            write_frame(log, place, is_commit=is_commit)
        assert note.read() is None
        log.xSync(apsw.SQLITE_SYNC_FULL)
        assert note.read() == end_of(2)
        write_frame(log, 3, is_commit=True)
        assert note.read() == end_of(2)
        log.xSync(apsw.SQLITE_SYNC_FULL)
        assert note.read() == end_of(4)


def test_a_commit_that_was_rolled_back_and_written_over_is_not_noted() -> None:
    """Its frames are another transaction's, and not whole before that one is."""
    with CrashableFiles("rolled back", random.Random(1)) as files, opened_log(files) as (log, note):
        write_frame(log, 0, is_commit=True)
        log.xSync(apsw.SQLITE_SYNC_FULL)
        write_frame(log, 1, is_commit=False)
        write_frame(log, 2, is_commit=True)
        write_frame(log, 1, is_commit=False)
        log.xSync(apsw.SQLITE_SYNC_FULL)
        assert note.read() == end_of(1)


def flush_one_more(log: LogFile) -> None:
    write_frame(log, 2, is_commit=True)
    log.xSync(apsw.SQLITE_SYNC_FULL)


@pytest.mark.parametrize("failing", ["syncs", "writes"])
def test_after_a_failure_nothing_is_noted_until_the_log_begins_anew(failing: str) -> None:
    """What a failed flush has forgotten, a later one does not save."""
    with CrashableFiles("failed", random.Random(1)) as files, opened_log(files) as (log, note):
        write_frame(log, 0, is_commit=True)
        log.xSync(apsw.SQLITE_SYNC_FULL)
        write_frame(log, 1, is_commit=True)
        files.fail_after(**{failing: 1})
        with pytest.raises(apsw.IOError):
            flush_one_more(log)
        write_frame(log, 3, is_commit=True)
        log.xSync(apsw.SQLITE_SYNC_FULL)
        assert note.read() == end_of(1)
        log.xWrite(HEAD, 0)
        assert note.read() is None
        write_frame(log, 0, is_commit=True)
        log.xSync(apsw.SQLITE_SYNC_FULL)
        assert note.read() == end_of(1)


def test_a_closed_store_leaves_no_note_and_one_that_writes_much_opens(tmp_path: Path, key: bytes | None) -> None:
    """The log begins anew every few thousand pages; a copy at any moment is whole."""
    path = tmp_path / "one" / "store.db"
    with LocalStore.open(path, "phone", encryption_key=key, durability="full") as store:
        saved: Rows = {}
        for number in range(60):
            saved[f"n{number}"] = {"text": "y" * 200_000, "number": number}
            store.put_document("notes", f"n{number}", saved[f"n{number}"], {})
            if number % 6 == 0:
                assert opened_rows(copy_of(path), key) == saved
    assert {file.name for file in path.parent.iterdir()} == {"store.db", "store.db.lock"}


def test_a_file_of_somebody_elses_under_the_name_of_the_note_is_left_alone(tmp_path: Path, key: bytes | None) -> None:
    """Whatever it is, the store works without a note."""
    path = tmp_path / "store.db"
    for content in (b"shopping list", b"z" * 80, b"z" * 5000):
        beside(path, "-flushed").write_bytes(content)
        with LocalStore.open(path, "phone", encryption_key=key) as store:
            store.put_document("notes", "k", {"a": 1}, {})
            assert beside(path, "-flushed").read_bytes() == content


def test_a_damaged_log_is_salvaged_up_to_the_damage_and_the_report_says_so(killed: Path, key: bytes | None) -> None:
    """The commits before it are there, and the source stays as it is."""
    path = copy_of(killed)
    log = beside(path, "-wal")
    flip(log, 8 * (log.stat().st_size - FRAME_BYTES * 30))
    before = log.read_bytes()
    report = salvage_store(path, path.with_name("rescued.db"), encryption_key=key)
    assert log.read_bytes() == before
    assert any("store.db-wal" in line for line in report.lost)
    found = opened_rows(path.with_name("rescued.db"), key)
    assert found.items() < RIGHT.items()
    assert len(found) >= COMMITS_KEPT_MIN


def test_a_missing_log_is_told_by_a_salvage(tmp_path: Path, key: bytes | None) -> None:
    """What was in the file itself is saved; of a store that was all in its log, nothing."""
    path = tmp_path / "one" / "store.db"
    with LocalStore.open(path, "phone", encryption_key=key) as store:
        store.put_document("notes", "before", {"a": 1}, {})
        young = copy_of(path, "young")
    with LocalStore.open(path, "phone", encryption_key=key) as store:
        store.put_document("notes", "after", {"a": 2}, {})
        old = copy_of(path, "old")
    for copy in (young, old):
        beside(copy, "-wal").unlink()
    with pytest.raises(StorageCorruptError, match="missing"):
        salvage_store(young, young.with_name("rescued.db"), encryption_key=key)
    report = salvage_store(old, old.with_name("rescued.db"), encryption_key=key)
    assert any("missing" in line for line in report.lost)
    assert opened_rows(old.with_name("rescued.db"), key) == {"before": {"a": 1}}
