"""Real processes and real files: what was acknowledged survives `kill -9`, and only one process writes."""

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from solidb_sync.errors import StoreLockedError
from solidb_sync.storage.local_store import LocalStore

pytestmark = pytest.mark.parametrize("engine", ["sqlite", "rocksdb"])

CHILD = Path(__file__).with_name("child_that_saves.py")
LIVES = 4


@contextmanager
def saving_child(store: Path, engine: str, first: int = 0) -> Iterator[subprocess.Popen[str]]:
    """Start a process that saves for ever, wait until it has the store open, and kill it in the end."""
    command = [sys.executable, str(CHILD), str(store), "phone", str(first), engine]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == "open\n"
            yield child
        finally:
            child.kill()


def saves_until_killed(store: Path, engine: str, first: int, acknowledged: int) -> list[tuple[str, int]]:
    """Let a process save, kill it -9 after so many acknowledgements, and return all it has printed."""
    with saving_child(store, engine, first) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(acknowledged)]
        child.kill()
        lines += child.stdout.readlines()
    return [(key, int(version)) for key, version in (line.split() for line in lines if line.endswith("\n"))]


@pytest.mark.parametrize("seed", [1, 2])
def test_every_acknowledged_save_survives_kill_9_with_its_pending_change(tmp_path: Path, engine: str, seed: int) -> None:
    """Exactly one change for each save, over several lives of one store; documents and changes always go together."""
    rng = random.Random(seed)
    path = tmp_path / "store.db"
    acknowledged: list[tuple[str, int]] = []
    for life in range(LIVES):
        acknowledged += saves_until_killed(path, engine, life * 10_000, rng.randrange(1, 60))
        with LocalStore.open(path, "phone", engine=engine) as store:
            changes = store.get_pending_changes()
            rows = {key: document for key, document, _ in store.list_documents("notes")}
            assert store.verify().is_sound
        saved = Counter((change.key, change.data["version"]) for change in changes if change.data)
        assert set(saved.values()) == {1}
        assert set(acknowledged) <= saved.keys()
        assert {key: max(version for k, version in saved if k == key) for key, _ in saved} == {
            key: document["version"] for key, document in rows.items()
        }
        assert len({change.change_id for change in changes}) == len(changes)
    assert len(acknowledged) >= LIVES


def test_dots_have_no_gaps_after_kills(tmp_path: Path, engine: str) -> None:
    """The counter is in the transaction of the change it numbers."""
    path = tmp_path / "store.db"
    for life in range(2):
        saves_until_killed(path, engine, life * 10_000, 20)
    with LocalStore.open(path, "phone", engine=engine) as store:
        counters = [change.counter for change in store.view(lambda reader: reader.changes(state=None))]
        assert counters == list(range(1, len(counters) + 1))
        assert store.view(lambda reader: reader.replica()).counter == len(counters)


def test_a_second_process_is_refused_by_the_number_of_the_first_and_let_in_after_kill_9(tmp_path: Path, engine: str) -> None:
    """The lock is the system's: it ends with the process, however that ends."""
    path = tmp_path / "store.db"
    with saving_child(path, engine) as child:
        with pytest.raises(StoreLockedError, match=rf"{path}: process {child.pid} "):
            LocalStore.open(path, "phone", engine=engine)
        child.kill()
        child.wait()
        with LocalStore.open(path, "phone", engine=engine) as store:
            assert store.verify().is_sound


def test_a_store_is_refused_to_a_second_opener_in_the_same_process_until_it_is_closed(tmp_path: Path, engine: str) -> None:
    """Two writing engines over one file would not know of each other."""
    path = tmp_path / "store.db"
    with LocalStore.open(path, "phone", engine=engine) as store:
        store.put_document("notes", "k", {}, {})
        with pytest.raises(StoreLockedError, match="process"):
            LocalStore.open(path, "phone", engine=engine)
        store.put_document("notes", "l", {}, {})
    with LocalStore.open(path, "phone", engine=engine) as store:
        assert len(store.list_documents("notes")) == 2


def test_a_store_that_was_refused_leaves_the_lock_free(tmp_path: Path, engine: str) -> None:
    """The wrong device fails, and the right one can open at once."""
    path = tmp_path / "store.db"
    LocalStore.open(path, "phone", engine=engine).close()
    for _ in range(2):
        with pytest.raises(Exception, match="belongs to the device 'phone'"):
            LocalStore.open(path, "laptop", engine=engine)
        LocalStore.open(path, "phone", engine=engine).close()
