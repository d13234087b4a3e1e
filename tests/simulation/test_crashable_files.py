"""Real SQLite on files that crash: what was acknowledged as durable is kept, and what was not may be lost."""

import random
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solidb_sync.testing.crashable_files import SECTOR_BYTES, CrashableFiles, Snapshot

SEEDS = range(300)

Crash = Callable[[CrashableFiles], None]


@pytest.fixture
def files() -> Iterator[CrashableFiles]:
    """One device's files, closed after the test."""
    with CrashableFiles("files", random.Random(0)) as files:
        yield files


def connect(files: CrashableFiles, *, journal_mode: str = "WAL", synchronous: str = "FULL") -> apsw.Connection:
    """Open the database with a small checkpoint interval, so that checkpoints happen in every test."""
    connection = apsw.Connection("notes.db", vfs=files.name)
    if journal_mode == "WAL":
        connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
    assert connection.execute(f"PRAGMA journal_mode={journal_mode}").get == journal_mode.lower()
    connection.execute(f"PRAGMA synchronous={synchronous}").fetchall()
    connection.execute("PRAGMA wal_autocheckpoint=7").fetchall()
    connection.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, body BLOB)").fetchall()
    return connection


def write(connection: apsw.Connection, note_id: int, size_bytes: int = 3000) -> None:
    """Commit one note by itself."""
    connection.execute("INSERT INTO notes VALUES (?, zeroblob(?))", (note_id, size_bytes)).fetchall()


def write_many(connection: apsw.Connection, wanted: range, acknowledged: list[int]) -> None:
    """Commit notes one by one, noting each that was acknowledged."""
    for note_id in wanted:
        write(connection, note_id)
        acknowledged.append(note_id)


def note_ids(connection: apsw.Connection) -> list[int]:
    """Check the database and return what is in it."""
    assert connection.execute("PRAGMA integrity_check").get == "ok"
    return [row[0] for row in connection.execute("SELECT id FROM notes ORDER BY id")]


def commit_and_lose_power(seed: int, *, journal_mode: str, synchronous: str) -> tuple[list[int], list[int]]:
    """Live three lives with random commits; return what was acknowledged and what was found at the end."""
    rng = random.Random(seed)
    acknowledged: list[int] = []
    with CrashableFiles("crashing", rng) as files:
        for _ in range(3):
            connection = connect(files, journal_mode=journal_mode, synchronous=synchronous)
            count = len(acknowledged)
            write_many(connection, range(count, count + rng.randrange(12)), acknowledged)
            if rng.random() < 0.5:
                connection.execute("BEGIN").fetchall()
                write(connection, 1_000_000, size_bytes=20_000)
            files.power_loss()
        return acknowledged, note_ids(connect(files, journal_mode=journal_mode, synchronous=synchronous))


def open_raw(files: CrashableFiles, name: str) -> apsw.VFSFile:
    """Open a file as SQLite does, without a database in it."""
    flags = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_READWRITE
    return apsw.VFSFile(files.name, name, [flags, 0])


@pytest.mark.parametrize(("journal_mode", "synchronous"), [("WAL", "FULL"), ("DELETE", "EXTRA")])
def test_acknowledged_durable_commits_survive_power_loss(journal_mode: str, synchronous: str) -> None:
    """The promise that everything above relies on, over lives with checkpoints and open transactions."""
    for seed in SEEDS:
        acknowledged, found = commit_and_lose_power(seed, journal_mode=journal_mode, synchronous=synchronous)
        assert found == acknowledged, f"seed {seed}"


@pytest.mark.parametrize(("journal_mode", "synchronous"), [("WAL", "NORMAL"), ("DELETE", "FULL")])
def test_less_durable_commits_can_be_lost_but_nothing_is_corrupted(journal_mode: str, synchronous: str) -> None:
    """WAL without a sync each commit, and a journal deleted without syncing its directory, are seen to lose."""
    outcomes = [commit_and_lose_power(seed, journal_mode=journal_mode, synchronous=synchronous) for seed in SEEDS]
    assert all(set(found) <= set(acknowledged) for acknowledged, found in outcomes)
    seeds_that_lost = sum(found != acknowledged for acknowledged, found in outcomes)
    assert 100 < seeds_that_lost < len(SEEDS)


