"""Many threads may share a store; a forked process may not use the one it was born with."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from solidb_sync.json_value import canonical
from solidb_sync.storage.edits import Minted, record_save
from solidb_sync.storage.local_store import LocalStore

THREADS, SAVES = 12, 15
can_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork()")
engines = pytest.mark.parametrize("engine", ["sqlite", "rocksdb", "memory"])
on_disk = pytest.mark.parametrize("engine", ["sqlite", "rocksdb"])


def save(store: LocalStore, key: str, document: dict[str, int]) -> None:
    minted = Minted(store.mint_id(), store.stamp())
    store.transact(lambda engine: record_save(engine, minted, ("notes", key), canonical(document), merge=False))


@engines
def test_many_threads_share_a_store(tmp_path: Path, engine: str) -> None:
    """Every save is there once, dots have no gaps, and nobody ever saw a document without its change."""
    problems: list[str] = []
    with LocalStore.open(tmp_path / "store", "phone", engine=engine, durability="normal") as store:

        def work(number: int) -> None:
            for at in range(SAVES):
                save(store, f"k{number}-{at}", {"n": at})
                if store.get_document("notes", f"k{number}-{at}") is None:
                    problems.append("a save that has returned is not seen")
                documents, changes = store.scan(
                    lambda reader: (sum(1 for _ in reader.live_rows("notes")), len(reader.changes(state=None)))
                )
                if documents != changes:
                    problems.append(f"{documents} documents with {changes} changes")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        assert len(store.list_documents("notes")) == THREADS * SAVES
        counters = [change.counter for change in store.view(lambda reader: reader.changes(state=None))]
        assert counters == list(range(1, THREADS * SAVES + 1))
        assert store.verify().is_sound


def in_a_child(work: Callable[[], None]) -> str:
    """Run `work` in a forked process that ends as Python ends; return what it raised."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        try:
            work()
            text = "nothing"
        except BaseException as problem:  # noqa: BLE001 - told to the parent
            text = f"{type(problem).__name__}: {problem}"
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        text = told.read()
    os.waitpid(process, 0)
    return text


@can_fork
@engines
@pytest.mark.parametrize(
    "use",
    [
        lambda store: store.get_document("notes", "k"),
        lambda store: store.list_documents("notes"),
        lambda store: store.put_document("notes", "k", {}, {}),
        lambda store: store.get_pending_changes(),
        lambda store: store.verify(),
    ],
    ids=["view", "scan", "transact", "changes", "verify"],
)
def test_a_store_used_after_a_fork_says_so(tmp_path: Path, engine: str, use: Callable[[LocalStore], object]) -> None:
    """Every way in, at once: the child neither waits for threads that are not there nor touches the files."""
    with LocalStore.open(tmp_path / "store", "phone", engine=engine, durability="normal") as store:
        store.put_document("notes", "k", {"n": 1}, {})
        told = in_a_child(lambda: use(store) and None)
        assert told.startswith("StorageError: "), told
        assert f"opened by process {os.getpid()} and used by process" in told
        store.put_document("notes", "k", {"n": 2}, {})
        assert store.get_document("notes", "k") == ({"n": 2}, {})


@can_fork
def test_a_process_forked_from_one_that_uses_rocksdb_is_refused_another_store_of_it(tmp_path: Path) -> None:
    """At once, where the library would wait for ever; a store of another engine it can open."""
    LocalStore.open(tmp_path / "one", "phone", engine="rocksdb").close()
    told = in_a_child(lambda: LocalStore.open(tmp_path / "two", "phone", engine="rocksdb") and None)
    assert told.startswith("StorageError: engine: 'rocksdb' can't be used by process"), told
    assert in_a_child(lambda: LocalStore.open(tmp_path / "three", "phone").close()) == "nothing"


@can_fork
@on_disk
def test_what_a_forked_process_closes_and_forgets_stays_open_in_the_other(tmp_path: Path, engine: str) -> None:
    """It may leave the `with` block it was born in, and end; the parent writes on, and what it wrote is sound."""
    path = tmp_path / "store"
    store = LocalStore.open(path, "phone", engine=engine)
    store.put_document("notes", "a", {"n": 1}, {})
    process = os.fork()
    if process == 0:
        code = 1
        try:
            store.close()
            del store
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    store.put_document("notes", "b", {"n": 2}, {})
    store.close()
    with LocalStore.open(path, "phone", engine=engine) as again:
        assert [key for key, _, _ in again.list_documents("notes")] == ["a", "b"]
        assert again.verify().is_sound


@can_fork
@on_disk
def test_a_forked_process_does_not_keep_the_lock(tmp_path: Path, engine: str) -> None:
    """When the one that opened the store closes it, the next can open it, though the child lives on."""
    path = tmp_path / "store"
    store = LocalStore.open(path, "phone", engine=engine)
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    try:
        store.close()
        LocalStore.open(path, "phone", engine=engine).close()
    finally:
        os.close(writing)
        os.waitpid(process, 0)


@can_fork
@on_disk
def test_a_forked_process_that_ends_as_python_ends_leaves_the_files_alone(tmp_path: Path, engine: str) -> None:
    """Python forgets all objects at its end, and forgetting a database closes it; not in a child."""
    script = f"""
import os
from solidb_sync.storage.local_store import LocalStore
store = LocalStore.open({str(tmp_path / "store")!r}, "phone", engine={engine!r})
for number in range(50):
    store.put_document("notes", str(number), {{}}, {{}})
before = sorted((entry.name, entry.stat().st_size) for entry in os.scandir({str(tmp_path)!r}))
if process := os.fork():
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 7
    assert before == sorted((entry.name, entry.stat().st_size) for entry in os.scandir({str(tmp_path)!r}))
    store.put_document("notes", "last", {{}}, {{}})
    store.close()
    print("done")
else:
    raise SystemExit(7)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.stdout, ended.stderr) == ("done\n", "")
    with LocalStore.open(tmp_path / "store", "phone", engine=engine) as store:
        assert len(store.list_documents("notes")) == 51
