"""The protocol of a local storage engine: rows, base copies, changes, and the few other things a replica keeps.

An engine knows nothing of sync: it stores records and finds them again, inside transactions driven by a committer. The
conformance suite in `testing/` is the other half of this definition; every engine passes it.

All methods but the transaction verbs are called inside a transaction, on the committer's thread; the reading ones also
outside of one, through `reader()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from solidb_sync.model.version_vector import Dot
from solidb_sync.storage.committer import Transactions
from solidb_sync.storage.field_path import FieldPath
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

IndexProgress = Callable[[int, int], None]
"""Told how far the building of an index has come: documents done, and how many there are."""


@runtime_checkable
class IndexReader(Protocol):
    """A reader that finds documents by its indexes for SDBQL. (SQLite uses its own inside its queries.)"""

    def keys_between(self, index: IndexDefinition, lowest: Any, highest: Any, most: int) -> list[str] | None:
        """Return the keys of all documents with a value from `lowest` to `highest`, in any order, and maybe others.

        Both are bools, numbers of 64 bits or strings; `highest` None stands for the end of all values. None: there would be
        more than `most`, or the index can't tell; a scan is always right.
        """


class EngineReader(Protocol):
    """What can be read; outside a transaction every call sees the last commit."""

    def replica(self) -> Replica:
        """Return who this store is."""

    def collections(self) -> list[str]:
        """Return the known collections by name, empty ones too."""

    def keys(self, collection: str) -> list[str]:
        """Return the keys of everything kept of a collection, tombstones too."""

    def row(self, collection: str, key: str) -> StoredRow | None:
        """Return what is kept under a key, tombstones too."""

    def rows_of(self, collection: str, keys: Sequence[str]) -> dict[str, StoredRow]:
        """Return what is kept under these keys, tombstones too, in any order."""

    def live_rows(self, collection: str) -> Iterator[tuple[str, StoredRow]]:
        """Yield the documents of a collection by key, without tombstones."""

    def all_rows(self, collection: str) -> Iterator[tuple[str, StoredRow]]:
        """Yield everything kept of a collection by key, tombstones too."""

    def rows_after(self, collection: str, key: str, count: int) -> list[tuple[str, StoredRow]]:
        """Return the first `count` rows of a collection with a key beyond `key`, by key, tombstones too."""

    def keys_after(self, collection: str, key: str, count: int) -> list[str]:
        """Return the keys of the rows that `rows_after` would return."""

    def base(self, collection: str, key: str) -> StoredBase | None:
        """Return the base copy kept apart for a document with changes, if any."""

    def has_bases(self) -> bool:
        """Return whether any base copy is kept apart."""

    def bases(self) -> Iterator[tuple[str, str, StoredBase]]:
        """Yield all base copies kept apart."""

    def states(self, collection: str, key: str) -> StoredStates | None:
        """Return the states of a document's replicated fields, None when it has none."""

    def has_states(self) -> bool:
        """Return whether any document has replicated fields."""

    def all_states(self) -> Iterator[tuple[str, str, StoredStates]]:
        """Yield the states of all documents that have any."""

    def has_changes(self) -> bool:
        """Return whether any change is kept, in any state."""

    def has_changes_of(self, collection: str, key: str) -> bool:
        """Return whether any change of this document is kept, in any state."""

    def changes_of(self, collection: str, key: str) -> list[StoredChange]:
        """Return the changes of one document, oldest first."""

    def rejected_of(self, collection: str, key: str) -> list[StoredChange]:
        """Return the changes of one document that the server refused, oldest first; quick when there are none."""

    def change_ids(self) -> list[int]:
        """Return the ids of all changes, oldest first."""

    def changes(self, *, state: ChangeState | None, after: int = 0, limit: int | None = None) -> list[StoredChange]:
        """Return changes, oldest first, with an id greater than `after`; `state` None for all."""

    def count_changes(self, state: ChangeState) -> int:
        """Return how many changes are in a state."""

    def subscriptions(self) -> list[Subscription]:
        """Return the subscriptions by collection."""

    def backfills(self) -> dict[str, int]:
        """Return the collections that are still catching up with the cursor, each with its own cursor."""

    def has_marks(self, mark: Mark) -> bool:
        """Return whether any row has a mark."""

    def is_marked(self, mark: Mark, collection: str, key: str) -> bool:
        """Return whether a row has a mark."""

    def marked(self, mark: Mark) -> list[tuple[str, str]]:
        """Return the rows that have a mark, by collection and key."""

    def conflicts(self) -> list[StoredConflict]:
        """Return the conflict log, oldest first."""

    def conflict(self, conflict_id: str) -> StoredConflict | None:
        """Return one entry of the conflict log."""

    def open_conflicts(self) -> list[StoredConflict]:
        """Return the entries of the conflict log with the status `pending`, oldest first."""

    def setting(self, name: str) -> str | None:
        """Return a durable setting of this device, JSON text; None when it was never set."""

    def settings(self) -> dict[str, str]:
        """Return all durable settings by name."""

    def blob(self, name: str) -> StoredBlob | None:
        """Return what is known of some attached bytes."""

    def blobs(self) -> list[StoredBlob]:
        """Return what is known of all attached bytes, by name."""

    def chunk(self, chunks: str, number: int) -> bytes | None:
        """Return one chunk of attached bytes, as it was put."""

    def indexes(self, collection: str | None = None) -> list[IndexDefinition]:
        """Return the indexes of a collection, or of all, by collection and field."""

    def field_values(self, collection: str, path: FieldPath) -> Iterator[tuple[str, Any]]:
        """Yield key and value of the documents in which a field is neither missing nor null, by key."""

    def keys_with(self, index: IndexDefinition, value: Any) -> list[str]:
        """Return the keys of the documents whose field of an index equals `value` (not null) as SDBQL sees it, by key."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Hold one state for all reads inside the `with` block."""

    def damage(self) -> list[str]:
        """Return what the engine itself finds damaged."""

    def close(self) -> None:
        """Give back what is held; of a reader, only what is its own."""