@pytest.mark.parametrize("journal_mode", ["WAL", "DELETE"])
def test_without_syncs_a_power_loss_can_corrupt_the_database(journal_mode: str) -> None:
    """The harness is cruel enough to show what syncs are for."""
    corrupted = 0
    for seed in SEEDS:
        try:
            commit_and_lose_power(seed, journal_mode=journal_mode, synchronous="OFF")
        except (apsw.CorruptError, apsw.NotADBError):
            corrupted += 1
        except AssertionError:  # integrity_check named the damage
            corrupted += 1
    assert corrupted > 100


@pytest.mark.parametrize("synchronous", ["OFF", "FULL"])
@pytest.mark.parametrize("journal_mode", ["WAL", "DELETE"])
def test_a_killed_program_loses_no_commit(files: CrashableFiles, journal_mode: str, synchronous: str) -> None:
    """A kill takes only the open transaction, whatever the synchronous setting."""
    for note_id in range(20):
        connection = connect(files, journal_mode=journal_mode, synchronous=synchronous)
        write(connection, note_id)
        connection.execute("BEGIN").fetchall()
        write(connection, 1_000_000)
        files.kill()
    assert note_ids(connect(files, journal_mode=journal_mode)) == list(range(20))


def test_what_a_kill_left_unsynced_a_later_power_loss_can_take() -> None:
    """A kill is not a flush."""

    def was_lost(seed: int) -> bool:
        with CrashableFiles("killed", random.Random(seed)) as files:
            connect(files).close()
            write(connect(files, synchronous="OFF"), 1)
            files.kill()
            files.power_loss()
            return note_ids(connect(files)) == []

    assert {was_lost(seed) for seed in range(30)} == {True, False}


def test_unsynced_writes_survive_as_nothing_a_prefix_or_a_scattered_part() -> None:
    """Four writes have sixteen outcomes, and all are found."""

    def survivors(seed: int) -> str:
        with CrashableFiles("scattered", random.Random(seed)) as files:
            file = open_raw(files, "raw")
            file.xWrite(b"-" * 4 * SECTOR_BYTES, 0)
            file.xSync(apsw.SQLITE_SYNC_NORMAL)
            for number, letter in enumerate([b"a", b"b", b"c", b"d"]):
                file.xWrite(letter * SECTOR_BYTES, number * SECTOR_BYTES)
            files.power_loss()
            return files.snapshot().files["raw"][::SECTOR_BYTES].decode()

    found = {survivors(seed) for seed in range(400)}
    assert {"----", "a---", "ab--", "abc-", "abcd", "-b-d", "--cd"} <= found
    assert len(found) == 16


def test_a_torn_write_breaks_only_between_sectors() -> None:
    """An unaligned write of three and a bit sectors ends at a boundary of the file, or whole."""

    def surviving_bytes(seed: int) -> int:
        with CrashableFiles("torn", random.Random(seed)) as files:
            file = open_raw(files, "raw")
            file.xWrite(bytes(2048), 0)
            file.xSync(apsw.SQLITE_SYNC_NORMAL)
            file.xWrite(b"x" * 1500, 100)
            files.power_loss()
            content = files.snapshot().files["raw"]
            assert content == bytes(100) + (b"x" * content.count(b"x")).ljust(1948, b"\0")
            return content.count(b"x")

    assert {surviving_bytes(seed) for seed in range(300)} == {0, 512 - 100, 1024 - 100, 1536 - 100, 1500}


def test_an_unsynced_truncate_may_or_may_not_survive() -> None:
    """A truncate is an operation like a write."""

    def size_bytes(seed: int) -> int:
        with CrashableFiles("truncated", random.Random(seed)) as files:
            file = open_raw(files, "raw")
            file.xWrite(bytes(2048), 0)
            file.xSync(apsw.SQLITE_SYNC_NORMAL)
            file.xTruncate(100)
            assert file.xFileSize() == 100
            files.power_loss()
            return len(files.snapshot().files["raw"])

    assert {size_bytes(seed) for seed in range(30)} == {100, 2048}


