"""What every storage engine must do with the marks of rows, as tests; to be subclassed like `EngineConformance`."""

from __future__ import annotations

from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.records import Mark
from solidb_sync.testing.engine_samples import live, transaction


class MarkConformance:
    """The laws of marks; every test is one."""

    def open(self) -> StorageEngine:
        """Return an empty engine of the device `phone`; the test closes it."""
        raise NotImplementedError

    def test_marks_are_kept_apart_by_kind_collection_and_key(self) -> None:
        """A mark is on one row only, whether there is a row or not, and giving or taking it twice is harmless."""
        engine = self.open()
        try:
            with transaction(engine):
                for _ in range(2):
                    engine.mark(Mark.LEAVING, "notes", "a")
                engine.mark(Mark.LEAVING, "notes", "5")
                engine.mark(Mark.GHOST, "tasks", "a")
            assert engine.marked(Mark.LEAVING) == [("notes", "5"), ("notes", "a")]
            assert engine.is_marked(Mark.GHOST, "tasks", "a")
            assert not engine.is_marked(Mark.GHOST, "notes", "a")
            assert not engine.is_marked(Mark.LEAVING, "nowhere", "a")
            assert (engine.has_marks(Mark.GHOST), engine.has_marks(Mark.DOUBTED)) == (True, False)
            with transaction(engine):
                for _ in range(2):
                    engine.unmark(Mark.LEAVING, "notes", "a")
                engine.clear_marks(Mark.GHOST)
            assert _marks(engine) == {Mark.LEAVING: [("notes", "5")]}
        finally:
            engine.close()

    def test_marks_outlive_their_rows_and_go_with_a_transaction_that_is_taken_back(self) -> None:
        """A ghost is a mark without a row."""
        engine = self.open()
        try:
            with transaction(engine):
                engine.put_row("notes", "a", live("{}"))
                engine.mark(Mark.GHOST, "notes", "a")
                engine.drop_row("notes", "a")
            engine.begin()
            engine.mark(Mark.DOUBTED, "notes", "b")
            engine.unmark(Mark.GHOST, "notes", "a")
            engine.rollback()
            assert _marks(engine) == {Mark.GHOST: [("notes", "a")]}
        finally:
            engine.close()


def _marks(engine: StorageEngine) -> dict[Mark, list[tuple[str, str]]]:
    return {mark: places for mark in Mark if (places := engine.marked(mark))}
