"""The RocksDB engine: records in an ordered map of bytes, one write batch a transaction.

A transaction lives in a `Buffer` over the database until it is committed; readers see the last commit, each through moments
of its own, and nobody waits for anybody. Where everything is kept is in `key_layout`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from solidb_sync.model.version_vector import Dot
from solidb_sync.storage.engine import EngineReader, IndexProgress
from solidb_sync.storage.records import (
    DocumentRow,
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
from solidb_sync.storage.rocksdb import key_layout as at
from solidb_sync.storage.rocksdb.blob_entries import RocksdbBlobWrites
from solidb_sync.storage.rocksdb.database import Database
from solidb_sync.storage.rocksdb.index_entries import Index, bodies, end_of_entries, entries_of
from solidb_sync.storage.rocksdb.key_layout import end_of, key_of, names_in, number_at_end, number_bytes, prefix_of
from solidb_sync.storage.rocksdb.moments import DatabaseMoments
from solidb_sync.storage.rocksdb.ordered_map import Buffer, Entry, OrderedMap
from solidb_sync.storage.rocksdb.records_bytes import NOTHING, to_bytes, to_row
from solidb_sync.storage.rocksdb.rocksdb_reads import RocksdbReads
from solidb_sync.storage.rocksdb.sealed_database import SealedDatabase
from solidb_sync.storage.rocksdb.store_label import OpenLabel

DOCUMENTS_PER_REPORT = 1_000


class RocksdbEngine(RocksdbReads, RocksdbBlobWrites):
    """Implements `StorageEngine` over one RocksDB database, which it owns."""

    def __init__(self, database: Database | SealedDatabase, path: str, label: OpenLabel, durability: str) -> None:
        super().__init__(self)
        self.path = path
        self.label = label
        self.durability = durability
        self._database = database
        self._buffer: Buffer | None = None
        self._mark = 0
        self._outside = DatabaseMoments(database, path)
        self._forget()

    def entries(self) -> Iterator[Entry]:
        """Yield everything that is kept, in no order that means anything."""
        return self._database.entries()

    def go_on_with(self, database: Database | SealedDatabase) -> None:
        """Close the database and use another one that holds the same; between transactions, with all readers closed."""
        former, self._database = self._database, database
        self._outside = DatabaseMoments(database, self.path)
        self._forget()
        former.close()

    def _forget(self) -> None:
        """Forget what is held of a transaction: it is read again."""
        self._replica: Replica | None = None
        self._known: set[str] = set()
        self._indexes: dict[str, list[Index]] = {}

    # the moments of the engine itself: its transaction, else the last commit

    @property
    def view(self) -> OrderedMap:
        """The transaction, else what was committed last."""
        return self._outside.view if self._buffer is None else self._buffer

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold one moment; a transaction is one already."""
        if self._buffer is not None:
            yield
            return
        with self._outside.held():
            yield

    def reader(self) -> EngineReader:
        """Return a reader of the last commit."""
        return RocksdbReads(DatabaseMoments(self._database, self.path))

    def backup(self, path: str) -> None:
        """Write a consistent copy to a new place."""
        self._outside.backup(path)

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    # transactions

    def begin(self) -> None:
        """Begin a transaction."""
        self._forget()
        self._buffer = Buffer(self._database)

    def commit(self) -> None:
        """Make it durable."""
        self._database.write(self._writing.writes())
        self._buffer = None
        self._forget()

    def rollback(self) -> None:
        """Take the transaction back."""
        self._buffer = None
        self._forget()

    def savepoint(self) -> None:
        """Mark a place."""
        self._mark = self._writing.mark()

    def release(self) -> None:
        """Keep what was done since the mark."""

    def rollback_to_savepoint(self) -> bool:
        """Take back what was done since the mark."""
        self._writing.take_back_to(self._mark)
        self._forget()
        return True

    @property
    def _writing(self) -> Buffer:
        assert self._buffer is not None, "written outside a transaction"
        return self._buffer

    # the replica

    def replica(self) -> Replica:
        """Return who this store is."""
        if self._buffer is None:
            return super().replica()
        if self._replica is None:
            self._replica = super().replica()
        return self._replica

    def has_replica(self) -> bool:
        """Return whether the store has been claimed by a device."""
        return self.view.get(at.REPLICA_KEY) is not None

    def save_replica(self, replica: Replica) -> None:
        """Replace what `replica` returns."""
        self._replica = replica
        self._writing.put(at.REPLICA_KEY, to_bytes(replica))

    def next_dot(self) -> Dot:
        """Count one more edit."""
        replica = self.replica()
        self.save_replica(replace(replica, counter=replica.counter + 1))
        return Dot(replica.actor, replica.counter + 1)

    # rows

    def add_collection(self, name: str) -> None:
        """Make a collection known."""
        if name not in self._known:
            if self._writing.get(key_of(at.COLLECTIONS, name)) is None:
                self._writing.put(key_of(at.COLLECTIONS, name), NOTHING)
            self._known.add(name)

    def put_row(self, collection: str, key: str, row: StoredRow) -> None:
        """Keep a row under a key."""
        self.add_collection(collection)
        self._index_again(collection, key, row.body)
        self._writing.put(key_of(at.ROWS, collection, key), to_bytes(row))

    def put_documents(self, collection: str, rows: Sequence[DocumentRow]) -> None:
        """Keep many live rows."""
        self.add_collection(collection)
        for key, body, vector, stamp in rows:
            self.put_row(collection, key, StoredRow(str(body, "utf-8"), str(vector, "utf-8"), stamp))

    def drop_row(self, collection: str, key: str) -> None:
        """Forget a row."""
        self._index_again(collection, key, None)
        self._writing.drop(key_of(at.ROWS, collection, key))
        self.put_states(collection, key, None)

    def put_base(self, collection: str, key: str, base: StoredBase) -> None:
        """Keep a base copy apart."""
        self.add_collection(collection)
        self._writing.put(key_of(at.BASES, collection, key), to_bytes(base))

    def drop_base(self, collection: str, key: str) -> None:
        """Forget a base copy."""
        self._writing.drop(key_of(at.BASES, collection, key))

    def put_states(self, collection: str, key: str, states: StoredStates | None) -> None:
        """Keep the states of a document's replicated fields, or forget them."""
        if states is None:
            self._writing.drop(key_of(at.STATES, collection, key))
        else:
            self.add_collection(collection)
            self._writing.put(key_of(at.STATES, collection, key), to_bytes(states))

    # changes

    def add_change(self, change: StoredChange) -> int:
        """Append a change and return its id."""
        self.add_collection(change.collection)
        replica = self.replica()
        number = replica.last_change + 1
        self.save_replica(replace(replica, last_change=number))
        self._write_change(replace(change, id=number))
        return number

    def replace_change(self, change: StoredChange) -> None:
        """Replace the change with this id."""
        if self._writing.get(at.CHANGES + number_bytes(change.id)) is not None:
            self._drop_change(change.id)
            self._write_change(change)

    def _write_change(self, change: StoredChange) -> None:
        number, state = number_bytes(change.id), bytes([change.state])
        self._writing.put(at.CHANGES + number, to_bytes(change))
        self._writing.put(prefix_of(at.CHANGES_OF, change.collection, change.key) + number, state)
        self._writing.put(at.CHANGES_IN + state + number, NOTHING)

    def _drop_change(self, number: int) -> bool:
        found = number_bytes(number)
        if self._writing.get(at.CHANGES + found) is None:
            return False
        change = self._change(number)
        self._writing.drop(at.CHANGES + found)
        self._writing.drop(prefix_of(at.CHANGES_OF, change.collection, change.key) + found)
        self._writing.drop(at.CHANGES_IN + bytes([change.state]) + found)
        return True

    def documents_shared_beyond(self, first: int, last: int) -> list[tuple[str, str]]:
        """Return the documents with a change in the range and another outside."""
        inside = {(change.collection, change.key) for change in map(self._change, self._ids(first, last))}
        return sorted(place for place in inside if self._reaches_beyond(*place, first, last))

    def _reaches_beyond(self, collection: str, key: str, first: int, last: int) -> bool:
        entries = self._all(prefix_of(at.CHANGES_OF, collection, key))
        return any(not first <= number_at_end(found) <= last for found, _ in entries)

    def _ids(self, first: int, last: int) -> list[int]:
        found = self.view.scan(at.CHANGES + number_bytes(first), at.CHANGES + number_bytes(last + 1))
        return [number_at_end(key) for key, _ in found]

    def count_range(self, first: int, last: int) -> int:
        """Return how many changes are in the range."""
        return len(self._ids(first, last))

    def drop_range(self, first: int, last: int) -> None:
        """Forget the changes in the range."""
        self.drop_changes(self._ids(first, last))

    def drop_changes(self, ids: Iterable[int]) -> int:
        """Forget changes."""
        return sum(map(self._drop_change, ids))

    # the other books

    def put_subscription(self, subscription: Subscription) -> None:
        """Add or replace a subscription."""
        self._writing.put(key_of(at.SUBSCRIPTIONS, subscription.collection), to_bytes(subscription))

    def drop_subscription(self, collection: str) -> bool:
        """Forget a subscription."""
        return self._writing.drop(key_of(at.SUBSCRIPTIONS, collection))

    def put_backfill(self, collection: str, cursor: int) -> None:
        """Note how far a collection has caught up."""
        self._writing.put(key_of(at.BACKFILLS, collection), to_bytes(cursor))

    def drop_backfill(self, collection: str) -> None:
        """Note that a collection has caught up."""
        self._writing.drop(key_of(at.BACKFILLS, collection))

    def mark_all_unseen(self) -> None:
        """Remember every row as not yet seen again."""
        self.clear_unseen()
        for key, _ in self._all(at.ROWS):
            self._writing.put(at.UNSEEN + key[1:], NOTHING)

    def mark_seen(self, collection: str, key: str) -> None:
        """Note that a resync has brought this row."""
        self._writing.drop(key_of(at.UNSEEN, collection, key))

    def unseen(self) -> list[tuple[str, str]]:
        """Return the rows a resync has not brought."""
        return [(collection, key) for collection, key in (names_in(found) for found, _ in self._all(at.UNSEEN))]

    def clear_unseen(self) -> None:
        """End a resync."""
        self._clear(at.UNSEEN, end_of(at.UNSEEN))

    def mark(self, mark: Mark, collection: str, key: str) -> None:
        """Give a row a mark."""
        self.add_collection(collection)
        self._writing.put(key_of(at.MARKS + bytes([mark]), collection, key), NOTHING)

    def unmark(self, mark: Mark, collection: str, key: str) -> None:
        """Take a mark away."""
        self._writing.drop(key_of(at.MARKS + bytes([mark]), collection, key))

    def clear_marks(self, mark: Mark) -> None:
        """Take a mark away from all rows."""
        prefix = at.MARKS + bytes([mark])
        self._clear(prefix, end_of(prefix))

    def put_conflict(self, conflict: StoredConflict) -> None:
        """Add to the conflict log."""
        number_key = key_of(at.CONFLICT_NUMBERS, conflict.id)
        number = self._writing.get(number_key)
        if number is None:
            last = self._writing.get(at.LAST_CONFLICT_KEY) or number_bytes(0)
            number = number_bytes(int.from_bytes(last) + 1)
            self._writing.put(at.LAST_CONFLICT_KEY, number)
            self._writing.put(number_key, number)
        self._writing.put(at.CONFLICTS + number, to_bytes(conflict))
        if conflict.status == "pending":
            self._writing.put(at.OPEN_CONFLICTS + number, NOTHING)
        else:
            self._writing.drop(at.OPEN_CONFLICTS + number)

    def drop_conflicts(self, ids: Iterable[str]) -> None:
        """Take entries out of the conflict log."""
        for conflict_id in ids:
            number_key = key_of(at.CONFLICT_NUMBERS, conflict_id)
            number = self._writing.get(number_key)
            if number is not None:
                for key in (number_key, at.CONFLICTS + number, at.OPEN_CONFLICTS + number):
                    self._writing.drop(key)

    def put_setting(self, name: str, value: str | None) -> None:
        """Set a durable setting."""
        if value is None:
            self._writing.drop(key_of(at.SETTINGS, name))
        else:
            self._writing.put(key_of(at.SETTINGS, name), value.encode())

    # indexes

    def put_index(self, index: IndexDefinition, progress: IndexProgress | None = None) -> None:
        """Keep an index and build it."""
        self.add_collection(index.collection)
        self._writing.put(key_of(at.INDEXES, index.collection, index.field), bytes([index.unique]))
        self._indexes.pop(index.collection, None)
        rows = [row for row in bodies(self.view, index.collection) if row[1] is not None]
        report = progress or _tell_nobody
        report(0, len(rows))
        made = Index(index)
        for first in range(0, len(rows), DOCUMENTS_PER_REPORT):
            part = rows[first : first + DOCUMENTS_PER_REPORT]
            for entry, key in entries_of(made, part):
                self._writing.put(entry, key)
            if first + len(part) < len(rows):
                report(first + len(part), len(rows))
        report(len(rows), len(rows))

    def drop_index(self, collection: str, field: str) -> bool:
        """Forget an index."""
        if not self._writing.drop(key_of(at.INDEXES, collection, field)):
            return False
        self._indexes.pop(collection, None)
        prefix = prefix_of(at.INDEX_ENTRIES, collection, field)
        self._clear(prefix, end_of_entries(prefix))
        return True

    def _index_again(self, collection: str, key: str, body: str | None) -> None:
        """Let the indexes of a collection find a row by what is in it now, no longer by what was."""
        indexes = self._indexes.get(collection)
        if indexes is None:
            indexes = self._indexes[collection] = [Index(found) for found in self.indexes(collection)]
        if not indexes:
            return
        found = self._writing.get(key_of(at.ROWS, collection, key))
        before = None if found is None else to_row(found).body
        for index in indexes:
            old, new = index.entry(key, before), index.entry(key, body)
            if old != new and old is not None:
                self._writing.drop(old)
            if old != new and new is not None:
                self._writing.put(new, key.encode())

    def _clear(self, first: bytes, end: bytes) -> None:
        for key in [key for key, _ in self.view.scan(first, end)]:
            self._writing.drop(key)


def _tell_nobody(done: int, count: int) -> None:
    """Stand in for a listener."""
