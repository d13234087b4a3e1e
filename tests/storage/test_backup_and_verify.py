"""A backup equals the store it was made of; `verify` names what is damaged."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec import Raw
from msgspec.structs import replace

from solidb_sync.errors import StorageError
from solidb_sync.json_value import canonical
from solidb_sync.storage.edits import Minted, record_delete, record_save
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.new_store import made_aside
from solidb_sync.storage.records import StoredConflict
from solidb_sync.storage.stored_engine import stored_engine
from store_sql import sql_in

CONFLICT = StoredConflict("x1", "notes", "a", "c1", "open", "lww", "remote", "[]", "{}", "{}", "{}", "2024-01-15")


CHILD = Path(__file__).with_name("child_that_backs_up.py")


def save(store: LocalStore, key: str, body: dict[str, object]) -> None:
    """Save a document with its pending change."""
    minted = Minted(store.mint_id(), store.stamp())
    store.transact(lambda engine: record_save(engine, minted, ("notes", key), canonical(body), merge=False))


def fill(store: LocalStore) -> None:
    """Put something of every kind into a store."""
    store.put_document("notes", "a", {"v": 1}, {"server": 1})
    store.put_document("notes", "b", {"v": 1.0}, {"server": 2})
    store.put_document("notes", "synced", {"v": "é"}, {"server": 3})
    store.delete_document("others", "gone", {"server": 4})
    save(store, "gone again", {"v": 0})
    store.mark_change_synced(store.get_pending_changes()[-1].id)
    save(store, "a", {"v": 2})
    save(store, "new", {"v": 3})
    minted = Minted(store.mint_id(), store.stamp())
    store.transact(lambda engine: record_delete(engine, minted, ("notes", "b")))
    store.add_subscription("notes", "doc.v > @x", {"x": 0})
    store.transact(lambda engine: engine.put_backfill("others", 7))
    store.transact(lambda engine: engine.put_conflict(CONFLICT))


def everything(engine: StorageEngine) -> dict[str, object]:
    """Return all that a store holds."""
    return {
        "replica": engine.replica(),
        "rows": [(name, list(engine.all_rows(name))) for name in engine.collections()],
        "bases": sorted(engine.bases(), key=lambda found: found[:2]),
        "changes": engine.changes(state=None),
        "subscriptions": engine.subscriptions(),
        "backfills": engine.backfills(),
        "conflicts": engine.conflicts(),
        "unseen": sorted(engine.unseen()),
    }


@pytest.fixture(params=["sqlite", "memory", "rocksdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalStore]:
    """Return a filled store of either engine."""
    with LocalStore.open(tmp_path / "store.db", "phone", engine=request.param, durability="normal") as store:
        fill(store)
        yield store


def open_copy(path: Path) -> LocalStore:
    """Open a backup with the engine it has."""
    return LocalStore.open(path, "phone", engine=stored_engine(str(path)) or "none was made")


@pytest.fixture
def planted(tmp_path: Path) -> Callable[..., tuple[str, ...]]:
    """Return a function that damages a closed store with a statement, and returns what `verify` says then."""
    path = tmp_path / "store.db"
    with LocalStore.open(path, "phone", durability="normal") as store:
        fill(store)

    def plant(statement: str, *parameters: object) -> tuple[str, ...]:
        with sql_in(path) as connection:
            connection.execute("PRAGMA writable_schema = ON").fetchall()
            connection.execute(statement, parameters).fetchall()
            assert connection.changes() > 0
        with LocalStore.open(path, "phone") as store:
            report = store.verify()
            assert not report.is_sound
            return report.problems

    return plant


def test_a_backup_opens_as_a_store_and_equals_it(store: LocalStore, tmp_path: Path) -> None:
    """Rows, base copies, changes with their ids, subscriptions, cursors, conflicts, and who it is."""
    store.backup(tmp_path / "copy.db")
    with open_copy(tmp_path / "copy.db") as copy:
        assert copy.transact(everything) == store.transact(everything)
        assert copy.verify().is_sound


def test_a_backup_made_during_a_resync_knows_what_has_not_been_seen(store: LocalStore, tmp_path: Path) -> None:
    """Otherwise a store restored from it would keep what the server has purged; it may begin the resync again."""

    def begin(engine: StorageEngine) -> set[tuple[str, str]]:
        engine.save_replica(replace(engine.replica(), is_resyncing=True, cursor=9))
        engine.mark_all_unseen()
        engine.mark_seen("notes", "synced")
        return set(engine.unseen())

    unseen = store.transact(begin)
    store.backup(tmp_path / "copy.db")
    with open_copy(tmp_path / "copy.db") as copy:
        found = copy.transact(lambda engine: set(engine.unseen()))
        replica = copy.view(lambda reader: reader.replica())
    assert replica.is_resyncing
    assert found == (unseen if replica.cursor == 9 else {*unseen, ("notes", "synced")})


def test_the_next_change_in_a_backup_gets_an_id_no_change_of_the_store_had(store: LocalStore, tmp_path: Path) -> None:
    """`mark_change_synced` with an id noted before must not hit another change."""
    newest = store.add_pending_change("notes", "k", "delete", None, {})
    store.mark_change_synced(newest)
    store.backup(tmp_path / "copy.db")
    with open_copy(tmp_path / "copy.db") as copy:
        assert copy.add_pending_change("notes", "k", "delete", None, {}) > newest


def test_a_backup_never_replaces_a_file(store: LocalStore, tmp_path: Path) -> None:
    """Not even an empty one."""
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    with pytest.raises(StorageError, match="precious: exists already"):
        store.backup(target)
    assert target.read_bytes() == b"precious"


def test_of_two_backups_to_one_place_the_later_fails_and_the_earlier_stays(store: LocalStore, tmp_path: Path) -> None:
    """The later one saw nothing there when it began; what it removes after its failure is its own."""
    target = tmp_path / "copy.db"

    def back_up_while_another_does() -> None:
        with made_aside(str(target), os.urandom) as part:
            store.backup(part)
            store.backup(target)

    with pytest.raises(StorageError, match="a backup goes to a new place"):
        back_up_while_another_does()
    assert [place.name for place in tmp_path.iterdir() if place.name.startswith("copy")] == ["copy.db"]
    with open_copy(target) as copy:
        assert copy.verify().is_sound
        assert copy.list_documents("notes") == store.list_documents("notes") != []


def outcome(store: LocalStore, target: Path, ready: threading.Barrier) -> str:
    """Return what a backup raises, the empty text when it is made."""
    ready.wait()
    try:
        store.backup(target)
    except StorageError as problem:
        return str(problem)
    return ""


def test_backups_at_the_same_moment_to_one_place_make_one_whole_copy(store: LocalStore, tmp_path: Path) -> None:
    """However their steps fall."""
    for turn in range(5):
        target, ready = tmp_path / f"copy{turn}.db", threading.Barrier(4)

        with ThreadPoolExecutor(4) as threads:
            told = sorted(future.result() for future in [threads.submit(outcome, store, target, ready) for _ in range(4)])
        assert told[0] == ""
        assert all(str(target) in problem for problem in told[1:])
        with open_copy(target) as copy:
            assert copy.list_documents("notes") == store.list_documents("notes") != []
    assert not list(tmp_path.glob("*.part"))


def test_a_backup_that_is_killed_has_no_name_and_is_no_obstacle(store: LocalStore, tmp_path: Path) -> None:
    """Half a copy under the name of a whole one would be trusted."""
    target = tmp_path / "copy.db"
    child = [sys.executable, str(CHILD), str(target)]
    with subprocess.Popen(child, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "made\n"
        process.kill()
    assert not target.exists()
    assert len(list(tmp_path.glob("copy.db.*.part"))) == 1
    store.backup(target)
    with open_copy(target) as copy:
        assert copy.list_documents("notes") == store.list_documents("notes") != []


def test_a_backup_to_where_nothing_can_be_is_a_typed_error(store: LocalStore, tmp_path: Path) -> None:
    """And the store goes on."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        store.backup(tmp_path / "file" / "copy.db")
    save(store, "later", {})


