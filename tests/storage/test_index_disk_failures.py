"""Building an index on a disk that fills up, or loses its power: the whole index or none, and nothing else is harmed."""

import random
from collections.abc import Callable, Iterator

import apsw
import pytest
from msgspec import Raw

from solidb_sync.clock import SystemClock
from solidb_sync.errors import StorageError, StorageFullError
from solidb_sync.storage.committer import Committer, InlineCommitter, ThreadCommitter, Transactions
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.records import IndexDefinition
from solidb_sync.storage.sqlite.connection import CACHE_KIB, FileLocation
from solidb_sync.testing.crashable_files import CrashableFiles

MakeCommitter = Callable[[Transactions], Committer]
NAME = IndexDefinition("users", "name")


@pytest.fixture
def files() -> Iterator[CrashableFiles]:
    """Return one device's files."""
    with CrashableFiles("index-disk", random.Random(7)) as files:
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


def fill(store: LocalStore, count: int, name_characters: int) -> None:
    """Store so many users with names of a length."""
    rows = [(f"u{at}", Raw(f'{{"name":"{at:0{name_characters}}"}}'.encode()), Raw(b"{}"), "") for at in range(count)]
    store.transact(lambda engine: engine.put_documents("users", rows))


def is_whole_or_not_there(store: LocalStore, count: int) -> bool:
    """Check that the store is sound; return whether the index is there."""
    assert store.verify().is_sound
    assert len(store.list_documents("users")) == count
    assert store.list_indexes() in ([], [NAME])
    return store.list_indexes() == [NAME]


@pytest.mark.parametrize("write", range(1, 40, 3))
def test_a_disk_that_fills_up_while_an_index_is_built_leaves_none_and_the_store_in_use(
    files: CrashableFiles, committer: MakeCommitter, write: int
) -> None:
    """Whichever write it is; when there is room again it is built."""
    store = open_store(files, committer)
    fill(store, 2_000, 40)
    files.fail_after(writes=write, error=apsw.FullError)
    with pytest.raises(StorageFullError):
        store.create_index("users", "name")
    files.fail_after()
    assert not is_whole_or_not_there(store, 2_000)
    store.create_index("users", "name")
    assert is_whole_or_not_there(store, 2_000)
    store.close()


def test_an_index_larger_than_the_memory_for_pages_that_meets_a_full_disk_leaves_the_store_in_use(
    files: CrashableFiles, committer: MakeCommitter
) -> None:
    """It is written before the commit, and the failure takes the whole transaction back."""
    count, name_characters = 12_000, 2_000
    assert count * name_characters > CACHE_KIB * 1024
    store = open_store(files, committer)
    fill(store, count, name_characters)
    files._disk.total_bytes_max = sum(len(body) for body in files.snapshot().files.values()) + 1_000_000
    with pytest.raises(StorageFullError):
        store.create_index("users", "name")
    files._disk.total_bytes_max *= 10
    assert store.list_indexes() == []
    store.put_document("users", "u1", {"name": "x"}, {})
    store.close()


@pytest.mark.parametrize("write", range(1, 40, 3))
def test_power_that_goes_while_an_index_is_built_leaves_the_whole_index_or_none(files: CrashableFiles, write: int) -> None:
    """Whichever write was the last to begin."""
    store = open_store(files)
    fill(store, 2_000, 40)
    files.fail_after(writes=write)
    with pytest.raises(StorageError):
        store.create_index("users", "name")
    files.fail_after()
    files.power_loss()
    with open_store(files) as again:
        is_whole_or_not_there(again, 2_000)
        again.create_index("users", "name")
        assert is_whole_or_not_there(again, 2_000)


@pytest.mark.parametrize("seed", range(5))
def test_an_index_that_was_answered_for_survives_a_power_loss(seed: int) -> None:
    """As every answered write does."""
    with CrashableFiles(f"index-power-{seed}", random.Random(seed)) as files:
        store = open_store(files)
        fill(store, 500, 40)
        store.create_index("users", "name")
        files.power_loss()
        with open_store(files) as again:
            assert is_whole_or_not_there(again, 500)
