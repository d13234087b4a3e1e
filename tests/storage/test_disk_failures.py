"""A disk that is full, or fails: a typed error, nothing half done, and no write after a commit of unknown outcome."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest
from msgspec import Raw

from solidb_sync.clock import SystemClock
from solidb_sync.errors import StorageError, StorageFullError
from solidb_sync.json_value import canonical
from solidb_sync.storage.committer import Committer, InlineCommitter, ThreadCommitter, Transactions
from solidb_sync.storage.edits import Minted, record_save
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.testing.crashable_files import CrashableFiles

MakeCommitter = Callable[[Transactions], Committer]


@pytest.fixture
def files() -> Iterator[CrashableFiles]:
    """Return one device's files."""
    with CrashableFiles("disk", random.Random(7)) as files:
        yield files


@pytest.fixture(params=[InlineCommitter, ThreadCommitter])
def committer(request: pytest.FixtureRequest) -> MakeCommitter:
    """Return either kind of committer."""
    return request.param  # type: ignore[no-any-return]


def open_store(files: CrashableFiles, committer: MakeCommitter = InlineCommitter) -> LocalStore:
    """Open the store in the files."""
    location = FileLocation("store.db", vfs=files.name, is_exclusive=True)
    return LocalStore.open_at(
        location, "phone", clock=SystemClock(), random_bytes=random.Random(1).randbytes, committer=committer
    )


def save(store: LocalStore, key: str, size_bytes: int = 100) -> None:
    """Save a document with its pending change, as an app does."""
    document = canonical({"padding": "x" * size_bytes})
    minted = Minted(store.mint_id(), store.stamp())
    store.transact(lambda engine: record_save(engine, minted, ("notes", key), document, merge=False))


def kept(store: LocalStore) -> set[str]:
    """Return the keys that are there, having checked that each has exactly its pending change and dot."""
    assert store.verify().is_sound
    keys = [key for key, _, _ in store.list_documents("notes")]
    assert sorted(change.key for change in store.get_pending_changes()) == keys
    counters = [change.counter for change in store.view(lambda reader: reader.changes(state=None))]
    assert counters == list(range(1, len(keys) + 1))
    return set(keys)


def test_a_full_disk_is_a_typed_error_and_nothing_is_half_done(files: CrashableFiles, committer: MakeCommitter) -> None:
    """What fits later is saved without opening again: a full disk is no reason to stop."""
    store = open_store(files, committer)
    save(store, "before")
    files._disk.total_bytes_max = sum(len(body) for body in files.snapshot().files.values()) + 20_000
    with pytest.raises(StorageFullError):
        save(store, "large", size_bytes=200_000)
    assert kept(store) == {"before"}
    files._disk.total_bytes_max *= 100
    save(store, "after")
    assert kept(store) == {"before", "after"}
    store.close()


@pytest.mark.parametrize("write", range(1, 8))
def test_a_write_that_finds_the_disk_full_leaves_all_or_nothing(
    files: CrashableFiles, committer: MakeCommitter, write: int
) -> None:
    """Whichever of the writes of a commit it is."""
    store = open_store(files, committer)
    save(store, "before")
    files.fail_after(writes=write, error=apsw.FullError)
    try:
        save(store, "during")
    except StorageFullError:
        acknowledged = {"before"}
    else:
        acknowledged = {"before", "during"}
    files.fail_after()
    assert kept(store) == acknowledged
    files.power_loss()
    with open_store(files) as again:
        assert acknowledged <= kept(again) <= {"before", "during"}


def test_after_a_failed_fsync_the_store_refuses_to_write_until_it_is_opened_again(
    files: CrashableFiles, committer: MakeCommitter
) -> None:
    """The save that met the failure is acknowledged by nobody; what was acknowledged before is all there."""
    store = open_store(files, committer)
    save(store, "before")
    files.fail_after(syncs=1)
    with pytest.raises(StorageError):
        save(store, "during")
    for _ in range(2):
        with pytest.raises(StorageError, match="open it again"):
            save(store, "after")
    files.power_loss()
    with open_store(files) as again:
        assert {"before"} <= kept(again) <= {"before", "during"}
        save(again, "after")
        assert "after" in kept(again)


