"""Indexes in real files: they are used, they last, and they are whole or not there."""

import subprocess
import sys
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from sdbql.values import equal
from solidb_sync import LocalStore
from solidb_sync.json_value import decode
from solidb_sync.storage.records import IndexDefinition
from solidb_sync.storage.sqlite.migrate import migrate, migrations_of
from solidb_sync.storage.sqlite.sqlite_engine import MIGRATIONS
from solidb_sync.storage.sqlite.statements import FieldStatements
from store_sql import sql_in

CHILD = Path(__file__).with_name("child_that_indexes.py")
DOCUMENTS = 30_000
EMAIL = IndexDefinition("users", "email")
NOTE = IndexDefinition("notes", "a")


def store_with_users(path: Path, count: int = 100) -> LocalStore:
    """Return a store with so many users."""
    store = LocalStore.open(path, "phone", durability="normal")
    rows = [
        (f"u{number}", Raw(b'{"email":"u%d@x","age":%d}' % (number, number % 90)), Raw(b"{}"), "") for number in range(count)
    ]
    store.transact(lambda engine: engine.put_documents("users", rows))
    return store


def plan_of(path: Path, statement: str) -> str:
    """Return how SQLite would run a statement."""
    with LocalStore.open_for_reading(path, "phone") as store:
        steps = store.view(lambda reader: list(reader.connection.execute(f"EXPLAIN QUERY PLAN {statement}", ("x",))))
    return " ".join(str(row[3]) for row in steps)


def test_looking_for_a_value_uses_the_index_and_tombstones_are_not_in_it(tmp_path):
    with store_with_users(tmp_path / "store.db") as store:
        store.delete_document("users", "u1", {"server": 1})
        store.create_index("users", "email")
        store.delete_document("users", "u2", {"server": 2})
        store.transact(lambda engine: engine._connection.execute("ANALYZE i_1").fetchall())
        (counted,) = store.transact(
            lambda e: e._connection.execute("SELECT stat FROM sqlite_stat1 WHERE idx='i_1'").fetchall()
        )
    assert plan_of(tmp_path / "store.db", FieldStatements.of(1, ("email",)).equal) == "SEARCH c_1 USING INDEX i_1 (<expr>=?)"
    assert counted[0].split()[0] == "98"


def test_what_an_index_is_no_help_for_is_not_read_through_it(tmp_path):
    """SQLite would read every document through it, in its order, which takes several times as long."""
    statement = """SELECT k FROM c_1 WHERE body IS NOT NULL AND body ->> '$."name"' = ? ORDER BY +k"""
    with store_with_users(tmp_path / "store.db") as store:
        for _ in range(2):
            store.create_index("users", "email")
            read_by_an_open_reader = store.view(
                lambda reader: [row[3] for row in reader.connection.execute(f"EXPLAIN QUERY PLAN {statement}", ("x",))]
            )
            assert read_by_an_open_reader[0] == "SCAN c_1"
            assert plan_of(tmp_path / "store.db", statement).startswith("SCAN c_1 USE TEMP B-TREE")
            store.drop_index("users", "email")


def test_an_index_is_there_after_reopening_and_no_user_text_is_in_its_name(tmp_path):
    field = "`x'); DROP TABLE c_1; --`"
    with store_with_users(tmp_path / "store.db") as store:
        store.create_index("users", field)
        store.create_index("users", "email", unique=True)
    with LocalStore.open(tmp_path / "store.db", "phone") as store:
        assert store.list_indexes() == [IndexDefinition("users", field), IndexDefinition("users", "email", unique=True)]
        names = store.transact(
            lambda e: e._connection.execute("SELECT name FROM sqlite_schema WHERE name GLOB 'i_*'").fetchall()
        )
        assert sorted(names) == [("i_1",), ("i_2",)]
        assert store.verify().is_sound


