"""The memory engine: plain dictionaries with an undo log. The reference that other engines are compared with.

Nothing survives closing it. A lock keeps readers out while a transaction runs, so that they never see half of one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

from msgspec.structs import replace

from sdbql.values import equal
from solidb_sync.json_value import decode
from solidb_sync.model.version_vector import Dot
from solidb_sync.storage.engine import EngineReader, IndexProgress
from solidb_sync.storage.field_path import FieldPath, parse_field, value_at
from solidb_sync.storage.memory_blobs import MISSING, MemoryBlobs
from solidb_sync.storage.memory_index import MemoryIndex
from solidb_sync.storage.records import (
    ChangeState,
    DocumentRow,
    IndexDefinition,
    Mark,
    Replica,
    StoredBase,
    StoredBlob,
    StoredChange,
    StoredConflict,
    StoredRow,
    StoredStates,
    Subscription,
)

Place = tuple[str, str]


class MemoryEngine(MemoryBlobs):
    """Implements `StorageEngine` in memory."""

    def __init__(self, replica: Replica) -> None:
        self._guard = threading.RLock()
        """Held from the beginning of a transaction to its end, and by every read; free for the thread that holds it."""
        self._undo: list[Callable[[], None]] | None = None
        self._mark = 0
        self._facts: dict[str, Any] = {"replica": replica}
        self._rows: dict[str, dict[str, StoredRow]] = {}
        self._bases: dict[Place, StoredBase] = {}
        self._states: dict[Place, StoredStates] = {}
        self._changes: dict[int, StoredChange] = {}
        self._change_ids: dict[Place, tuple[int, ...]] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._backfills: dict[str, int] = {}
        self._unseen: dict[Place, bool] = {}
        self._marks: dict[tuple[Mark, str, str], bool] = {}
        self._conflicts: dict[str, StoredConflict] = {}
        self._settings: dict[str, str] = {}
        self._indexes: dict[Place, IndexDefinition] = {}
        self._built: dict[Place, MemoryIndex] = {}
        """The indexes that queries have asked for; made of the rows, and told of every key whose row changes."""
        self._blobs: dict[str, StoredBlob] = {}
        self._chunks: dict[tuple[str, int], bytes] = {}

    # transactions

    def begin(self) -> None:
        """Begin a transaction; readers wait until it ends."""
        self._guard.acquire()
        self._undo = []

    def commit(self) -> None:
        """End the transaction, keeping what it did."""
        self._undo = None
        self._guard.release()

    def rollback(self) -> None:
        """End the transaction, taking back what it did."""
        if self._undo is not None:
            self._undo_to(0)
            self._undo = None
            self._guard.release()

    def savepoint(self) -> None:
        """Mark a place."""
        assert self._undo is not None
        self._mark = len(self._undo)

    def release(self) -> None:
        """Keep what was done since the mark."""

    def rollback_to_savepoint(self) -> bool:
        """Take back what was done since the mark."""
        self._undo_to(self._mark)
        return True

    def _undo_to(self, mark: int) -> None:
        assert self._undo is not None
        while len(self._undo) > mark:
            self._undo.pop()()

    def _set(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        before = table.get(key, MISSING)
        assert self._undo is not None, "written outside a transaction"
        self._undo.append(lambda: self._restore(table, key, before))
        if value is MISSING:
            table.pop(key, None)
        else:
            table[key] = value

    @staticmethod
    def _restore(table: dict[Any, Any], key: Any, before: Any) -> None:
        if before is MISSING:
            table.pop(key, None)
        else:
            table[key] = before

    # reading

    def reader(self) -> EngineReader:
        """Return this engine: its reads wait for a running transaction."""
        return self

    def replica(self) -> Replica:
        """Return who this store is."""
        with self._guard:
            found: Replica = self._facts["replica"]
            return found

    def collections(self) -> list[str]:
        """Return the known collections by name."""
        with self._guard:
            return sorted(self._rows)

    def keys(self, collection: str) -> list[str]:
        """Return the keys of everything kept of a collection."""
        with self._guard:
            return sorted(self._rows.get(collection, {}))

    def row(self, collection: str, key: str) -> StoredRow | None:
        """Return what is kept under a key."""
        with self._guard:
            return self._rows.get(collection, {}).get(key)

    def rows_of(self, collection: str, keys: Sequence[str]) -> dict[str, StoredRow]:
        """Return what is kept under these keys."""
        with self._guard:
            rows = self._rows.get(collection, {})
            return {key: rows[key] for key in keys if key in rows}

    def live_rows(self, collection: str) -> Iterator[tuple[str, StoredRow]]:
        """Yield the documents of a collection by key."""
        return ((key, row) for key, row in self.all_rows(collection) if row.body is not None)

    def all_rows(self, collection: str) -> Iterator[tuple[str, StoredRow]]:
        """Yield everything kept of a collection by key."""
        with self._guard:
            return iter(sorted(self._rows.get(collection, {}).items()))

    def rows_after(self, collection: str, key: str, count: int) -> list[tuple[str, StoredRow]]:
        """Return the next rows of a collection by key."""
        return [(next_key, row) for next_key, row in self.all_rows(collection) if next_key > key][:count]

    def keys_after(self, collection: str, key: str, count: int) -> list[str]:
        """Return the next keys of a collection."""
        return [next_key for next_key in self.keys(collection) if next_key > key][:count]

    def base(self, collection: str, key: str) -> StoredBase | None:
        """Return the base copy kept apart."""
        with self._guard:
            return self._bases.get((collection, key))

    def has_bases(self) -> bool:
        """Return whether any base copy is kept apart."""
        with self._guard:
            return bool(self._bases)

    def bases(self) -> Iterator[tuple[str, str, StoredBase]]:
        """Yield all base copies kept apart."""
        with self._guard:
            return iter([(collection, key, base) for (collection, key), base in sorted(self._bases.items())])

    def states(self, collection: str, key: str) -> StoredStates | None:
        """Return the states of a document's replicated fields."""
        with self._guard:
            return self._states.get((collection, key))

    def has_states(self) -> bool:
        """Return whether any document has replicated fields."""
        with self._guard:
            return bool(self._states)

    def all_states(self) -> Iterator[tuple[str, str, StoredStates]]:
        """Yield the states of all documents that have any."""
        with self._guard:
            return iter([(collection, key, states) for (collection, key), states in sorted(self._states.items())])

    def has_changes(self) -> bool:
        """Return whether any change is kept."""
        with self._guard:
            return bool(self._changes)

    def has_changes_of(self, collection: str, key: str) -> bool:
        """Return whether any change of this document is kept."""
        with self._guard:
            return (collection, key) in self._change_ids

    def changes_of(self, collection: str, key: str) -> list[StoredChange]:
        """Return the changes of one document, oldest first."""
        with self._guard:
            return [self._changes[number] for number in self._change_ids.get((collection, key), ())]

    def rejected_of(self, collection: str, key: str) -> list[StoredChange]:
        """Return the refused changes of one document."""
        return [change for change in self.changes_of(collection, key) if change.state is ChangeState.REJECTED]

    def change_ids(self) -> list[int]:
        """Return the ids of all changes, oldest first."""
        with self._guard:
            return sorted(self._changes)

    def changes(self, *, state: ChangeState | None, after: int = 0, limit: int | None = None) -> list[StoredChange]:
        """Return changes, oldest first."""
        with self._guard:
            found = [
                change
                for number, change in sorted(self._changes.items())
                if number > after and (state is None or change.state is state)
            ]
        return found[:limit]

    def count_changes(self, state: ChangeState) -> int:
        """Return how many changes are in a state."""
        return len(self.changes(state=state))

    def subscriptions(self) -> list[Subscription]:
        """Return the subscriptions by collection."""
        with self._guard:
            return [deepcopy(self._subscriptions[collection]) for collection in sorted(self._subscriptions)]

    def backfills(self) -> dict[str, int]:
        """Return the collections that are still catching up."""
        with self._guard:
            return dict(sorted(self._backfills.items()))

    def has_marks(self, mark: Mark) -> bool:
        """Return whether any row has a mark."""
        return bool(self.marked(mark))

    def is_marked(self, mark: Mark, collection: str, key: str) -> bool:
        """Return whether a row has a mark."""
        with self._guard:
            return (mark, collection, key) in self._marks

    def marked(self, mark: Mark) -> list[Place]:
        """Return the rows that have a mark."""
        with self._guard:
            return sorted((collection, key) for kind, collection, key in self._marks if kind is mark)

    def conflicts(self) -> list[StoredConflict]:
        """Return the conflict log, oldest first."""
        with self._guard:
            return list(self._conflicts.values())

    def conflict(self, conflict_id: str) -> StoredConflict | None:
        """Return one entry of the conflict log."""
        with self._guard:
            return self._conflicts.get(conflict_id)

    def open_conflicts(self) -> list[StoredConflict]:
        """Return the open entries of the conflict log, oldest first."""
        with self._guard:
            return [conflict for conflict in self._conflicts.values() if conflict.status == "pending"]

    def setting(self, name: str) -> str | None:
        """Return a durable setting."""
        with self._guard:
            return self._settings.get(name)

    def settings(self) -> dict[str, str]:
        """Return all durable settings by name."""
        with self._guard:
            return dict(sorted(self._settings.items()))

    def indexes(self, collection: str | None = None) -> list[IndexDefinition]:
        """Return the indexes of a collection, or of all."""
        with self._guard:
            return [index for (name, _), index in sorted(self._indexes.items()) if collection in (None, name)]

    def field_values(self, collection: str, path: FieldPath) -> Iterator[tuple[str, Any]]:
        """Yield key and value of the documents that have a field."""
        for key, row in self.live_rows(collection):
            value = value_at(decode(row.body or "{}"), path)
            if value is not None:
                yield key, value

    def keys_with(self, index: IndexDefinition, value: Any) -> list[str]:
        """Return the keys of the documents with a value, by looking at each: a definition is all there is of an index."""
        found = self.field_values(index.collection, parse_field(index.field))
        return [key for key, other in found if equal(other, value)]

    def keys_between(self, index: IndexDefinition, lowest: Any, highest: Any, most: int) -> list[str] | None:
        """Return the keys of the documents with a value in these bounds; None for too many."""
        place = (index.collection, index.field)
        with self._guard:
            rows = self._rows.get(index.collection, {})
            built = self._built.get(place)
            if built is None:
                built = self._built[place] = MemoryIndex(index.field, rows)
            return built.keys_between(rows, (lowest, highest), most)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Hold one state: writers wait."""
        with self._guard:
            yield

    def damage(self) -> list[str]:
        """Return nothing: memory has no disk to rot."""
        return []

    def close(self) -> None:
        """Forget everything."""
        for table in (
            self._rows, self._bases, self._changes, self._subscriptions, self._backfills, self._conflicts, self._indexes,
            self._settings, self._states, self._blobs, self._chunks, self._built,
        ):  # fmt: skip
            table.clear()

    # writing

    def save_replica(self, replica: Replica) -> None:
        """Replace what `replica` returns."""
        self._set(self._facts, "replica", replica)

    def next_dot(self) -> Dot:
        """Count one more edit."""
        replica: Replica = self._facts["replica"]
        self.save_replica(replace(replica, counter=replica.counter + 1))
        return Dot(replica.actor, replica.counter + 1)

    def add_collection(self, name: str) -> None:
        """Make a collection known."""
        if name not in self._rows:
            self._set(self._rows, name, {})

    def put_row(self, collection: str, key: str, row: StoredRow) -> None:
        """Keep a row under a key."""
        self.add_collection(collection)
        self._set(self._rows[collection], key, row)
        self._row_changed(collection, key)

    def put_documents(self, collection: str, rows: Sequence[DocumentRow]) -> None:
        """Keep many live rows."""
        self.add_collection(collection)
        for key, body, vector, stamp in rows:
            self.put_row(collection, key, StoredRow(str(body, "utf-8"), str(vector, "utf-8"), stamp))

    def drop_row(self, collection: str, key: str) -> None:
        """Forget a row."""
        self._set(self._rows.get(collection, {}), key, MISSING)
        self._row_changed(collection, key)
        self.put_states(collection, key, None)

    def _row_changed(self, collection: str, key: str) -> None:
        """Tell the indexes now, and again when the change is taken back: they may have looked at it meanwhile."""
        assert self._undo is not None
        self._tell_indexes(collection, key)
        self._undo.append(lambda: self._tell_indexes(collection, key))

    def _tell_indexes(self, collection: str, key: str) -> None:
        for (of, _), built in self._built.items():
            if of == collection:
                built.row_changed(key)

    def put_base(self, collection: str, key: str, base: StoredBase) -> None:
        """Keep a base copy apart."""
        self.add_collection(collection)
        self._set(self._bases, (collection, key), base)

    def drop_base(self, collection: str, key: str) -> None:
        """Forget a base copy."""
        self._set(self._bases, (collection, key), MISSING)

    def put_states(self, collection: str, key: str, states: StoredStates | None) -> None:
        """Keep the states of a document's replicated fields, or forget them."""
        if states is not None:
            self.add_collection(collection)
        self._set(self._states, (collection, key), MISSING if states is None else states)

    def add_change(self, change: StoredChange) -> int:
        """Append a change and return its id."""
        self.add_collection(change.collection)
        replica: Replica = self._facts["replica"]
        number = replica.last_change + 1
        self.save_replica(replace(replica, last_change=number))
        self._set(self._changes, number, replace(change, id=number))
        place = (change.collection, change.key)
        self._set(self._change_ids, place, (*self._change_ids.get(place, ()), number))
        return number

    def replace_change(self, change: StoredChange) -> None:
        """Replace the change with this id."""
        if change.id in self._changes:
            self._set(self._changes, change.id, change)

    def documents_shared_beyond(self, first: int, last: int) -> list[Place]:
        """Return the documents with a change in the range and another outside."""
        return [
            place
            for place, numbers in self._change_ids.items()
            if any(first <= number <= last for number in numbers) and not all(first <= number <= last for number in numbers)
        ]

    def count_range(self, first: int, last: int) -> int:
        """Return how many changes are in the range."""
        return sum(first <= number <= last for number in self._changes)

    def drop_range(self, first: int, last: int) -> None:
        """Forget the changes in the range."""
        self.drop_changes([number for number in self._changes if first <= number <= last])

    def drop_changes(self, ids: Iterable[int]) -> int:
        """Forget changes."""
        known = [number for number in dict.fromkeys(ids) if number in self._changes]
        for number in known:
            change = self._changes[number]
            place = (change.collection, change.key)
            left = tuple(other for other in self._change_ids[place] if other != number)
            self._set(self._change_ids, place, left or MISSING)
            self._set(self._changes, number, MISSING)
        return len(known)

    def put_subscription(self, subscription: Subscription) -> None:
        """Add or replace a subscription."""
        self._set(self._subscriptions, subscription.collection, deepcopy(subscription))

    def drop_subscription(self, collection: str) -> bool:
        """Forget a subscription."""
        was_there = collection in self._subscriptions
        self._set(self._subscriptions, collection, MISSING)
        return was_there

    def put_backfill(self, collection: str, cursor: int) -> None:
        """Note how far a collection has caught up."""
        self._set(self._backfills, collection, cursor)

    def drop_backfill(self, collection: str) -> None:
        """Note that a collection has caught up."""
        self._set(self._backfills, collection, MISSING)

    def mark_all_unseen(self) -> None:
        """Remember every row as not yet seen again."""
        self.clear_unseen()
        for collection, rows in self._rows.items():
            for key in rows:
                self._set(self._unseen, (collection, key), True)

    def mark_seen(self, collection: str, key: str) -> None:
        """Note that a resync has brought this row."""
        self._set(self._unseen, (collection, key), MISSING)

    def unseen(self) -> list[Place]:
        """Return the rows a resync has not brought."""
        return sorted(self._unseen)

    def clear_unseen(self) -> None:
        """End a resync."""
        for place in list(self._unseen):
            self._set(self._unseen, place, MISSING)

    def mark(self, mark: Mark, collection: str, key: str) -> None:
        """Give a row a mark."""
        self.add_collection(collection)
        self._set(self._marks, (mark, collection, key), True)

    def unmark(self, mark: Mark, collection: str, key: str) -> None:
        """Take a mark away."""
        if (mark, collection, key) in self._marks:
            self._set(self._marks, (mark, collection, key), MISSING)

    def clear_marks(self, mark: Mark) -> None:
        """Take a mark away from all rows."""
        for place in self.marked(mark):
            self.unmark(mark, *place)

    def put_conflict(self, conflict: StoredConflict) -> None:
        """Add to the conflict log."""
        self._set(self._conflicts, conflict.id, conflict)

    def drop_conflicts(self, ids: Iterable[str]) -> None:
        """Take entries out of the conflict log."""
        before = dict(self._conflicts)
        for conflict_id in ids:
            self._set(self._conflicts, conflict_id, MISSING)
        assert self._undo is not None
        self._undo.append(lambda: self._set_conflicts(before))

    def _set_conflicts(self, conflicts: dict[str, StoredConflict]) -> None:
        """Put the log back in its order, which entries put back one by one would not have."""
        self._conflicts.clear()
        self._conflicts.update(conflicts)

    def put_setting(self, name: str, value: str | None) -> None:
        """Set a durable setting."""
        self._set(self._settings, name, MISSING if value is None else value)

    def put_index(self, index: IndexDefinition, progress: IndexProgress | None = None) -> None:
        """Keep the definition of an index."""
        self.add_collection(index.collection)
        self._set(self._indexes, (index.collection, index.field), index)
        count = sum(1 for _ in self.live_rows(index.collection))
        for done in (0, count):
            if progress is not None:
                progress(done, count)

    def drop_index(self, collection: str, field: str) -> bool:
        """Forget an index."""
        was_there = (collection, field) in self._indexes
        self._set(self._indexes, (collection, field), MISSING)
        self._built.pop((collection, field), None)
        return was_there
