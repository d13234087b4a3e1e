"""What the writing connection knows by heart: small tables that every round and every page ask for again and again.

Only the one writing connection of a store writes them, so what it read or wrote last is what is there. The rule: who
writes a table here forgets or renews what is held of it, and whatever takes writes back forgets everything.
"""

from __future__ import annotations

from typing import Any

from solidb_sync.storage.records import Mark, StoredStates
from solidb_sync.storage.sqlite import statements as sql
from solidb_sync.storage.sqlite.sqlite_reads import SqliteReads


class HeldTables(SqliteReads):
    """Settings, subscriptions, backfills, marks, replicated fields; and which collections there are."""

    _settings: dict[str, str] | None
    _subscriptions: list[Any] | None
    _backfills: dict[str, int] | None
    _marks: dict[Mark, bool]
    _has_states: bool | None
    _has_all_collections: bool

    def _forget_tables(self) -> None:
        """Hold nothing: what is there may be something else now."""
        self._settings = self._subscriptions = self._backfills = self._has_states = None
        self._marks = {}
        self._has_all_collections = False

    def setting(self, name: str) -> str | None:
        """Return a durable setting."""
        return self._held_settings().get(name)

    def settings(self) -> dict[str, str]:
        """Return all durable settings by name."""
        return dict(self._held_settings())

    def _held_settings(self) -> dict[str, str]:
        if self._settings is None:
            self._settings = super().settings()
        return self._settings

    def put_setting(self, name: str, value: str | None) -> None:
        """Set a durable setting."""
        self._settings = None
        if value is None:
            self._do(sql.DROP_SETTING, (name,))
        else:
            self._do(sql.WRITE_SETTING, (name, value))

    def _subscription_rows(self) -> list[Any]:
        """Return the subscriptions as they are stored: each caller gets parameters of its own."""
        if self._subscriptions is None:
            self._subscriptions = super()._subscription_rows()
        return self._subscriptions

    def backfills(self) -> dict[str, int]:
        """Return the collections that are still catching up."""
        if self._backfills is None:
            self._backfills = super().backfills()
        return dict(self._backfills)

    def put_backfill(self, collection: str, cursor: int) -> None:
        """Note how far a collection has caught up."""
        self._backfills = None
        self._do(sql.WRITE_BACKFILL, (collection, cursor))

    def drop_backfill(self, collection: str) -> None:
        """Note that a collection has caught up."""
        self._backfills = None
        self._do(sql.DROP_BACKFILL, (collection,))

    def has_marks(self, mark: Mark) -> bool:
        """Return whether any row has a mark."""
        found = self._marks.get(mark)
        if found is None:
            found = self._marks[mark] = super().has_marks(mark)
        return found

    def mark(self, mark: Mark, collection: str, key: str) -> None:
        """Give a row a mark."""
        self._writable(collection)
        self._do(sql.ADD_MARK, (int(mark), self._numbers[collection], key))
        self._marks[mark] = True

    def unmark(self, mark: Mark, collection: str, key: str) -> None:
        """Take a mark away."""
        self._marks.pop(mark, None)
        self._do(sql.DROP_MARK, (int(mark), self._number(collection), key))

    def clear_marks(self, mark: Mark) -> None:
        """Take a mark away from all rows."""
        self._marks.pop(mark, None)
        self._do(sql.CLEAR_MARKS, (int(mark),))

    def has_states(self) -> bool:
        """Return whether any document has replicated fields."""
        if self._has_states is None:
            self._has_states = super().has_states()
        return self._has_states

    def states(self, collection: str, key: str) -> StoredStates | None:
        """Return the states of a document's replicated fields."""
        return super().states(collection, key) if self.has_states() else None

    def put_states(self, collection: str, key: str, states: StoredStates | None) -> None:
        """Keep the states of a document's replicated fields, or forget them."""
        self._has_states = True if states is not None else None
        if states is None:
            self._do(sql.DROP_STATES, (self._number(collection), key))
        else:
            self._writable(collection)
            self._do(sql.WRITE_STATES, (self._numbers[collection], key, states.base, states.visible))

    def _load_collections(self) -> None:
        """Learn of all collections; new ones come only from here."""
        if not self._has_all_collections:
            super()._load_collections()
            self._has_all_collections = True

    def _writable(self, collection: str) -> sql.CollectionStatements:
        """Return the statements of a collection, made known if it is new."""
        found = self._statements(collection)
        if found is not None:
            return found
        ((number,),) = self._all(sql.ADD_COLLECTION, (collection,))
        found = sql.CollectionStatements.of(number)
        self._do(found.create)
        self._know(collection, number)
        return found
