"""Reading a SQLite store over one connection: all that can be seen of it, inside a transaction or outside of one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import apsw

from solidb_sync.json_value import decode, encode
from solidb_sync.storage.field_path import FieldPath
from solidb_sync.storage.records import (
    ChangeState,
    IndexDefinition,
    Mark,
    Replica,
    StoredBase,
    StoredChange,
    StoredConflict,
    StoredRow,
    StoredStates,
    Subscription,
)
from solidb_sync.storage.sqlite import secondary_indexes
from solidb_sync.storage.sqlite import statements as sql
from solidb_sync.storage.sqlite.backup import backup_to
from solidb_sync.storage.sqlite.blob_tables import SqliteBlobReads
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.storage.sqlite.log_length import ReadersGate
from solidb_sync.storage.sqlite.replica_row import replica_of

NO_LIMIT = -1
_STATES = tuple(ChangeState)


class SqliteReads(SqliteBlobReads):
    """Implements `EngineReader` over one connection."""

    def __init__(self, connection: apsw.Connection, location: FileLocation, gate: ReadersGate | None = None) -> None:
        self.connection = self._connection = connection
        self._location = location
        self._gate = gate
        self._replica_read: tuple[tuple[Any, ...], Replica] | None = None
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._collections: dict[str, sql.CollectionStatements] = {}

    def replica(self) -> Replica:
        """Return who this store is."""
        (row,) = self._all(sql.READ_REPLICA)
        if self._replica_read is None or row != self._replica_read[0]:
            self._replica_read = row, replica_of(row)
        return self._replica_read[1]

    def collections(self) -> list[str]:
        """Return the known collections by name."""
        self._load_collections()
        return sorted(self._numbers)

    def keys(self, collection: str) -> list[str]:
        """Return the keys of everything kept of a collection."""
        found = self._statements(collection)
        return [key for (key,) in self._all(found.keys)] if found else []

    def row(self, collection: str, key: str) -> StoredRow | None:
        """Return what is kept under a key."""
        found = self._statements(collection)
        if found is None:
            return None
        for body, vector, stamp in self._each(found.read, (key,)):
            return StoredRow(body, vector, stamp)
        return None

    def rows_of(self, collection: str, keys: Sequence[str]) -> dict[str, StoredRow]:
        """Return what is kept under these keys."""
        found = self._statements(collection)
        rows = self._all(found.read_those, (encode(list(keys)).decode(),)) if found and keys else []
        return {key: StoredRow(body, vector, stamp) for key, body, vector, stamp in rows}

    def live_rows(self, collection: str) -> Iterator[tuple[str, StoredRow]]:
        """Yield the documents of a collection by key."""
        found = self._statements(collection)
        for key, body, vector, stamp in self._each(found.read_live) if found else ():
            yield key, StoredRow(body, vector, stamp)

    def all_rows(self, collection: str) -> Iterator[tuple[str, StoredRow]]:
        """Yield everything kept of a collection by key."""
        found = self._statements(collection)
        for key, body, vector, stamp in self._each(found.read_all) if found else ():
            yield key, StoredRow(body, vector, stamp)

    def rows_after(self, collection: str, key: str, count: int) -> list[tuple[str, StoredRow]]:
        """Return the next rows of a collection by key."""
        found = self._statements(collection)
        rows = self._all(found.read_after, (key, count)) if found else []
        return [(next_key, StoredRow(body, vector, stamp)) for next_key, body, vector, stamp in rows]

    def keys_after(self, collection: str, key: str, count: int) -> list[str]:
        """Return the next keys of a collection."""
        found = self._statements(collection)
        return [next_key for (next_key,) in self._all(found.keys_after, (key, count))] if found else []

    def base(self, collection: str, key: str) -> StoredBase | None:
        """Return the base copy kept apart."""
        number = self._number(collection)
        for body, deleted, vector, stamp in self._each(sql.READ_BASE, (number, key)):
            return StoredBase(body, bool(deleted), vector, stamp)
        return None

    def has_bases(self) -> bool:
        """Return whether any base copy is kept apart."""
        return bool(self._all(sql.HAS_BASES))

    def bases(self) -> Iterator[tuple[str, str, StoredBase]]:
        """Yield all base copies kept apart."""
        for number, key, body, deleted, vector, stamp in self._all(sql.READ_BASES):
            yield self._name(number), key, StoredBase(body, bool(deleted), vector, stamp)

    def states(self, collection: str, key: str) -> StoredStates | None:
        """Return the states of a document's replicated fields."""
        found = self._all(sql.READ_STATES, (self._number(collection), key))
        return StoredStates(*found[0]) if found else None

    def has_states(self) -> bool:
        """Return whether any document has replicated fields."""
        return bool(self._all(sql.HAS_STATES))

    def all_states(self) -> Iterator[tuple[str, str, StoredStates]]:
        """Yield the states of all documents that have any."""
        for number, key, base, visible in self._all(sql.READ_ALL_STATES):
            yield self._name(number), key, StoredStates(base, visible)

    def has_changes(self) -> bool:
        """Return whether any change is kept."""
        return bool(self._all(sql.HAS_CHANGES))

    def has_changes_of(self, collection: str, key: str) -> bool:
        """Return whether any change of this document is kept."""
        return bool(self._all(sql.HAS_CHANGES_OF, (self._number(collection), key)))

    def changes_of(self, collection: str, key: str) -> list[StoredChange]:
        """Return the changes of one document, oldest first."""
        return self._read_changes(sql.READ_CHANGES_OF, (self._number(collection), key))

    def rejected_of(self, collection: str, key: str) -> list[StoredChange]:
        """Return the refused changes of one document."""
        return self._read_changes(sql.READ_REJECTED_OF, (self._number(collection), key))

    def change_ids(self) -> list[int]:
        """Return the ids of all changes, oldest first."""
        return [number for (number,) in self._all(sql.CHANGE_IDS)]

    def changes(self, *, state: ChangeState | None, after: int = 0, limit: int | None = None) -> list[StoredChange]:
        """Return changes, oldest first."""
        count = NO_LIMIT if limit is None else limit
        if state is None:
            return self._read_changes(sql.READ_CHANGES, (after, count))
        return self._read_changes(sql.READ_CHANGES_IN, (after, int(state), count))

    def count_changes(self, state: ChangeState) -> int:
        """Return how many changes are in a state."""
        ((count,),) = self._all(sql.COUNT_CHANGES, (int(state),))
        return int(count)

    def subscriptions(self) -> list[Subscription]:
        """Return the subscriptions by collection."""
        return [
            Subscription(collection, filter_text, None if bind_vars is None else decode(bind_vars))
            for collection, filter_text, bind_vars in self._subscription_rows()
        ]

    def _subscription_rows(self) -> list[Any]:
        return self._all(sql.READ_SUBSCRIPTIONS)

    def backfills(self) -> dict[str, int]:
        """Return the collections that are still catching up."""
        return dict(self._all(sql.READ_BACKFILLS))

    def has_marks(self, mark: Mark) -> bool:
        """Return whether any row has a mark."""
        return bool(self._all(sql.HAS_MARKS, (int(mark),)))

    def is_marked(self, mark: Mark, collection: str, key: str) -> bool:
        """Return whether a row has a mark."""
        return bool(self._all(sql.IS_MARKED, (int(mark), self._number(collection), key)))

    def marked(self, mark: Mark) -> list[tuple[str, str]]:
        """Return the rows that have a mark."""
        return sorted((self._name(number), key) for number, key in self._all(sql.READ_MARKED, (int(mark),)))

    def conflicts(self) -> list[StoredConflict]:
        """Return the conflict log, oldest first."""
        return [StoredConflict(*row) for row in self._all(sql.READ_CONFLICTS)]

    def conflict(self, conflict_id: str) -> StoredConflict | None:
        """Return one entry of the conflict log."""
        found = self._all(sql.READ_CONFLICT, (conflict_id,))
        return StoredConflict(*found[0]) if found else None

    def open_conflicts(self) -> list[StoredConflict]:
        """Return the open entries of the conflict log, oldest first."""
        return [StoredConflict(*row) for row in self._all(sql.READ_OPEN_CONFLICTS)]

    def setting(self, name: str) -> str | None:
        """Return a durable setting."""
        found = self._all(sql.READ_SETTING, (name,))
        return str(found[0][0]) if found else None

    def settings(self) -> dict[str, str]:
        """Return all durable settings by name."""
        return dict(self._all(sql.READ_SETTINGS))

    def indexes(self, collection: str | None = None) -> list[IndexDefinition]:
        """Return the indexes of a collection, or of all."""
        return [
            IndexDefinition(name, field, bool(unique))
            for name, field, unique in self._all(sql.READ_INDEXES)
            if collection in (None, name)
        ]

    def field_values(self, collection: str, path: FieldPath) -> Iterator[tuple[str, Any]]:
        """Yield key and value of the documents that have a field."""
        return secondary_indexes.field_values(self._connection, self._number(collection), path)

    def keys_with(self, index: IndexDefinition, value: Any) -> list[str]:
        """Return the keys of the documents with a value, through the index."""
        return secondary_indexes.keys_with(self._connection, self._number(index.collection), index.field, value)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Hold one state in a read transaction; inside a transaction there is one already."""
        if self._connection.in_transaction:
            yield
            return
        if self._gate is not None:
            self._gate.pass_through()
        self._all("BEGIN")
        try:
            yield
        finally:
            with contextlib.suppress(apsw.Error):  # nothing was written: how the reading ends changes nothing
                self._all("ROLLBACK")

    def damage(self) -> list[str]:
        """Return what SQLite's own check finds."""
        try:
            found = [str(line) for (line,) in self._all("PRAGMA integrity_check")]
        except apsw.Error as problem:
            return [f"the check itself fails: {problem}"]
        return [] if found == ["ok"] else found

    def backup(self, path: str) -> None:
        """Write a consistent copy with SQLite's online backup."""
        backup_to(path, self._connection, self._location)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _all(self, statement: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        return self._connection.execute(statement, parameters).fetchall()

    def _do(self, statement: str, parameters: tuple[object, ...] = ()) -> None:
        self._connection.execute(statement, parameters)  # without rows it runs to its end at once

    def _each(self, statement: str, parameters: tuple[object, ...] = ()) -> Iterator[Any]:
        return self._connection.execute(statement, parameters)

    def _read_changes(self, statement: str, parameters: tuple[object, ...]) -> list[StoredChange]:
        return [
            StoredChange(
                number, self._name(collection), key, _STATES[state], change_id, actor, counter,
                transaction, bool(needs_full), wire, reason, answered, document_bytes,
            )
            for number, collection, key, state, change_id, actor, counter, transaction, needs_full, wire, reason, answered,
            document_bytes in self._all(statement, parameters)
        ]  # fmt: skip

    def _load_collections(self) -> None:
        for name, number in self._all(sql.READ_COLLECTIONS):
            self._know(name, number)

    def _know(self, name: str, number: int) -> None:
        self._numbers[name] = number
        self._names[number] = name
        self._collections[name] = sql.CollectionStatements.of(number)

    def _forget_collections(self) -> None:
        self._numbers.clear()
        self._names.clear()
        self._collections.clear()

    def _statements(self, collection: str) -> sql.CollectionStatements | None:
        found = self._collections.get(collection)
        if found is None:
            self._load_collections()
            found = self._collections.get(collection)
        return found

    def _number(self, collection: str) -> int:
        if collection not in self._numbers:
            self._load_collections()
        return self._numbers.get(collection, -1)

    def _name(self, number: int) -> str:
        if number not in self._names:
            self._load_collections()
        return self._names[number]