def test_an_unsynced_creation_may_be_undone_and_a_synced_one_may_not() -> None:
    """Syncing a new file makes its name durable."""

    def names(seed: int) -> frozenset[str]:
        with CrashableFiles("created", random.Random(seed)) as files:
            open_raw(files, "synced").xSync(apsw.SQLITE_SYNC_NORMAL)
            open_raw(files, "unsynced")
            files.power_loss()
            return frozenset(files.snapshot().files)

    assert {names(seed) for seed in range(30)} == {frozenset({"synced"}), frozenset({"synced", "unsynced"})}


def test_an_unsynced_deletion_may_be_undone_and_a_synced_one_may_not() -> None:
    """Without a synced directory a deleted journal can come back."""

    def journal_came_back(seed: int, synchronous: str) -> bool:
        with CrashableFiles("deleted", random.Random(seed)) as files:
            write(connect(files, journal_mode="DELETE", synchronous=synchronous), 1)
            assert "notes.db-journal" not in files.snapshot().files
            files.power_loss()
            return "notes.db-journal" in files.snapshot().files

    assert {journal_came_back(seed, "FULL") for seed in range(30)} == {True, False}
    assert {journal_came_back(seed, "EXTRA") for seed in range(30)} == {False}


def test_a_restored_snapshot_brings_back_every_file_and_nothing_else(files: CrashableFiles) -> None:
    """A restored backup is the whole device, down to the byte."""
    connection = connect(files)
    write(connection, 1)
    backup = files.snapshot()
    write(connection, 2)
    open_raw(files, "other")
    files.restore(backup)
    assert files.snapshot() == backup
    assert note_ids(connect(files)) == [1]


def test_a_restored_snapshot_is_durable(files: CrashableFiles) -> None:
    """A backup is taken after a clean flush, so what it holds is durable."""
    write(connect(files, synchronous="OFF"), 1)
    files.restore(files.snapshot())
    files.power_loss()
    assert note_ids(connect(files)) == [1]


def test_a_clone_lives_on_its_own(files: CrashableFiles) -> None:
    """Neither of the two sees what the other writes."""
    connection = connect(files)
    write(connection, 1)
    with files.clone("twin") as twin:
        write(connection, 2)
        write(connect(twin), 3)
        assert note_ids(connect(twin)) == [1, 3]
    assert note_ids(connection) == [1, 2]


def run_a_life(seed: int) -> tuple[list[Snapshot], list[object]]:
    """Return the files at three moments, and what SQLite says of chance and time."""
    with CrashableFiles("repeated", random.Random(seed)) as files:
        connection = connect(files, synchronous="NORMAL")
        for note_id in range(40):
            write(connection, note_id)
        answers = [connection.execute(f"SELECT {call}").get for call in ("random()", "datetime('now')")]
        snapshots = [files.snapshot()]
        files.power_loss()
        snapshots.append(files.snapshot())
        write(connect(files), 1000)
        snapshots.append(files.snapshot())
        return snapshots, answers


def test_one_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    """WAL salts, random() and the outcome of the power loss all come from the seed; time stands still."""
    first = run_a_life(7)
    other = run_a_life(8)
    assert run_a_life(7) == first
    assert other[0] != first[0]
    assert other[1][0] != first[1][0]
    assert other[1][1] == first[1][1] == "2000-01-01 12:00:00"


@pytest.mark.parametrize("crash", [CrashableFiles.kill, CrashableFiles.power_loss])
def test_a_connection_from_before_a_crash_is_closed(files: CrashableFiles, crash: Crash) -> None:
    """What is left of the program before the crash cannot write into the new one's files."""
    connection = connect(files)
    write(connection, 1)
    crash(files)
    found = files.snapshot()
    with pytest.raises(apsw.ConnectionClosedError):
        write(connection, 2)
    assert files.snapshot() == found
    assert note_ids(connect(files)) == [1]