class StorageEngine(EngineReader, Transactions, Protocol):
    """An engine: reading, writing, and transactions."""

    def reader(self) -> EngineReader:
        """Return a view for reading outside transactions; safe to use while a transaction runs."""

    def save_replica(self, replica: Replica) -> None:
        """Replace what `replica` returns."""

    def next_dot(self) -> Dot:
        """Count one more edit of this incarnation and return its dot."""

    def add_collection(self, name: str) -> None:
        """Make a collection known."""

    def put_row(self, collection: str, key: str, row: StoredRow) -> None:
        """Keep a row under a key, in place of any before it."""

    def put_documents(self, collection: str, rows: Sequence[DocumentRow]) -> None:
        """Keep many live rows, in order."""

    def drop_row(self, collection: str, key: str) -> None:
        """Forget a row, tombstones too, with the states of its replicated fields."""

    def put_base(self, collection: str, key: str, base: StoredBase) -> None:
        """Keep a base copy apart."""

    def drop_base(self, collection: str, key: str) -> None:
        """Forget a base copy."""

    def put_states(self, collection: str, key: str, states: StoredStates | None) -> None:
        """Keep the states of a document's replicated fields, or forget them."""

    def add_change(self, change: StoredChange) -> int:
        """Append a change (its own `id` is ignored) and return the id it got, larger than all before."""

    def replace_change(self, change: StoredChange) -> None:
        """Replace the change with this id."""

    def documents_shared_beyond(self, first: int, last: int) -> list[tuple[str, str]]:
        """Return the documents that have a change with an id from `first` to `last`, and another outside."""

    def count_range(self, first: int, last: int) -> int:
        """Return how many changes have an id from `first` to `last`."""

    def drop_range(self, first: int, last: int) -> None:
        """Forget the changes with an id from `first` to `last`."""

    def drop_changes(self, ids: Iterable[int]) -> int:
        """Forget changes; return how many there were."""

    def put_subscription(self, subscription: Subscription) -> None:
        """Add or replace the subscription of a collection."""

    def drop_subscription(self, collection: str) -> bool:
        """Forget a subscription; return whether there was one."""

    def put_backfill(self, collection: str, cursor: int) -> None:
        """Note how far a collection has caught up."""

    def drop_backfill(self, collection: str) -> None:
        """Note that a collection has caught up."""

    def mark_all_unseen(self) -> None:
        """Begin a resync: remember every row as not yet seen again."""

    def mark_seen(self, collection: str, key: str) -> None:
        """Note that a resync has brought this row."""

    def unseen(self) -> list[tuple[str, str]]:
        """Return the rows a resync has not brought."""

    def clear_unseen(self) -> None:
        """End a resync."""

    def mark(self, mark: Mark, collection: str, key: str) -> None:
        """Give a row a mark, whether there is a row or not."""

    def unmark(self, mark: Mark, collection: str, key: str) -> None:
        """Take a mark away."""

    def clear_marks(self, mark: Mark) -> None:
        """Take a mark away from all rows."""

    def put_conflict(self, conflict: StoredConflict) -> None:
        """Add to the conflict log, or replace the entry with this id."""

    def drop_conflicts(self, ids: Iterable[str]) -> None:
        """Take entries out of the conflict log; one that is not there is no error."""

    def put_setting(self, name: str, value: str | None) -> None:
        """Set a durable setting, JSON text; None forgets it."""

    def put_blob(self, blob: StoredBlob) -> None:
        """Keep what is known of some attached bytes, in place of any before under this name."""

    def drop_blob(self, name: str) -> None:
        """Forget what is known of some attached bytes; their chunks stay."""

    def put_chunk(self, chunks: str, number: int, content: bytes) -> None:
        """Keep one chunk of attached bytes, in place of any before."""

    def drop_chunks(self, chunks: str, count: int) -> None:
        """Forget the first `count` chunks under a name."""

    def put_index(self, index: IndexDefinition, progress: IndexProgress | None = None) -> None:
        """Keep an index that is not there yet, over the documents there are and all that come.

        `progress` is called with (0, documents), now and then in between, and with (documents, documents) at the end.
        What it raises is raised here when the building is over.
        """

    def drop_index(self, collection: str, field: str) -> bool:
        """Forget an index; return whether there was one."""
