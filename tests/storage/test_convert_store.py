"""A store moves to another engine with everything in it, and at no moment can two copies of it be written."""

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from solidb_sync.errors import ConfigError, EncryptionError, StorageCorruptError, StorageError, StoreLockedError
from solidb_sync.json_value import canonical
from solidb_sync.model.crdt.counter import Counter
from solidb_sync.model.crdt.field_states import states_text
from solidb_sync.storage import convert_store as conversion
from solidb_sync.storage.attachments import add_chunks, begin_put
from solidb_sync.storage.convert_store import convert_store
from solidb_sync.storage.edits import Minted, record_delete, record_save
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.moved_store import read_note
from solidb_sync.storage.outbox import next_batch
from solidb_sync.storage.records import (
    ChangeState,
    IndexDefinition,
    Mark,
    StoredConflict,
    StoredStates,
    Subscription,
)
from solidb_sync.storage.store_content import content_of, differences

COUNTED = states_text({("n",): Counter(0, {"phone": (3, 0)})})
CHILD = Path(__file__).with_name("child_that_converts.py")
SECONDS_MAX = 30
LOOKS_MAX = 120
"""A conversion looks at the file system far less often."""

both_ways = pytest.mark.parametrize(("engine", "other"), [("sqlite", "rocksdb"), ("rocksdb", "sqlite")])


def fill(store: LocalStore) -> None:
    """Leave something of every kind: synced, pending, held and refused edits, a tombstone, and all the books."""
    store.put_document("notes", "synced", {"a": [1, 1.0, None, "é\x00"]}, {"server": 1})
    store.delete_document("notes", "gone", {"server": 2})
    store.put_document("empty", "k", {}, {})
    for number in range(6):
        minted = Minted(store.mint_id(), store.stamp())
        store.transact(
            lambda engine, minted=minted, number=number: record_save(
                engine, minted, ("notes", f"k{number}"), canonical({"n": number}), merge=False
            )
        )
    minted = Minted(store.mint_id(), store.stamp())
    store.transact(lambda engine: record_delete(engine, minted, ("notes", "synced")))
    store.transact(_books)


def _books(engine: StorageEngine) -> None:
    held, refused, *_ = engine.changes(state=ChangeState.PENDING)
    engine.replace_change(replace(held, state=ChangeState.HELD))
    engine.replace_change(replace(refused, state=ChangeState.REJECTED, reason="too large"))
    engine.put_subscription(Subscription("notes", "doc.n > @n", {"n": 1}))
    engine.put_backfill("empty", -1)
    engine.put_states("notes", "k3", StoredStates("", COUNTED))
    engine.put_index(IndexDefinition("notes", "n"))
    engine.put_setting("strategy", '"manual"')
    add_chunks(engine, begin_put(engine, "chunks-1"), 0, [b"abc", b"\0\xff"])
    engine.mark(Mark.LEAVING, "notes", "k4")
    for name, status in (("z", "pending"), ("a", "resolved"), ("m", "pending")):
        engine.put_conflict(StoredConflict(name, "notes", "k", "c", status, "lww", "", "[]", "{}", "{}", "{}", "now"))
    engine.save_replica(replace(engine.replica(), incarnation=2, cursor=77, settled=1, epoch="e", covered=("notes",)))


def content(path: Path, engine: str) -> list[Any]:
    with LocalStore.open_for_reading(path, "phone") as store:
        return store.scan(lambda reader: list(content_of(reader)))


@pytest.fixture
def source(tmp_path: Path, engine: str) -> Path:
    """Return a closed store with something of everything."""
    path = tmp_path / "old"
    with LocalStore.open(path, "phone", engine=engine) as store:
        fill(store)
    return path


@both_ways
def test_everything_comes_along(tmp_path: Path, source: Path, engine: str, other: str) -> None:
    """Rows, base copies, changes in every state with their ids, states, books, who the device is and how far it has got."""
    before = content(source, engine)
    converted = convert_store(str(source), str(tmp_path / "new"), other)
    assert content(tmp_path / "new", other) == before
    assert content(source, engine) == before
    assert (converted.records, converted.device_id) == (len(before), "phone")
    with LocalStore.open(tmp_path / "new", "phone", engine=other) as store:
        assert store.verify().is_sound
        assert store.view(lambda reader: reader.replica()).incarnation == 2
        assert store.view(lambda reader: reader.keys_with(IndexDefinition("notes", "n"), 5)) == ["k5"]
        assert [entry.id for entry in store.view(lambda reader: reader.open_conflicts())] == ["z", "m"]
    kept = {"old", "old.lock", "old.moved", "new", "new.lock"}
    assert {path.name for path in tmp_path.iterdir()} - {"old-wal", "old-shm"} == kept


