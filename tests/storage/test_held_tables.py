"""What the writing connection knows by heart is what is in the file, whatever was written and taken back."""

import random
from collections.abc import Callable
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.opening import Unlocking, open_sqlite_engine
from solidb_sync.storage.records import ChangeState, Mark, StoredBase, StoredStates, Subscription
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.storage.sqlite.sqlite_engine import SqliteEngine
from solidb_sync.storage.sqlite.sqlite_reads import SqliteReads
from solidb_sync.testing.crashable_files import CrashableFiles
from solidb_sync.testing.engine_samples import DEVICE_ID, change

COLLECTIONS, KEYS, NUMBERS = ("notes", "tasks"), ("a", "b"), tuple(range(6))
BASE = StoredBase("{}", False, "{}", "2024-01-15")

READS: dict[str, Callable[[EngineReader], Any]] = {
    "has_changes": lambda reader: reader.has_changes(),
    "has_bases": lambda reader: reader.has_bases(),
    "subscriptions": lambda reader: reader.subscriptions(),
    "collections": lambda reader: reader.collections(),
    **{
        f"pending after {after}, {limit} at most": lambda reader, after=after, limit=limit: reader.changes(
            state=ChangeState.PENDING, after=after, limit=limit
        )
        for after in reversed(NUMBERS)
        for limit in (1, 3, None)
    },
    **{
        f"{name} of {collection}/{key}": lambda reader, name=name, place=(collection, key): getattr(reader, name)(*place)
        for name in ("changes_of", "has_changes_of", "base", "states")
        for collection in COLLECTIONS
        for key in KEYS
    },
    **{f"has_marks {mark}": lambda reader, mark=mark: reader.has_marks(mark) for mark in (Mark.GHOST, Mark.LEAVING)},
}

places = st.tuples(st.sampled_from(COLLECTIONS), st.sampled_from(KEYS))
states = st.sampled_from(ChangeState)
numbers = st.sampled_from(NUMBERS)
steps = st.one_of(
    st.tuples(st.just("read"), st.one_of(st.just([*READS]), st.lists(st.sampled_from([*READS]), max_size=3))),
    st.tuples(st.just("read"), st.lists(st.sampled_from([name for name in READS if "pending after" in name]), max_size=3)),
    st.tuples(st.just("add"), places, states),
    st.tuples(st.just("replace"), numbers, states),
    st.tuples(st.just("drop changes"), st.lists(numbers)),
    st.tuples(st.just("drop range"), numbers, numbers),
    st.tuples(st.sampled_from(["put base", "drop base", "put states", "drop states", "mark", "unmark"]), places),
    st.tuples(st.sampled_from(["subscribe", "unsubscribe"]), st.sampled_from(COLLECTIONS)),
    st.tuples(st.sampled_from(["savepoint", "take back to savepoint", "take back", "commit"])),
)


class Life:
    """An engine, and what may be done to it."""

    def __init__(self, engine: SqliteEngine) -> None:
        self.engine = engine
        self.savepoints = 0
        engine.begin()

    def take(self, name: str, *asked: Any) -> None:
        engine = self.engine
        match name:
            case "read":
                for read in asked[0]:
                    READS[read](engine)
            case "add":
                (collection, key), state = asked
                engine.add_change(replace(change("c", key, collection), state=state))
            case "replace":
                for known in engine.changes(state=None):
                    if known.id == asked[0]:
                        engine.replace_change(replace(known, state=asked[1]))
            case "drop changes":
                engine.drop_changes(asked[0])
            case "drop range":
                engine.drop_range(*asked)
            case "put base":
                engine.put_base(*asked[0], BASE)
            case "drop base":
                engine.drop_base(*asked[0])
            case "put states" | "drop states":
                engine.put_states(*asked[0], StoredStates("{}", "{}") if name == "put states" else None)
            case "mark":
                engine.mark(Mark.GHOST, *asked[0])
            case "unmark":
                engine.unmark(Mark.GHOST, *asked[0])
            case "subscribe":
                engine.put_subscription(Subscription(asked[0], "f", {"n": 1}))
            case "unsubscribe":
                engine.drop_subscription(asked[0])
            case _:
                self._turn(name)

    def _turn(self, name: str) -> None:
        if name == "savepoint":
            self.engine.savepoint()
            self.savepoints += 1
        elif name == "take back to savepoint":
            if self.savepoints:
                self.engine.rollback_to_savepoint()
        else:
            self.engine.rollback() if name == "take back" else self.engine.commit()
            self.savepoints = 0
            self.engine.begin()


ADDED = ("add", ("notes", "a"), ChangeState.PENDING)


@given(st.lists(steps, max_size=30))
@example([("read", ["pending after 0, None at most"]), ADDED])
@example([ADDED, ADDED, ("read", ["pending after 0, 1 at most"])])
@example([ADDED, ("replace", 1, ChangeState.HELD), ("read", ["pending after 0, 1 at most"]), ("replace", 1, ADDED[2])])
def test_what_is_held_is_what_is_in_the_file(taken: list[tuple[Any, ...]]) -> None:
    with CrashableFiles("held", random.Random(1)) as files:
        location = FileLocation("store.db", vfs=files.name, is_exclusive=True)
        unlocking = Unlocking(random.Random(2).randbytes, None)
        engine = open_sqlite_engine(location, DEVICE_ID, unlocking=unlocking, durability="full").engine
        assert isinstance(engine, SqliteEngine)
        life = Life(engine)
        for step in taken:
            life.take(*step)
        for name, read in READS.items():
            assert read(engine) == read(SqliteReads(engine.connection, location)), name
