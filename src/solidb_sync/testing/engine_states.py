"""What every storage engine must do with the states of replicated fields; a part of `engine_conformance`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.records import StoredStates
from solidb_sync.testing.engine_samples import tombstone, transaction


class StatesConformance:
    """The laws about states, and how a test comes by an engine."""

    def open(self) -> StorageEngine:
        """Return an empty engine of the device `phone`; the test closes it."""
        raise NotImplementedError

    @contextmanager
    def opened(self) -> Iterator[StorageEngine]:
        """Open an engine for one test, and close it."""
        engine = self.open()
        try:
            yield engine
        finally:
            engine.close()

    def test_states_read_back_as_they_were_put_until_they_are_forgotten(self) -> None:
        """Text to the byte; one of a document, in the place of any before."""
        old, new = StoredStates('{"n":1.0}', "{}"), StoredStates("", '{"é":[]}')
        with self.opened() as engine, transaction(engine):
            assert (engine.states("notes", "5"), engine.has_states()) == (None, False)
            for key, states in (("5", old), ("05", old), ("5", new)):
                engine.put_states("notes", key, states)
            assert (engine.states("notes", "5"), engine.states("notes", "05")) == (new, old)
            assert list(engine.all_states()) == [("notes", "05", old), ("notes", "5", new)]
            engine.put_states("notes", "5", None)
            assert (engine.states("notes", "5"), engine.has_states()) == (None, True)
            engine.put_states("notes", "05", None)
            assert (list(engine.all_states()), engine.has_states()) == ([], False)

    def test_states_go_with_their_row(self) -> None:
        """A tombstone keeps them, a row that is forgotten takes them along."""
        with self.opened() as engine, transaction(engine):
            engine.put_states("notes", "k", StoredStates("{}", "{}"))
            engine.put_row("notes", "k", tombstone())
            engine.drop_base("notes", "k")
            assert engine.states("notes", "k") == StoredStates("{}", "{}")
            engine.drop_row("notes", "k")
            assert engine.states("notes", "k") is None