def test_a_backup_is_one_state_of_a_store_that_is_being_written(tmp_path: Path) -> None:
    """Each transaction is in it whole or not at all, though another thread never stops writing."""
    stop = threading.Event()
    with LocalStore.open(tmp_path / "store.db", "phone", durability="normal") as store:

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                rows = [(f"k{at}", Raw(b'{"n":%d}' % number), Raw(b"{}"), "") for at in range(50)]
                store.transact(lambda engine, rows=rows: engine.put_documents("notes", rows))

        writing = threading.Thread(target=write)
        writing.start()
        try:
            for number in range(5):
                while not store.get_document("notes", "k0"):
                    pass
                store.backup(tmp_path / f"copy{number}.db")
        finally:
            stop.set()
            writing.join()
    for number in range(5):
        with LocalStore.open(tmp_path / f"copy{number}.db", "phone") as copy:
            assert len({document["n"] for _, document, _ in copy.list_documents("notes")}) == 1
            assert len(copy.list_documents("notes")) == 50


def test_a_sound_store_counts_its_records(store: LocalStore) -> None:
    """Rows (tombstones too), base copies, changes, subscriptions and conflicts are all read."""
    report = store.verify()
    assert report.is_sound
    assert report.records >= 7 + 4


def test_a_body_that_is_no_document_is_named(planted: Callable[..., tuple[str, ...]]) -> None:
    """With the collection and key of its row."""
    (problem,) = planted("UPDATE c_1 SET body = jsonb('[1]') WHERE k = 'synced'")
    assert problem.startswith("notes/synced: ")