@pytest.mark.parametrize("write", range(1, 8))
def test_after_a_failed_write_the_store_is_sound_when_it_is_opened_again(
    files: CrashableFiles, committer: MakeCommitter, write: int
) -> None:
    """An I/O error in any write of a commit is typed, and the acknowledged saves stay."""
    store = open_store(files, committer)
    save(store, "before")
    files.fail_after(writes=write, error=apsw.IOError)
    acknowledged = {"before"}
    for key in ("during", "next"):
        try:
            save(store, key)
            acknowledged.add(key)
        except StorageError:
            pass
    files.power_loss()
    with open_store(files) as again:
        assert acknowledged <= kept(again) <= {"before", "during", "next"}


@pytest.mark.parametrize("seed", range(12))
def test_every_acknowledged_save_survives_power_loss(seed: int) -> None:
    """At any write, torn or scattered, with documents and changes together."""
    rng = random.Random(seed)
    acknowledged: set[str] = set()
    with CrashableFiles("losing", rng) as files:
        for life in range(3):
            store = open_store(files)
            assert acknowledged <= kept(store)
            files.fail_after(writes=rng.randrange(5, 60))
            for number in range(20):
                try:
                    save(store, f"{life}-{number:02}", size_bytes=rng.randrange(3000))
                except StorageError:
                    break
                acknowledged.add(f"{life}-{number:02}")
            rng.choice([files.power_loss, files.kill])()
        with open_store(files) as store:
            assert acknowledged <= kept(store)


def test_a_full_disk_takes_back_only_the_work_that_met_it(files: CrashableFiles) -> None:
    """Its neighbours in the group are saved, or told the same."""
    store = open_store(files, ThreadCommitter)
    save(store, "before")
    files._disk.total_bytes_max = sum(len(body) for body in files.snapshot().files.values()) + 30_000

    large = Raw(b'{"x":"%s"}' % (b"x" * 100_000))

    def too_large(engine: StorageEngine) -> None:
        for number in range(40):
            engine.put_documents("other", [(f"k{number}", large, Raw(b"{}"), "")])

    with pytest.raises(StorageFullError):
        store.transact(too_large)
    save(store, "after")
    assert kept(store) == {"before", "after"}
    files._disk.total_bytes_max *= 100
    store.close()


@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError])
def test_a_disk_that_fails_at_the_end_takes_nothing_that_was_saved(
    files: CrashableFiles, committer: MakeCommitter, error: type[apsw.Error]
) -> None:
    """The log is folded into the file by the next opening; the error must not say that nothing was written."""
    store = open_store(files, committer)
    save(store, "one", size_bytes=50_000)
    files.fail_after(writes=3, error=error)
    with pytest.raises(StorageError, match="while it was closed; nothing that was saved is lost") as raised:
        store.close()
    assert isinstance(raised.value, StorageFullError) == (error is apsw.FullError)
    with open_store(files, committer) as again:
        assert kept(again) == {"one"}
        save(again, "two")
        assert kept(again) == {"one", "two"}


def test_a_store_that_cannot_be_made_is_a_typed_error(files: CrashableFiles) -> None:
    """The disk may fail in the middle of making the tables; the next try succeeds."""
    for write in (1, 3, 5):
        files.fail_after(writes=write, error=apsw.FullError)
        with pytest.raises(StorageError):
            open_store(files)
    files.fail_after()
    with open_store(files) as store:
        assert kept(store) == set()


def test_an_error_of_sqlite_never_reaches_the_caller_bare(tmp_path: Path) -> None:
    """Not even for a query that no store makes."""
    with LocalStore.open(tmp_path / "store.db", "phone", durability="normal") as store:
        with pytest.raises(StorageError):
            store.transact(lambda engine: engine._do("SELECT nonsense"))  # type: ignore[attr-defined]
        with pytest.raises(StorageError):
            store.view(lambda reader: reader._all("SELECT nonsense"))  # type: ignore[attr-defined]
        with pytest.raises(StorageError):
            store.scan(lambda reader: reader._all("SELECT nonsense"))  # type: ignore[attr-defined]
