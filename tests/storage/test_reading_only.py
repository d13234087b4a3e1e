"""A store that another process has open can be read, and only read."""

import subprocess
import sys
from pathlib import Path

import pytest

from solidb_sync import LocalStore, StorageError, StoreLockedError
from solidb_sync.storage.records import StoredRow

COMMITS_MAX = 200_000
"""The reader ends long before; if it does not, it sees no commits."""
READS_THAT_DIFFER = 50


pytestmark = pytest.mark.parametrize("engine", ["sqlite", "rocksdb"])


def test_what_the_other_commits_is_seen_and_nothing_can_be_written(tmp_path, engine):
    with LocalStore.open(tmp_path / "store.db", "phone", engine=engine) as writer:
        writer.put_document("users", "u1", {"a": 1}, {"server": 1})
        with LocalStore.open_for_reading(tmp_path / "store.db", "phone") as reader:
            writer.put_document("users", "u2", {"a": 2}, {"server": 2})
            assert [key for key, _, _ in reader.list_documents("users")] == ["u1", "u2"]
            assert reader.verify().is_sound
            with pytest.raises(StoreLockedError, match="open for reading only"):
                reader.put_document("users", "u3", {}, {})
            with pytest.raises(StoreLockedError):
                reader.create_index("users", "a")
        writer.put_document("users", "u3", {}, {})


def test_a_store_can_be_read_while_nobody_has_it_open(tmp_path, engine):
    LocalStore.open(tmp_path / "store.db", "phone", engine=engine).close()
    with LocalStore.open_for_reading(tmp_path / "store.db", "phone") as reader:
        assert reader.list_collections() == []


def test_another_devices_store_and_none_at_all_are_refused(tmp_path, engine):
    with pytest.raises(StorageError, match="there is no store"):
        LocalStore.open_for_reading(tmp_path / "store.db", "phone")
    assert list(tmp_path.iterdir()) == []
    with (
        LocalStore.open(tmp_path / "store.db", "phone", engine=engine),
        pytest.raises(StorageError, match="belongs to the device 'phone'"),
    ):
        LocalStore.open_for_reading(tmp_path / "store.db", "laptop")


def test_read_only_is_the_same_and_refuses_another_engine(tmp_path, engine):
    other = {"sqlite": "rocksdb", "rocksdb": "sqlite"}[engine]
    path = tmp_path / "store.db"
    with LocalStore.open(path, "phone", engine=engine) as writer:
        writer.put_document("users", "u1", {"a": 1}, {})
        with LocalStore.open(path, "phone", engine=engine, read_only=True) as reader:
            assert reader.get_document("users", "u1") is not None
        with pytest.raises(StorageError, match=f"made with the engine '{engine}', not with '{other}'"):
            LocalStore.open(path, "phone", engine=other, read_only=True)


def test_a_reader_in_another_process_sees_whole_commits_while_the_writer_goes_on(tmp_path, engine):
    """Every commit writes one number into two documents; whoever sees two numbers sees a part of a commit."""
    path = str(tmp_path / "store.db")
    with LocalStore.open(path, "phone", engine=engine) as writer:
        writer.transact(lambda transaction: _write_pair(transaction, 0))
        command = [sys.executable, str(Path(__file__).with_name("child_that_reads.py")), path, engine]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            number = 0
            assert child.stdout.readline() == "open\n"
            while child.poll() is None and number < COMMITS_MAX:
                number += 1
                writer.transact(lambda transaction, number=number: _write_pair(transaction, number))
            seen = child.stdout.read().split()
        assert child.returncode == 0, seen
    assert int(seen[-1]) >= READS_THAT_DIFFER


def _write_pair(transaction, number):
    for key in ("left", "right"):
        transaction.put_row("pairs", key, StoredRow(f'{{"n":{number},"padding":"{"x" * 500}"}}', "{}", ""))