@both_ways
def test_the_new_store_goes_on_where_the_old_one_stood(tmp_path: Path, source: Path, engine: str, other: str) -> None:
    """The next edit has the next number, and what was pending is sent and settled."""
    with LocalStore.open_for_reading(source, "phone") as store:
        replica = store.view(lambda reader: reader.replica())
    convert_store(str(source), str(tmp_path / "new"), other)
    with LocalStore.open(tmp_path / "new", "phone", engine=other) as store:
        minted = Minted(store.mint_id(), store.stamp())
        store.transact(lambda engine: record_save(engine, minted, ("notes", "x"), canonical({}), merge=False))
        change = store.view(lambda reader: reader.changes(state=None))[-1]
        assert (change.actor, change.counter, change.id) == ("phone~2", replica.counter + 1, replica.last_change + 1)
        batch = store.view(lambda reader: next_batch(reader, count=100))
        assert batch.changes[-1].change_id == minted.change_id


@both_ways
def test_the_old_store_can_be_read_and_not_written_any_more(tmp_path: Path, source: Path, engine: str, other: str) -> None:
    """The error names the new one; whoever deletes the note has been told what that means."""
    convert_store(str(source), str(tmp_path / "new"), other)
    with pytest.raises(StorageError, match=rf"moved to {tmp_path / 'new'} .*engine='{other}'"):
        LocalStore.open(source, "phone", engine=engine)
    LocalStore.open(source, "phone", engine=engine, read_only=True).close()
    with pytest.raises(StorageError, match="was moved to"):
        convert_store(str(source), str(tmp_path / "third"), other)
    Path(f"{source}.moved").unlink()
    LocalStore.open(source, "phone", engine=engine).close()


@both_ways
def test_what_is_converted_back_is_as_it_was(tmp_path: Path, source: Path, engine: str, other: str) -> None:
    before = content(source, engine)
    convert_store(str(source), str(tmp_path / "new"), other)
    convert_store(str(tmp_path / "new"), str(tmp_path / "back"), engine)
    assert content(tmp_path / "back", engine) == before


@both_ways
def test_a_conversion_in_many_transactions_is_the_same(
    tmp_path: Path, source: Path, engine: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "ROWS_PER_TRANSACTION", 2)
    before = content(source, engine)
    convert_store(str(source), str(tmp_path / "new"), other)
    assert content(tmp_path / "new", other) == before


@both_ways
def test_a_store_in_use_is_refused(tmp_path: Path, source: Path, engine: str, other: str) -> None:
    with LocalStore.open(source, "phone", engine=engine), pytest.raises(StoreLockedError):
        convert_store(str(source), str(tmp_path / "new"), other)
    assert not (tmp_path / "new").exists()


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    LocalStore.open(tmp_path / "old", "phone").close()
    with pytest.raises(StorageError, match="there is no store"):
        convert_store(str(tmp_path / "none"), str(tmp_path / "new"), "rocksdb")
    with pytest.raises(StorageError, match="exists already"):
        convert_store(str(tmp_path / "old"), str(tmp_path), "rocksdb")
    with pytest.raises(ConfigError, match="is not one of sqlite, rocksdb"):
        convert_store(str(tmp_path / "old"), str(tmp_path / "new"), "memory")
    assert not list(tmp_path.glob("new*"))


def test_an_encrypted_store_is_refused(tmp_path: Path) -> None:
    """Its copy would be readable; nothing is made."""
    LocalStore.open(tmp_path / "old", "phone", encryption_key="a passphrase").close()
    with pytest.raises(EncryptionError):
        convert_store(str(tmp_path / "old"), str(tmp_path / "new"), "rocksdb")
    assert not list(tmp_path.glob("new*"))