def test_a_body_that_is_not_json_is_named_and_the_rest_is_still_read(planted: Callable[..., tuple[str, ...]]) -> None:
    """One bad row must not hide another."""
    problems = planted("UPDATE c_1 SET body = x'ff00ff' WHERE k IN ('a', 'synced')")
    assert [problem.partition(": ")[0] for problem in problems] == ["notes/a", "notes/synced"]


def test_a_vector_that_is_none_is_named(planted: Callable[..., tuple[str, ...]]) -> None:
    """An array, a number of the wrong type, or no JSON at all."""
    for damage in ("[1]", '{"a":"b"}', '{"a":', "7"):
        (problem,) = planted("UPDATE c_1 SET vector = ? WHERE k = 'synced'", damage)
        assert problem.startswith("notes/synced: ")


def test_a_text_that_is_not_utf8_is_named(planted: Callable[..., tuple[str, ...]]) -> None:
    """Bits rot anywhere."""
    problems = planted("UPDATE c_1 SET vector = CAST(x'7bff7d' AS TEXT) WHERE k = 'synced'")
    assert any("notes/synced" in problem for problem in problems)


def test_a_damaged_change_is_named(planted: Callable[..., tuple[str, ...]]) -> None:
    """By its id."""
    (problem,) = planted("UPDATE changes SET wire = '{\"collection\":5}' WHERE k = 'new'")
    assert problem.startswith("change ")


def test_a_damaged_base_copy_is_named(planted: Callable[..., tuple[str, ...]]) -> None:
    """It will be the document again."""
    problems = planted("UPDATE bases SET body = x'ff00ff' WHERE k = 'a'")
    assert any("notes/a" in problem for problem in problems)
    problems = planted("UPDATE bases SET body = jsonb('{}'), vector = '[1]' WHERE k = 'a'")
    assert any("notes/a" in problem for problem in problems)


def test_damage_to_the_file_itself_is_found(tmp_path: Path) -> None:
    """A page overwritten: the report names it, and the other records are still read."""
    path = tmp_path / "store.db"
    with LocalStore.open(path, "phone", durability="normal") as store:
        for number in range(200):
            store.put_document("notes", f"k{number}", {"padding": "x" * 200}, {"server": number})
    body = bytearray(path.read_bytes())
    page = body.index(b"k100") // 8192 * 8192
    body[page : page + 8192] = bytes(8192)
    path.write_bytes(body)
    with LocalStore.open(path, "phone") as store:
        assert not store.verify().is_sound
