"""What every storage engine must do with transactions, savepoints, readers and snapshots; a part of `engine_conformance`."""

from __future__ import annotations

import threading
from collections.abc import Callable

from msgspec import Raw
from msgspec.structs import replace

from solidb_sync.model.version_vector import Dot
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.records import (
    Mark,
    StoredBase,
    StoredRow,
    StoredStates,
    Subscription,
)
from solidb_sync.testing.engine_samples import change, conflict, live, tombstone, transaction
from solidb_sync.testing.engine_states import StatesConformance

OVERTAKING_SECONDS = 0.05
"""How long an operation that may rightly block gets to go wrong."""


class TransactionsConformance(StatesConformance):
    """All of a transaction, or nothing of it, to everybody who looks."""

    def test_a_rollback_takes_everything_back(self) -> None:
        """Every kind of record, and the collection that the transaction made known; it can be made again."""
        with self.opened() as engine:
            with transaction(engine):
                _fill(engine, "old")
            before = _everything(engine)
            engine.begin()
            _fill(engine, "new")
            engine.mark_all_unseen()
            engine.drop_row("old", "k")
            engine.drop_base("old", "k")
            engine.drop_changes([found.id for found in engine.changes(state=None)])
            engine.rollback()
            assert _everything(engine) == before
            engine.rollback()
            with transaction(engine):
                _fill(engine, "new")
            assert engine.row("new", "k") == live()

    def test_a_savepoint_takes_back_only_what_came_after_it(self) -> None:
        """And one after another, with collections made inside."""
        with self.opened() as engine:
            with transaction(engine):
                engine.put_row("kept", "a", live())
                engine.savepoint()
                _fill(engine, "lost")
                assert engine.rollback_to_savepoint()
                engine.release()
                engine.savepoint()
                engine.put_row("lost", "b", live('{"b":1}'))
                engine.release()
            assert engine.collections() == ["kept", "lost"]
            assert list(engine.all_rows("lost")) == [("b", live('{"b":1}'))]
            assert not engine.has_changes()
            assert engine.subscriptions() == []
            assert engine.replica().counter == 0

    def test_a_dot_taken_back_is_given_out_again(self) -> None:
        """Counters have no gaps: the next one that stays has the number."""
        with self.opened() as engine:
            engine.begin()
            engine.next_dot()
            engine.rollback()
            with transaction(engine):
                assert engine.next_dot() == Dot("phone", 1)

    def test_a_reader_sees_all_of_a_transaction_or_nothing(self) -> None:
        """Whether it reads the last commit at once or waits for the next."""
        found: list[tuple[bool, bool]] = []
        with self.opened() as engine:
            reader = engine.reader()

            def read() -> None:
                with reader.snapshot():
                    found.append((reader.row("notes", "a") is not None, reader.row("notes", "b") is not None))

            with transaction(engine):
                engine.put_row("notes", "a", live())
                reading = _started(read)
                engine.put_row("notes", "b", live())
            reading.join()
            read()
        assert found[0] in ((False, False), (True, True))
        assert found[1] == (True, True)

    def test_a_snapshot_holds_one_state(self) -> None:
        """What is committed meanwhile, if it can be, shows after it; also in a collection that is new."""
        with self.opened() as engine:
            reader = engine.reader()
            with transaction(engine):
                engine.put_row("notes", "a", live())

            def write() -> None:
                with transaction(engine):
                    engine.put_row("notes", "a", tombstone())
                    engine.put_row("new", "k", live())
                    engine.add_change(change("c1"))

            with reader.snapshot():
                before = _readable(reader)
                writing = _started(write)
                assert _readable(reader) == before
            writing.join()
            assert _readable(reader) == (["new", "notes"], tombstone(), True)


def _started(work: Callable[[], None]) -> threading.Thread:
    """Start `work` on a thread; return when it is done, or has had its time."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(OVERTAKING_SECONDS)
    return thread


def _readable(reader: EngineReader) -> tuple[list[str], StoredRow | None, bool]:
    return reader.collections(), reader.row("notes", "a"), reader.has_changes()


def _fill(engine: StorageEngine, name: str) -> None:
    """Write one record of every kind."""
    engine.put_row(name, "k", live())
    engine.put_documents(name, [("many", Raw(b"{}"), Raw(b"{}"), "")])
    engine.put_base(name, "k", StoredBase("{}", False, "{}", name))
    engine.add_change(change(name, collection=name))
    engine.put_subscription(Subscription(name, name))
    engine.put_backfill(name, 5)
    engine.put_conflict(conflict(name))
    engine.put_setting(name, "{}")
    engine.put_states(name, "k", StoredStates("{}", name))
    engine.mark(Mark.LEAVING, name, "k")
    engine.save_replica(replace(engine.replica(), epoch=name))
    engine.next_dot()


def _everything(engine: StorageEngine) -> list[object]:
    """Return all that an engine holds, in a form that compares."""
    return [
        engine.replica(),
        [(name, list(engine.all_rows(name))) for name in engine.collections()],
        sorted(engine.bases(), key=lambda found: found[:2]),
        engine.changes(state=None),
        [engine.changes_of(name, "k") for name in engine.collections()],
        engine.subscriptions(),
        engine.backfills(),
        engine.conflicts(),
        engine.settings(),
        sorted(engine.all_states(), key=lambda found: found[:2]),
        [engine.marked(mark) for mark in Mark],
        sorted(engine.unseen()),
    ]