@pytest.mark.parametrize("journal_mode", ["WAL", "DELETE"])
def test_a_statement_interrupted_by_power_loss_cannot_write_into_the_new_life(
    files: CrashableFiles, journal_mode: str
) -> None:
    """A connection too busy to be closed finds its files dead under it, whenever it is closed at last."""
    connection = connect(files, journal_mode=journal_mode, synchronous="EXTRA")
    write(connection, 1)

    def lose_power(*_: object) -> int:
        files.power_loss()
        return 2

    connection.create_scalar_function("lose_power", lose_power)
    with pytest.raises(apsw.IOError, match="crashed"):
        connection.execute("INSERT INTO notes SELECT lose_power(), NULL").fetchall()
    reopened = connect(files, journal_mode=journal_mode)
    recovered = files.snapshot()
    with suppress(apsw.Error):
        connection.close()
    assert files.snapshot() == recovered
    write(reopened, 3)
    assert note_ids(reopened) == [1, 3]


@pytest.mark.parametrize("crash", [CrashableFiles.kill, CrashableFiles.power_loss])
def test_a_file_opened_before_a_crash_refuses_everything(files: CrashableFiles, crash: Crash) -> None:
    """Below SQLite, an open file dies with its life."""
    file = open_raw(files, "raw")
    file.xWrite(b"before", 0)
    crash(files)
    for use in (
        lambda: file.xWrite(b"after", 0),
        lambda: file.xRead(1, 0),
        lambda: file.xTruncate(0),
        lambda: file.xSync(apsw.SQLITE_SYNC_NORMAL),
        lambda: file.xLock(apsw.SQLITE_LOCK_SHARED),
    ):
        with pytest.raises(apsw.IOError, match="crashed"):
            use()


@pytest.mark.parametrize("error", [apsw.IOError, apsw.FullError])
def test_an_injected_write_error_fails_one_commit_whole(files: CrashableFiles, error: type[apsw.Error]) -> None:
    """Whichever write of a commit fails, the commits before it stay and the database is sound."""
    for nth_write in range(1, 8):
        connection = connect(files)
        before = note_ids(connection)
        files.fail_after(writes=nth_write, error=error)
        with pytest.raises(error):
            write_many(connection, range(nth_write * 1000, nth_write * 1000 + 100), acknowledged=[])
        after = note_ids(connection)
        assert after[: len(before)] == before
        files.power_loss()
        assert note_ids(connect(files)) == after


def test_a_failed_sync_fails_the_commit_and_is_never_made_good(files: CrashableFiles) -> None:
    """Like a kernel that marks failed pages clean: the write reads back and is lost with the power."""
    file = open_raw(files, "raw")
    file.xWrite(b"durable", 0)
    file.xSync(apsw.SQLITE_SYNC_NORMAL)
    file.xWrite(b"DROPPED", 0)
    files.fail_after(syncs=1)
    with pytest.raises(apsw.IOError, match="sync fails"):
        file.xSync(apsw.SQLITE_SYNC_NORMAL)
    file.xSync(apsw.SQLITE_SYNC_NORMAL)
    assert file.xRead(7, 0) == b"DROPPED"
    files.power_loss()
    assert files.snapshot().files["raw"] == b"durable"


def test_when_the_power_goes_at_any_operation_every_acknowledged_commit_survives(files: CrashableFiles) -> None:
    """From the n-th operation on nothing succeeds, so nothing after it can be taken for done."""
    for nth in range(1, 40):
        connection = connect(files)
        acknowledged: list[int] = []
        files.lose_power_after(nth)
        with suppress(apsw.Error):
            write_many(connection, range(nth * 1000, nth * 1000 + 20), acknowledged)
        assert files.is_dark()
        with pytest.raises(apsw.Error):
            note_ids(connection)
        files.power_loss()
        assert not files.is_dark()
        assert set(acknowledged) <= set(note_ids(connect(files)))