@pytest.mark.parametrize("damage", ["DROP INDEX i_1", "DROP INDEX i_1; CREATE INDEX i_1 ON c_1 (stamp)"])
def test_an_index_that_is_missing_or_made_otherwise_is_built_again_at_opening(damage, tmp_path):
    """As when a later version makes indexes of other expressions."""
    with store_with_users(tmp_path / "store.db") as store:
        store.create_index("users", "email")
    with sql_in(tmp_path / "store.db") as connection:
        connection.execute(damage).fetchall()
    with LocalStore.open(tmp_path / "store.db", "phone") as store:
        assert store.view(lambda reader: reader.keys_with(EMAIL, "u5@x")) == ["u5"]
    assert "USING INDEX i_1" in plan_of(tmp_path / "store.db", FieldStatements.of(1, ("email",)).equal)


def test_a_store_of_the_first_format_gets_indexes(tmp_path):
    """It has no table for them until it is opened."""
    connection = apsw.Connection(str(tmp_path / "store.db"))
    migrate(connection, migrations_of(MIGRATIONS)[:1], "store.db")
    connection.close()
    with store_with_users(tmp_path / "store.db") as store:
        store.create_index("users", "email")
        assert store.list_indexes() == [EMAIL]


def test_documents_are_read_while_an_index_is_built(tmp_path):
    """From inside the building itself: a reader that waited for it would wait for ever."""
    read: list[object] = []
    with store_with_users(tmp_path / "store.db", 5_000) as store:
        store.create_index(
            "users",
            "email",
            progress=lambda done, _: read.append((done, store.list_indexes(), len(store.list_documents("users")))),
        )
    assert {done for done, _, _ in read} > {0, 5_000}
    assert {(len(indexes), count) for _, indexes, count in read} == {(0, 5_000)}


@pytest.mark.parametrize("killed_at", ["begun", "halfway", "built"])
def test_a_process_killed_while_it_builds_leaves_the_whole_index_or_none(killed_at, tmp_path):
    store_with_users(tmp_path / "store.db", DOCUMENTS).close()
    command = [sys.executable, str(CHILD), str(tmp_path / "store.db"), killed_at]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (-9, f"{killed_at}\n"), ended.stderr
    with LocalStore.open(tmp_path / "store.db", "phone") as store:
        names = store.transact(
            lambda e: e._connection.execute("SELECT name FROM sqlite_schema WHERE name GLOB 'i_*'").fetchall()
        )
        assert (store.list_indexes(), names) in (([], []), ([EMAIL], [("i_1",)]))
        assert store.view(lambda reader: reader.keys_with(EMAIL, "u77@x")) == ["u77"]
        store.create_index("users", "email")
        assert store.view(lambda reader: reader.damage()) == []


leaves = st.sampled_from([None, True, 1, 1.0, "1", "x", [1], [True], {"b": 1}, {"b": 1.0}, {"b": None}])
documents = st.dictionaries(st.sampled_from(["a", "c"]), leaves, max_size=2)
edits = st.one_of(
    st.tuples(st.just("save"), st.sampled_from("klm"), documents),
    st.tuples(st.just("delete"), st.sampled_from("klm"), st.just({})),
    st.tuples(st.just("pull"), st.sampled_from("klm"), documents),
    st.tuples(st.just("pull deletion"), st.sampled_from("klm"), st.just({})),
    st.tuples(st.just("make or drop"), st.just("a"), st.just({})),
)


@settings(max_examples=60, deadline=None)
@given(script=st.lists(edits, max_size=12))
def test_what_is_found_by_an_index_is_what_is_found_by_looking_at_every_document(new_device, server, script):
    """After any saves, deletions, pages from the server and makings of indexes; SQLite's own check agrees."""
    device = new_device("sqlite")
    engine = device.engine
    for number, (kind, key, document) in enumerate(script, 1):
        match kind:
            case "save":
                device.save(key, document)
            case "delete":
                device.delete(key)
            case "pull":
                device.pull(server.whole(key, document, {"server": number}))
            case "pull deletion":
                device.pull(server.gone(key, {"server": number}))
            case _:
                make_or_drop(device)
        rows = [(found, decode(row.body)) for found, row in engine.live_rows("notes")]
        for value in [1, True, "x", [1], {"b": 1}]:
            assert engine.keys_with(NOTE, value) == [found for found, shown in rows if equal(shown.get("a"), value)]
    assert engine.damage() == []
    engine.close()


def make_or_drop(device):
    """Make the index, or drop it when it is there."""
    with device.transaction() as engine:
        if not engine.drop_index("notes", "a"):
            engine.put_index(NOTE)
