"""The SQLite engine: one table a collection, one row a document, bodies as JSONB so that SQL can reach into them.

`SqliteReads` (in `sqlite_reads`) is all that can be read over one connection; `SqliteEngine` adds the writes and the
transaction verbs over the writing connection. Outside an exclusive location, readers have connections of their own and
never wait for a writer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import apsw
from msgspec.structs import replace

from solidb_sync.errors import EncryptionError, StoreLockedError
from solidb_sync.json_value import encode
from solidb_sync.model.version_vector import Dot
from solidb_sync.storage.engine import EngineReader, IndexProgress
from solidb_sync.storage.records import (
    DocumentRow,
    IndexDefinition,
    Replica,
    StoredChange,
    StoredConflict,
    StoredRow,
    Subscription,
)
from solidb_sync.storage.sqlite import secondary_indexes
from solidb_sync.storage.sqlite import statements as sql
from solidb_sync.storage.sqlite.blob_tables import SqliteBlobWrites
from solidb_sync.storage.sqlite.connection import FileLocation, open_connection
from solidb_sync.storage.sqlite.held_changes import HeldChanges
from solidb_sync.storage.sqlite.log_length import ReadersGate
from solidb_sync.storage.sqlite.migrate import migrate, migrations_of
from solidb_sync.storage.sqlite.replica_row import replica_row
from solidb_sync.storage.sqlite.sqlite_reads import SqliteReads
from solidb_sync.storage.sqlite.transactions import SqliteTransactions

MIGRATIONS = "solidb_sync.storage.sqlite.migrations"


class SqliteEngine(HeldChanges, SqliteBlobWrites, SqliteTransactions):
    """Implements `StorageEngine` over one SQLite file."""

    def __init__(self, location: FileLocation, *, durability: str = "full") -> None:
        self._durability = durability
        self._readers_gate = ReadersGate()
        self._open(location)

    def _open(self, location: FileLocation) -> None:
        connection = open_connection(location, durability=self._durability, shrinks=True, gate=self._readers_gate)
        try:
            migrate(connection, migrations_of(MIGRATIONS), location.path)
            secondary_indexes.build_again_what_differs(connection)
        except BaseException:
            with suppress(apsw.Error):  # what went wrong is being told
                connection.close(force=True)
            raise
        SqliteReads.__init__(self, connection, location)
        SqliteTransactions.__init__(self, connection, location.path)
        self.is_open = True
        self._replica: Replica | None = None
        self._replica_is_written = True
        self._actor = ""
        self._counter = 0
        self._last_change = 0
        self._indexes: dict[str, list[IndexDefinition]] | None = None
        self._forget_tables()

    def reader(self) -> EngineReader:
        """Return a reader with a connection of its own, or this engine itself in an exclusive location."""
        if self._location.is_exclusive:
            return self
        return SqliteReads(open_connection(self._location, read_only=True), self._location, self._readers_gate)

    @property
    def location(self) -> FileLocation:
        """Where the file is, and its seals."""
        return self._location

    def open_again(self, change: Callable[[FileLocation], FileLocation]) -> None:
        """Close the file, let `change` do something to it, and go on with it where `change` says it is.

        Between transactions only, and with all readers closed. `StoreLockedError` and `EncryptionError` from `change` mean
        that nothing was changed, and the file is opened as it was; after any other error the store has to be opened again.
        """
        self._connection.close()
        self.is_open = False
        try:
            changed = change(self._location)
        except (StoreLockedError, EncryptionError):
            self._open(self._location)
            raise
        self._open(changed)

    # The replica's record is held in memory from its first use and written once in a transaction, before the commit (and
    # before a savepoint, so that taking back to it loses nothing older): a group of saves counts a hundred edits.

    def commit(self) -> None:
        """Commit, with the replica's record."""
        self._write_replica()
        super().commit()

    def savepoint(self) -> None:
        """Mark a place."""
        self._write_replica()
        super().savepoint()

    def rollback(self) -> None:
        """Take the transaction back, with the collections it made known."""
        self._forget_everything()
        super().rollback()

    def rollback_to_savepoint(self) -> bool:
        """Take back what was done since the mark, with the collections it made known."""
        self._forget_everything()
        return super().rollback_to_savepoint()

    def replica(self) -> Replica:
        """Return who this store is, as far as the present transaction has brought it."""
        replica = self._held_replica()
        if (replica.counter, replica.last_change) != (self._counter, self._last_change):
            self._replica = replica = replace(replica, counter=self._counter, last_change=self._last_change)
        return replica

    def _held_replica(self) -> Replica:
        """Return the record held; the two numbers that every save counts up stand beside it."""
        if self._replica is None:
            self._hold(super().replica())
        assert self._replica is not None
        return self._replica

    def _hold(self, replica: Replica) -> None:
        self._replica = replica
        self._actor = replica.actor
        self._counter, self._last_change = replica.counter, replica.last_change

    def _forget_everything(self) -> None:
        """Hold nothing of what a transaction has seen and done: it is taken back."""
        self._replica = None
        self._replica_is_written = True
        self._indexes = None
        self._forget_tables()
        self._forget_collections()

    def _write_replica(self) -> None:
        if self._replica is None or self._replica_is_written:
            return
        self._do(sql.WRITE_REPLICA, replica_row(self.replica()))
        self._replica_is_written = True

    def has_replica(self) -> bool:
        """Return whether the store has been claimed by a device."""
        return bool(self._all(sql.READ_REPLICA))

    def save_replica(self, replica: Replica) -> None:
        """Replace what `replica` returns."""
        self._hold(replica)
        self._replica_is_written = False

    def next_dot(self) -> Dot:
        """Count one more edit."""
        self._held_replica()
        self._counter += 1
        self._replica_is_written = False
        return Dot(self._actor, self._counter)

    def add_collection(self, name: str) -> None:
        """Make a collection known."""
        self._writable(name)

    def put_row(self, collection: str, key: str, row: StoredRow) -> None:
        """Keep a row under a key."""
        self._do(self._writable(collection).write, (key, row.body, row.vector, row.stamp))

    def put_documents(self, collection: str, rows: Sequence[DocumentRow]) -> None:
        """Keep many live rows, with one statement over their JSON text: no step of it waits for this interpreter."""
        self._do(self._writable(collection).write_many, (encode(rows),))

    def drop_row(self, collection: str, key: str) -> None:
        """Forget a row."""
        found = self._statements(collection)
        if found is not None:
            self._do(found.drop, (key,))
        if self.has_states():
            self.put_states(collection, key, None)

    def add_change(self, change: StoredChange) -> int:
        """Append a change and return its id."""
        self._writable(change.collection)
        self._held_replica()
        self._last_change = number = self._last_change + 1
        self._replica_is_written = False
        self._do(
            sql.ADD_CHANGE,
            (
                number, self._numbers[change.collection], change.key, int(change.state), change.change_id, change.actor,
                change.counter, change.transaction, int(change.needs_full), change.wire, change.reason,
                change.answered, change.document_bytes,
            ),
        )  # fmt: skip
        self._note_change(number, change.state)
        return number

    def replace_change(self, change: StoredChange) -> None:
        """Replace the change with this id."""
        self._note_change(change.id, change.state)
        self._do(
            sql.REPLACE_CHANGE,
            (
                int(change.state), change.actor, change.counter, int(change.needs_full), change.wire, change.reason,
                change.answered, change.document_bytes, change.id,
            ),
        )  # fmt: skip

    def documents_shared_beyond(self, first: int, last: int) -> list[tuple[str, str]]:
        """Return the documents with a change in the range and another outside."""
        found = self._all(sql.SHARED_BEYOND, (first, last, first, last))
        return [(self._name(number), key) for number, key in found]

    def count_range(self, first: int, last: int) -> int:
        """Return how many changes are in the range."""
        ((count,),) = self._all(sql.COUNT_RANGE, (first, last))
        return int(count)

    def drop_range(self, first: int, last: int) -> None:
        """Forget the changes in the range."""
        self._note_drops()
        self._do(sql.DROP_RANGE, (first, last))

    def drop_changes(self, ids: Iterable[int]) -> int:
        """Forget changes."""
        self._note_drops()
        before = self._connection.total_changes()
        self._connection.executemany(sql.DROP_CHANGE, ((number,) for number in ids)).fetchall()
        return self._connection.total_changes() - before

    def put_subscription(self, subscription: Subscription) -> None:
        """Add or replace a subscription."""
        bind_vars = None if subscription.bind_vars is None else encode(subscription.bind_vars).decode()
        parameters = (subscription.collection, subscription.filter, bind_vars)
        self._subscriptions = None
        self._do(sql.WRITE_SUBSCRIPTION, parameters)

    def drop_subscription(self, collection: str) -> bool:
        """Forget a subscription."""
        self._subscriptions = None
        self._do(sql.DROP_SUBSCRIPTION, (collection,))
        return self._connection.changes() > 0

    def mark_all_unseen(self) -> None:
        """Remember every row as not yet seen again."""
        self.clear_unseen()
        self._load_collections()
        for found in self._collections.values():
            self._do(found.mark_unseen)

    def mark_seen(self, collection: str, key: str) -> None:
        """Note that a resync has brought this row."""
        self._do(sql.MARK_SEEN, (self._number(collection), key))

    def unseen(self) -> list[tuple[str, str]]:
        """Return the rows a resync has not brought."""
        return [(self._name(number), key) for number, key in self._all(sql.READ_UNSEEN)]

    def clear_unseen(self) -> None:
        """End a resync."""
        self._do(sql.CLEAR_UNSEEN)

    def put_conflict(self, conflict: StoredConflict) -> None:
        """Add to the conflict log."""
        self._do(
            sql.WRITE_CONFLICT,
            (
                conflict.id, conflict.collection, conflict.key, conflict.change_id, conflict.status, conflict.strategy,
                conflict.winner, conflict.fields, conflict.local, conflict.remote, conflict.base, conflict.at,
                conflict.written, conflict.lost,
            ),
        )  # fmt: skip

    def drop_conflicts(self, ids: Iterable[str]) -> None:
        """Take entries out of the conflict log."""
        for conflict_id in ids:
            self._do(sql.DROP_CONFLICT, (conflict_id,))

    # The definitions are held in memory: every save asks for those of its collection, and only this engine writes them.

    def indexes(self, collection: str | None = None) -> list[IndexDefinition]:
        """Return the indexes of a collection, or of all."""
        held = self._indexes
        if held is None:
            held = {}
            for index in super().indexes():
                held.setdefault(index.collection, []).append(index)
            self._indexes = held
        return [index for indexes in held.values() for index in indexes] if collection is None else held.get(collection, [])

    def put_index(self, index: IndexDefinition, progress: IndexProgress | None = None) -> None:
        """Keep an index and build it."""
        self._writable(index.collection)
        self._indexes = None
        secondary_indexes.build(self._connection, self._number(index.collection), index, progress)

    def drop_index(self, collection: str, field: str) -> bool:
        """Forget an index."""
        self._indexes = None
        return secondary_indexes.drop(self._connection, self._number(collection), field)
