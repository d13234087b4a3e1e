"""Reading a RocksDB store: all that can be seen through a view of the map, be it a moment of it or a transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from solidb_sync.errors import StorageError
from solidb_sync.json_value import decode
from solidb_sync.storage.field_path import FieldPath, value_at
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
from solidb_sync.storage.rocksdb import key_layout as at
from solidb_sync.storage.rocksdb import records_bytes as read
from solidb_sync.storage.rocksdb.blob_entries import RocksdbBlobReads
from solidb_sync.storage.rocksdb.index_entries import Index, bodies, keys_between, keys_with
from solidb_sync.storage.rocksdb.key_layout import end_of, key_of, names_in, number_at_end, number_bytes, prefix_of
from solidb_sync.storage.rocksdb.ordered_map import Entry, OrderedMap

_STATES = tuple(ChangeState)


class Moments(Protocol):
    """Where views come from."""

    @property
    def view(self) -> OrderedMap:
        """The view in use: the moment that is held, else the present."""

    def held(self) -> AbstractContextManager[None]:
        """Hold one moment for all reads inside the `with` block."""

    def backup(self, path: str) -> None:
        """Write a consistent copy to a new place."""

    def close(self) -> None:
        """Give back what is held."""


class RocksdbReads(RocksdbBlobReads):
    """The reading half of an engine. A read that takes several steps takes them in one moment."""

    def __init__(self, moments: Moments) -> None:
        self._moments = moments

    def replica(self) -> Replica:
        """Return who this store is."""
        found = self._get(at.REPLICA_KEY)
        if found is None:
            raise StorageError("the store has no record of its device: its creation was not finished")
        return read.to_replica(found)

    def collections(self) -> list[str]:
        """Return the known collections by name."""
        return [names_in(key)[0] for key, _ in self._all(at.COLLECTIONS)]

    def keys(self, collection: str) -> list[str]:
        """Return the keys of everything kept of a collection."""
        prefix = prefix_of(at.ROWS, collection)
        return [key[len(prefix) :].decode() for key, _ in self._all(prefix)]

    def row(self, collection: str, key: str) -> StoredRow | None:
        """Return what is kept under a key."""
        found = self._get(key_of(at.ROWS, collection, key))
        return None if found is None else read.to_row(found)

    def rows_of(self, collection: str, keys: Sequence[str]) -> dict[str, StoredRow]:
        """Return what is kept under these keys."""
        found = {key: self._get(key_of(at.ROWS, collection, key)) for key in keys}
        return {key: read.to_row(row) for key, row in found.items() if row is not None}

    def live_rows(self, collection: str) -> Iterator[tuple[str, StoredRow]]:
        """Yield the documents of a collection by key."""
        return ((key, row) for key, row in self.all_rows(collection) if row.body is not None)

    def all_rows(self, collection: str) -> Iterator[tuple[str, StoredRow]]:
        """Yield everything kept of a collection by key."""
        prefix = prefix_of(at.ROWS, collection)
        for key, found in self._all(prefix):
            yield key[len(prefix) :].decode(), read.to_row(found)

    def rows_after(self, collection: str, key: str, count: int) -> list[tuple[str, StoredRow]]:
        """Return the next rows of a collection by key."""
        return [(found, read.to_row(record)) for found, record in self._entries_after(collection, key, count)]

    def keys_after(self, collection: str, key: str, count: int) -> list[str]:
        """Return the next keys of a collection."""
        return [found for found, _ in self._entries_after(collection, key, count)]

    def _entries_after(self, collection: str, key: str, count: int) -> Iterator[tuple[str, bytes]]:
        prefix = prefix_of(at.ROWS, collection)
        rows = self._view.scan(key_of(at.ROWS, collection, key) + b"\0", end_of(prefix))
        for found, record in _first(rows, count):
            yield found[len(prefix) :].decode(), record

    def base(self, collection: str, key: str) -> StoredBase | None:
        """Return the base copy kept apart."""
        found = self._get(key_of(at.BASES, collection, key))
        return None if found is None else read.to_base(found)

    def has_bases(self) -> bool:
        """Return whether any base copy is kept apart."""
        return self._has(at.BASES)

    def bases(self) -> Iterator[tuple[str, str, StoredBase]]:
        """Yield all base copies kept apart."""
        for key, found in self._all(at.BASES):
            collection, document = names_in(key)
            yield collection, document, read.to_base(found)

    def states(self, collection: str, key: str) -> StoredStates | None:
        """Return the states of a document's replicated fields."""
        found = self._get(key_of(at.STATES, collection, key))
        return None if found is None else read.to_states(found)

    def has_states(self) -> bool:
        """Return whether any document has replicated fields."""
        return self._has(at.STATES)

    def all_states(self) -> Iterator[tuple[str, str, StoredStates]]:
        """Yield the states of all documents that have any."""
        for key, found in self._all(at.STATES):
            collection, document = names_in(key)
            yield collection, document, read.to_states(found)

    def has_changes(self) -> bool:
        """Return whether any change is kept."""
        return self._has(at.CHANGES)

    def has_changes_of(self, collection: str, key: str) -> bool:
        """Return whether any change of this document is kept."""
        return self._has(prefix_of(at.CHANGES_OF, collection, key))

    def changes_of(self, collection: str, key: str) -> list[StoredChange]:
        """Return the changes of one document, oldest first."""
        return self._changes_of(collection, key, _STATES)

    def rejected_of(self, collection: str, key: str) -> list[StoredChange]:
        """Return the refused changes of one document."""
        return self._changes_of(collection, key, (ChangeState.REJECTED,))

    def change_ids(self) -> list[int]:
        """Return the ids of all changes, oldest first."""
        return [number_at_end(key) for key, _ in self._all(at.CHANGES)]

    def changes(self, *, state: ChangeState | None, after: int = 0, limit: int | None = None) -> list[StoredChange]:
        """Return changes, oldest first."""
        table = at.CHANGES if state is None else at.CHANGES_IN + bytes([state])
        with self.snapshot():
            found = _first(self._view.scan(table + number_bytes(after + 1), end_of(table)), limit)
            if state is None:
                return [read.to_change(record) for _, record in found]
            return [self._change(number_at_end(key)) for key, _ in found]

    def count_changes(self, state: ChangeState) -> int:
        """Return how many changes are in a state."""
        return sum(1 for _ in self._all(at.CHANGES_IN + bytes([state])))

    def subscriptions(self) -> list[Subscription]:
        """Return the subscriptions by collection."""
        return [read.to_subscription(found) for _, found in self._all(at.SUBSCRIPTIONS)]

    def backfills(self) -> dict[str, int]:
        """Return the collections that are still catching up."""
        return {names_in(key)[0]: read.to_number(found) for key, found in self._all(at.BACKFILLS)}

    def has_marks(self, mark: Mark) -> bool:
        """Return whether any row has a mark."""
        return self._has(at.MARKS + bytes([mark]))

    def is_marked(self, mark: Mark, collection: str, key: str) -> bool:
        """Return whether a row has a mark."""
        return self._get(key_of(at.MARKS + bytes([mark]), collection, key)) is not None

    def marked(self, mark: Mark) -> list[tuple[str, str]]:
        """Return the rows that have a mark."""
        return [_place(key[1:]) for key, _ in self._all(at.MARKS + bytes([mark]))]

    def conflicts(self) -> list[StoredConflict]:
        """Return the conflict log, oldest first."""
        return [read.to_conflict(found) for _, found in self._all(at.CONFLICTS)]

    def conflict(self, conflict_id: str) -> StoredConflict | None:
        """Return one entry of the conflict log."""
        with self.snapshot():
            number = self._get(key_of(at.CONFLICT_NUMBERS, conflict_id))
            found = None if number is None else self._get(at.CONFLICTS + number)
        return None if found is None else read.to_conflict(found)

    def open_conflicts(self) -> list[StoredConflict]:
        """Return the open entries of the conflict log, oldest first."""
        with self.snapshot():
            numbers = [key[1:] for key, _ in self._all(at.OPEN_CONFLICTS)]
            found = [self._get(at.CONFLICTS + number) for number in numbers]
        return [read.to_conflict(record) for record in found if record is not None]

    def setting(self, name: str) -> str | None:
        """Return a durable setting."""
        found = self._get(key_of(at.SETTINGS, name))
        return None if found is None else found.decode()

    def settings(self) -> dict[str, str]:
        """Return all durable settings by name."""
        return {names_in(key)[0]: found.decode() for key, found in self._all(at.SETTINGS)}

    def indexes(self, collection: str | None = None) -> list[IndexDefinition]:
        """Return the indexes of a collection, or of all."""
        prefix = at.INDEXES if collection is None else prefix_of(at.INDEXES, collection)
        return [_definition(key, found) for key, found in self._all(prefix)]

    def field_values(self, collection: str, path: FieldPath) -> Iterator[tuple[str, Any]]:
        """Yield key and value of the documents that have a field."""
        for key, body in bodies(self._view, collection):
            value = None if body is None else value_at(decode(body), path)
            if value is not None:
                yield key, value

    def keys_with(self, index: IndexDefinition, value: Any) -> list[str]:
        """Return the keys of the documents with a value, through the index."""
        with self.snapshot():
            return keys_with(self._view, Index(index), value)

    def keys_between(self, index: IndexDefinition, lowest: Any, highest: Any, most: int) -> list[str] | None:
        """Return the keys of the documents with a value in these bounds, through the index; None for too many."""
        return keys_between(self._view, Index(index), (lowest, highest), most)

    def snapshot(self) -> AbstractContextManager[None]:
        """Hold one moment."""
        return self._moments.held()

    def damage(self) -> list[str]:
        """Read everything: RocksDB compares every block with its checksum."""
        try:
            with self.snapshot():
                for _ in self._view.scan(b"", b"\xff"):
                    pass
        except StorageError as problem:
            return [str(problem)]
        return []

    def backup(self, path: str) -> None:
        """Write a consistent copy to a new place."""
        self._moments.backup(path)

    def close(self) -> None:
        """Give back what is held."""
        self._moments.close()

    @property
    def _view(self) -> OrderedMap:
        return self._moments.view

    def _get(self, key: bytes) -> bytes | None:
        return self._moments.view.get(key)

    def _all(self, prefix: bytes) -> Iterator[Entry]:
        return self._moments.view.scan(prefix, end_of(prefix))

    def _has(self, prefix: bytes) -> bool:
        return self._moments.view.has(prefix, end_of(prefix))

    def _change(self, number: int) -> StoredChange:
        found = self._get(at.CHANGES + number_bytes(number))
        if found is None:
            raise ValueError(f"change {number} is named by an index and is not there")
        return read.to_change(found)

    def _changes_of(self, collection: str, key: str, states: tuple[ChangeState, ...]) -> list[StoredChange]:
        with self.snapshot():
            entries = list(self._all(prefix_of(at.CHANGES_OF, collection, key)))
            return [self._change(number_at_end(found)) for found, state in entries if state[0] in states]


def _place(key: bytes) -> tuple[str, str]:
    collection, document = names_in(key)
    return collection, document


def _definition(key: bytes, found: bytes) -> IndexDefinition:
    collection, field = names_in(key)
    return IndexDefinition(collection, field, found == b"\x01")


def _first(entries: Iterator[Entry], count: int | None) -> Iterator[Entry]:
    """Yield so many; None for all."""
    left = count
    for entry in entries:
        if left == 0:
            return
        yield entry
        left = None if left is None else left - 1