def test_a_full_disk_refuses_the_commit_and_keeps_the_others() -> None:
    """The one that met the full disk may have been committed before a checkpoint failed; no other is in doubt."""
    with CrashableFiles("small", random.Random(0), total_bytes_max=100_000) as files:
        connection = connect(files)
        acknowledged: list[int] = []
        with pytest.raises(apsw.FullError):
            write_many(connection, range(100), acknowledged)
        assert 5 < len(acknowledged) < 100
        files.power_loss()
        assert sum(map(len, files.snapshot().files.values())) <= 100_000
        reopened = connect(files)
        assert note_ids(reopened)[: len(acknowledged)] == acknowledged


Written = tuple[int, bytes] | int | bool
"""A write (offset, bytes), a truncation to a size, or a sync that works or fails."""

OPERATIONS = st.lists(
    st.tuples(st.integers(0, 40), st.binary(min_size=1, max_size=12)) | st.integers(0, 40) | st.booleans(), max_size=30
)


def written(image: bytes, operation: Written) -> bytes:
    """Return what a file is after a write or a truncation."""
    if isinstance(operation, tuple):
        offset, content = operation
        return image[:offset].ljust(offset, b"\0") + content + image[offset + len(content) :]
    return image[:operation].ljust(operation, b"\0")


@given(OPERATIONS)
def test_a_disk_holds_what_was_written_before_a_sync_that_worked_and_no_more(operations: list[Written]) -> None:
    """Of a write whose sync failed nothing is on the disk, though later syncs work and reads see it."""
    seen = synced = b""
    unsynced: list[Written] = []
    with CrashableFiles("raw", _KeepsNothing(0)) as files:
        file = open_raw(files, "raw.db")
        for operation in operations:
            if isinstance(operation, bool):
                files.fail_after(syncs=0 if operation else 1)
                with nullcontext() if operation else pytest.raises(apsw.IOError):
                    file.xSync(apsw.SQLITE_SYNC_FULL)
                for kept in unsynced if operation else []:
                    synced = written(synced, kept)
                unsynced.clear()
                continue
            unsynced.append(operation)
            seen = written(seen, operation)
            if isinstance(operation, tuple):
                file.xWrite(operation[1], operation[0])
            else:
                file.xTruncate(operation)
        assert files.snapshot().files["raw.db"] == seen
        files.power_loss()
        assert files.snapshot().files.get("raw.db", b"") == synced


class _KeepsNothing(random.Random):
    """Chooses that of what was not synced nothing survives."""

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        return 0


def test_locks_keep_two_connections_apart(files: CrashableFiles) -> None:
    """Without exclusive mode a reader holds a commit back and a writer refuses another."""
    first, second = (connect(files, journal_mode="DELETE") for _ in range(2))
    first.execute("BEGIN IMMEDIATE").fetchall()
    assert note_ids(second) == []
    with pytest.raises(apsw.BusyError):
        second.execute("BEGIN IMMEDIATE").fetchall()
    second.execute("BEGIN").fetchall()
    assert note_ids(second) == []
    write(first, 1)
    with pytest.raises(apsw.BusyError):
        first.execute("COMMIT").fetchall()
    second.execute("COMMIT").fetchall()
    first.execute("COMMIT").fetchall()
    assert note_ids(second) == [1]


def test_a_name_belongs_to_one_set_of_files_until_it_is_closed(files: CrashableFiles) -> None:
    """Two devices cannot share files by mistake."""
    with pytest.raises(ValueError, match="found 'files'"):
        CrashableFiles("files", random.Random(0))
    files.close()
    CrashableFiles("files", random.Random(0)).close()


def test_a_file_that_does_not_exist_is_not_opened_without_create(files: CrashableFiles) -> None:
    """A missing file is an error where SQLite asked for an existing one."""
    with pytest.raises(apsw.CantOpenError):
        apsw.Connection("absent.db", vfs=files.name, flags=apsw.SQLITE_OPEN_READWRITE)