@both_ways
def test_a_copy_that_differs_is_thrown_away(
    tmp_path: Path, source: Path, engine: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the reason: here, one document is written with another body."""
    copy = conversion.copy_records

    def copy_wrongly(reader: Any, target: StorageEngine, pause: Callable[[], None]) -> None:
        copy(reader, target, pause)
        row = target.row("notes", "k5")
        assert row is not None
        target.put_row("notes", "k5", replace(row, body='{"n":6}'))

    monkeypatch.setattr(conversion, "copy_records", copy_wrongly)
    before = content(source, engine)
    with pytest.raises(StorageCorruptError, match=r"notes/k5: the copy has notes/k5 with another content"):
        convert_store(str(source), str(tmp_path / "new"), other)
    assert content(source, engine) == before
    assert {path.name for path in tmp_path.iterdir()} - {"old-wal", "old-shm"} <= {"old", "old.lock"}
    LocalStore.open(source, "phone", engine=engine).close()


def dying_at(look: int, source: Path, target: Path, engine: str) -> int:
    """Convert in a process that dies at its n-th change of names; return its exit code, 0 at the end."""
    command = [sys.executable, str(CHILD), str(look), str(source), str(target), engine]
    return subprocess.run(command, timeout=SECONDS_MAX, check=False).returncode


def writable(places: dict[Path, str]) -> list[Path]:
    """Return those stores that open for writing."""
    found = []
    for path, engine in places.items():
        if path.exists() and read_note(str(path)) is None:
            LocalStore.open(path, "phone", engine=engine).close()
            found.append(path)
        elif path.exists():
            with pytest.raises(StorageError, match="was moved to"):
                LocalStore.open(path, "phone", engine=engine)
    return found


@both_ways
def test_a_conversion_that_dies_anywhere_is_run_again(tmp_path: Path, source: Path, engine: str, other: str) -> None:
    """At every file made, renamed or removed: the old one is whole, never two can be written, and again is enough."""
    before, target = content(source, engine), tmp_path / "new"
    deaths = 0
    for event in range(1, LOOKS_MAX):
        code = dying_at(event, source, target, other)
        assert code in (0, 9)
        assert content(source, engine) == before
        can_write = writable({source: engine, target: other})
        assert len(can_write) <= 1
        if code == 0:
            assert can_write == [target]
            break
        deaths += 1
        if target.exists():
            assert content(target, other) == before
            for path in tmp_path.glob("new*"):
                conversion.remove_store(str(path))
            Path(f"{source}.moved").unlink()
    assert deaths > 3
    assert content(target, other) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda engine: engine.put_row("notes", "k5", replace(engine.row("notes", "k5"), stamp="later")),
        lambda engine: engine.drop_row("empty", "k"),
        lambda engine: engine.add_collection("another"),
        lambda engine: engine.drop_base("notes", "synced"),
        lambda engine: engine.put_states("notes", "k3", None),
        lambda engine: engine.replace_change(replace(engine.changes(state=None)[0], reason="other")),
        lambda engine: engine.drop_changes([engine.changes(state=None)[-1].id]),
        lambda engine: engine.drop_subscription("notes"),
        lambda engine: engine.put_backfill("empty", 3),
        lambda engine: engine.drop_index("notes", "n"),
        lambda engine: engine.put_setting("strategy", '"custom"'),
        lambda engine: engine.clear_marks(Mark.LEAVING),
        lambda engine: engine.put_conflict(replace_status(engine.conflict("m"))),
        lambda engine: engine.next_dot(),
        lambda engine: engine.put_chunk("chunks-1", 1, b"\0\xfe"),
        lambda engine: engine.drop_blob(engine.blobs()[0].name),
    ],
)
def test_two_stores_that_differ_in_one_record_are_told_apart(tmp_path: Path, change: Callable[[Any], object]) -> None:
    """Whatever record it is, and whether it is missing or other."""
    with LocalStore.open(tmp_path / "a", "phone") as one:
        fill(one)
        one.backup(tmp_path / "b")
        with LocalStore.open(tmp_path / "b", "phone") as two:
            assert one.view(lambda reader: two.view(lambda other: differences(reader, other)))[1] == []
            two.transact(change)
            assert one.view(lambda reader: two.view(lambda other: differences(reader, other)))[1] != []


def replace_status(conflict: StoredConflict | None) -> StoredConflict:
    assert conflict is not None
    return dataclasses.replace(conflict, status="resolved")
