"""The engines do the same, whatever is asked of them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.opening import Unlocking, new_replica, open_memory_engine
from solidb_sync.storage.opening_rocksdb import open_rocksdb_engine
from solidb_sync.storage.records import (
    ChangeState,
    IndexDefinition,
    Mark,
    StoredBase,
    StoredChange,
    StoredConflict,
    StoredRow,
    StoredStates,
    Subscription,
)
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.storage.sqlite.sqlite_engine import SqliteEngine

Operation = Callable[[StorageEngine], object]

names = st.sampled_from(["a", "b", "C"])
keys = st.sampled_from(["k", "5", "05", "é"])
bodies = st.sampled_from(['{"a":1}', '{"a":1.0}', "{}"])
numbers = st.integers(0, 9)
marks = st.sampled_from(Mark)


def the_same_random() -> Callable[[int], bytes]:
    """Return random bytes that are the same for both engines."""
    return Random(0).randbytes


def stored_rows() -> st.SearchStrategy[StoredRow]:
    """Return documents and tombstones."""
    return st.builds(StoredRow, st.none() | bodies, st.sampled_from(["{}", '{"x":1}']), st.just("t"))


def stored_changes() -> st.SearchStrategy[StoredChange]:
    """Return changes of few documents in all states."""
    return st.builds(
        StoredChange, numbers, names, keys, st.sampled_from(ChangeState), st.just("c"), st.just("phone"), numbers,
        st.sampled_from(["", "t"]), st.booleans(), bodies, st.just(""),
    )  # fmt: skip


def operation(kind: Callable[..., Operation], *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Operation]:
    """Return one kind of operation with arguments drawn."""
    return st.builds(kind, *arguments)


def replace_known_change(number: int, change: StoredChange) -> Operation:
    """Replace what may change of a change, if it is there."""

    def work(engine: StorageEngine) -> None:
        for known in engine.changes(state=None)[number : number + 1]:
            engine.replace_change(replace(change, id=known.id, collection=known.collection, key=known.key,
                                          transaction=known.transaction))  # fmt: skip

    return work


def put_new_index(collection: str, field: str, unique: bool) -> Operation:
    """Make an index, if it is not there."""

    def work(engine: StorageEngine) -> None:
        if not any(index.field == field for index in engine.indexes(collection)):
            engine.put_index(IndexDefinition(collection, field, unique))

    return work


EMPTY = Raw(b"{}")

operations = st.one_of(
    operation(lambda c, k, row: lambda e: e.put_row(c, k, row), names, keys, stored_rows()),
    operation(lambda c, ks: lambda e: e.put_documents(c, [(k, EMPTY, EMPTY, "m") for k in ks]), names, st.lists(keys)),
    operation(lambda c, k: lambda e: e.drop_row(c, k), names, keys),
    operation(
        lambda c, k, body, gone: lambda e: e.put_base(c, k, StoredBase(body, gone, "{}", "t")),
        names, keys, st.none() | bodies, st.booleans(),
    ),
    operation(lambda c, k: lambda e: e.drop_base(c, k), names, keys),
    operation(lambda change: lambda e: e.add_change(change), stored_changes()),
    operation(replace_known_change, numbers, stored_changes()),
    operation(lambda ids: lambda e: e.drop_changes(ids), st.lists(numbers)),
    operation(lambda c: lambda e: e.add_collection(c), names),
    operation(lambda c, f: lambda e: e.put_subscription(Subscription(c, f, {"f": f})), names, st.none() | bodies),
    operation(lambda c: lambda e: e.drop_subscription(c), names),
    operation(lambda c, n: lambda e: e.put_backfill(c, n), names, numbers),
    operation(lambda c: lambda e: e.drop_backfill(c), names),
    operation(lambda n, v: lambda e: e.put_setting(n, v), names, st.none() | bodies),
    operation(lambda m, c, k: lambda e: e.mark(m, c, k), marks, names, keys),
    operation(lambda m, c, k: lambda e: e.unmark(m, c, k), marks, names, keys),
    operation(lambda m: lambda e: e.clear_marks(m), marks),
    operation(lambda c, k, s: lambda e: e.put_states(c, k, s and StoredStates(s, s)), names, keys, st.none() | bodies),
    st.just(lambda e: e.mark_all_unseen()),
    operation(lambda c, k: lambda e: e.mark_seen(c, k), names, keys),
    st.just(lambda e: e.clear_unseen()),
    operation(put_new_index, names, st.sampled_from(["a", "b.c"]), st.booleans()),
    operation(lambda c, f: lambda e: e.drop_index(c, f), names, st.sampled_from(["a", "b.c"])),
    st.just(lambda e: e.next_dot()),
    operation(lambda n, s: lambda e: e.save_replica(replace(e.replica(), cursor=n, epoch=s)), numbers, names),
    operation(
        lambda i, s: lambda e: e.put_conflict(StoredConflict(i, "a", "k", "c", s, "l", s, s, s, s, s, s)), names, bodies
    ),
    operation(lambda ids: lambda e: e.drop_conflicts(ids), st.lists(names)),
)  # fmt: skip

works = st.tuples(st.lists(operations, max_size=6), st.booleans())
transactions = st.lists(st.tuples(st.lists(works, max_size=4), st.booleans()), max_size=5)


def observed(engine: StorageEngine) -> list[object]:
    """Return everything that can be read, by every way of reading it."""
    places = [(name, key) for name in ("a", "b", "C") for key in ("k", "5", "05", "é")]
    return [
        engine.replica(),
        engine.collections(),
        [list(engine.all_rows(name)) for name in "abC"],
        [list(engine.live_rows(name)) for name in "abC"],
        [engine.row(*place) for place in places],
        [engine.base(*place) for place in places],
        sorted(engine.bases(), key=lambda found: found[:2]),
        engine.has_changes(),
        [engine.has_changes_of(*place) for place in places],
        [engine.changes_of(*place) for place in places],
        [engine.changes(state=state, after=after, limit=limit) for state in (None, *ChangeState)
         for after in (0, 2) for limit in (None, 1)],
        [engine.count_changes(state) for state in ChangeState],
        engine.subscriptions(),
        engine.backfills(),
        engine.settings(),
        [engine.setting(name) for name in "abC"],
        [(engine.has_marks(mark), engine.marked(mark)) for mark in Mark],
        engine.has_states(),
        [engine.states(*place) for place in places],
        engine.conflicts(),
        engine.indexes(),
        [engine.indexes(name) for name in "abC"],
        [engine.keys_with(index, value) for index in engine.indexes() for value in (1, "1")],
        [list(engine.field_values(name, ("a",))) for name in "abC"],
        sorted(engine.unseen()),
    ]  # fmt: skip


def run(engine: StorageEngine, script: list[Any]) -> Iterator[object]:
    """Run transactions of works in savepoints, as a committer does; yield what is seen and answered."""
    for group, commits in script:
        engine.begin()
        for work, succeeds in group:
            engine.savepoint()
            for step in work:
                yield step(engine)
            yield observed(engine)
            if not succeeds:
                assert engine.rollback_to_savepoint()
            engine.release()
            yield observed(engine)
        if commits:
            engine.commit()
        else:
            engine.rollback()
        yield observed(engine)


@settings(max_examples=60, deadline=None)
@given(transactions)
def test_the_engines_answer_the_same_to_any_sequence_of_operations(script: list[Any]) -> None:
    """Inside transactions, after savepoints were taken back, and after commits and rollbacks."""
    memory = open_memory_engine("phone", the_same_random())
    sqlite = SqliteEngine(FileLocation(":memory:", is_exclusive=True))
    with TemporaryDirectory() as directory, closing(sqlite), ExitStack() as opened:
        with_replica(sqlite)
        rocksdb = open_rocksdb_engine(f"{directory}/store", "phone", "normal", Unlocking(the_same_random()))
        assert rocksdb.lock is not None
        opened.callback(rocksdb.lock.release)
        opened.enter_context(closing(rocksdb.engine))
        runs = [run(engine, script) for engine in (memory, sqlite, rocksdb.engine)]
        for expected, *others in zip(*runs, strict=True):
            assert others == [expected, expected]


def with_replica(engine: StorageEngine) -> None:
    """Say whose an empty engine is."""
    engine.begin()
    engine.save_replica(new_replica("phone", the_same_random()))
    engine.commit()


def test_an_exclusive_engine_reads_through_its_own_connection() -> None:
    """There is no shared memory file to read through another."""
    with closing(SqliteEngine(FileLocation(":memory:", is_exclusive=True))) as engine:
        assert engine.reader() is engine
