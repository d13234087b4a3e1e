"""What the server asks of its storage, so that another database can take the place of SQLite.

Work is a plain function over a session. `write` runs it in a transaction and returns its result after the commit: what the
caller learns is durable. It may run twice, when another caller's work in the same group commit fails, so it must change
nothing but the database. A session that sees its own transaction's earlier work sees that of other callers in the same group
commit too, so nothing about a database may be remembered outside of a session before the commit.
`read` runs work on one consistent snapshot of what is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from solidb_sync.server.storage.attachments import AttachmentReads
from solidb_sync.server.storage.live_copies import LiveCopiesReads, LiveCopiesWrites
from solidb_sync.server.storage.maintenance import MaintenanceWrites
from solidb_sync.server.storage.records import (
    ActorState,
    ApiKey,
    ClientNote,
    Collection,
    ConflictQuery,
    ConflictRecord,
    DocumentName,
    Echo,
    FoundDocument,
    Head,
    LogEntry,
    Outcome,
    Reset,
    StoredDocument,
    StoredSettings,
    Stretch,
    Unsettled,
    Writes,
)
from solidb_sync.server.storage.views import ViewReads, ViewWrites

Result = TypeVar("Result")


class ReadSession(ViewReads, AttachmentReads, LiveCopiesReads, Protocol):
    """One consistent view of a database."""

    def head(self) -> Head:
        """Return which history this is and how far it goes."""

    def actor(self, actor: str) -> ActorState | None:
        """Return what is known of an actor, None when nothing is."""

    def end_of_run(self, run: str) -> int | None:
        """Return the newest sequence there was in a run of the server, None when no such run is known."""

    def last_runs(self, count: int) -> list[str]:
        """Return the ids of the last runs, the present one at the end."""

    def owner(self, client_id: str) -> str | None:
        """Return the principal that a client belongs to, None when nobody has claimed it."""

    def incarnation(self, client_id: str) -> int:
        """Return the newest incarnation given out or used by a client, 0 for the first."""

    def collection_ids(self, names: Iterable[str] | None) -> dict[int, str]:
        """Return number and name of these collections, all of them for None; unknown ones are left out."""

    def log_after(self, cursor: int, *, wanted: Sequence[int] | None, echo: Echo, limit: int) -> list[LogEntry]:
        """Return the first log entries after the cursor, in order, within `SCAN_ROWS_MAX` scanned entries.

        `wanted` are the collections asked for, None for all of them. Entries whose version the asking device holds,
        by its `echo`, are passed over.
        """

    def scanned_to(self, cursor: int) -> int | None:
        """Return the sequence at which a scan from the cursor meets its bound, None when it reaches the end."""

    def count_after(self, cursor: int, *, wanted: Sequence[int] | None, echo: Echo) -> int:
        """Return how many entries a pull from the cursor would send, counting at most `SCAN_ROWS_MAX` entries."""

    def documents_at(self, collection: int, rows: Sequence[int]) -> list[StoredDocument]:
        """Return the documents at these rows, in any order."""

    def stretch_after(self, cursor: int, *, wanted: Sequence[int] | None, echo: Echo, limit: int) -> Stretch:
        """Return how the entries lie that `log_after` would return."""

    def authors(self, stretch: Stretch, *, wanted: Sequence[int] | None, echo: Echo) -> dict[str, int]:
        """Return who made the changes of a stretch, and the highest counter of each."""

    def page_text(self, stretch: Stretch, name: str, *, echo: Echo, bytes_max: int) -> bytes | None:
        """Return a stretch of one collection, called `name`, as the JSON array of its whole documents, in order.

        None when keys, vectors and documents are longer than `bytes_max`, however few they are.
        """

    def has_crdt_states(self, collection: int) -> bool:
        """Return whether any document of a collection has a replicated field."""

    def crdt_states(self, collection: int, rows: Sequence[int]) -> dict[int, str]:
        """Return the states of the replicated fields of the documents at these rows that have any, as JSON text."""

    def resets_after(self, seq: int) -> list[Reset]:
        """Return the collections that were last emptied or dropped after a sequence, in that order."""

    def has_transactions(self) -> bool:
        """Return whether any transaction has ever written several documents."""

    def linked_documents(self, rows: Sequence[tuple[int, int]], *, since: int, limit: int) -> list[tuple[int, int]] | None:
        """Return the documents that transactions after `since` wrote with these, in any number of steps.

        A document is the number of its collection and its row; those given are among them. None when they are more than
        `limit`, and an empty list when no transaction is that new.
        """

    def entries_of(self, collection: int, rows: Sequence[int]) -> list[LogEntry]:
        """Return the log entries of these documents, in order."""

    def document(self, collection: str, key: str) -> StoredDocument | None:
        """Return one document, a tombstone too."""

    def live_documents(self, collection: str, *, after: str, limit: int) -> list[StoredDocument]:
        """Return the documents with a key beyond `after`, by key, without tombstones."""

    def collections(self) -> list[Collection]:
        """Return every collection, by name."""

    def client(self, client_id: str) -> ClientNote | None:
        """Return what was last stored of a device."""

    def conflicts_of(self, change_ids: Sequence[str]) -> list[ConflictRecord]:
        """Return the recorded conflicts of these changes."""

    def conflicts(self, query: ConflictQuery) -> list[ConflictRecord]:
        """Return the conflicts asked for, oldest first."""

    def open_conflict(self, client_id: str, name: DocumentName) -> ConflictRecord | None:
        """Return the open conflict of a client about a document."""

    def settled_since(self, client_id: str, *, after: int, upto: int) -> list[str]:
        """Return the changes whose conflicts, of this client, were settled after one sequence and up to another."""

    def overruled_since(self, client_id: str, after: int) -> set[DocumentName]:
        """Return the documents in which an edit of this client, taken after a sequence, was overruled or left open."""

    def policies(self) -> dict[str, str]:
        """Return the strategies that hold for collections whatever the devices ask for."""

    def settings(self, client_id: str) -> StoredSettings:
        """Return the settings a device has registered with, the defaults when it has none."""


class WriteSession(ReadSession, ViewWrites, MaintenanceWrites, LiveCopiesWrites, Protocol):
    """A view that can be written to, inside one transaction."""

    def outcomes(self, change_ids: Sequence[str]) -> list[Outcome]:
        """Return the recorded outcomes of those changes that have one."""

    def unsettled(self, actor: str) -> list[Unsettled]:
        """Return the changes last sent by this actor that are not settled, in the order of their counters."""

    def highest_counters(self, actors: Sequence[str]) -> dict[str, int]:
        """Return the highest counter taken of those actors that are known."""

    def find(self, collection: str, keys: Sequence[str]) -> list[FoundDocument]:
        """Return the records of those keys that have one."""

    def body(self, collection: str, row: int) -> str | None:
        """Return the text of a document, None for a tombstone."""

    def bodies(self, collection: str, rows: Sequence[int]) -> dict[int, str | None]:
        """Return the texts of the documents at these rows of a collection."""

    def crdt_state(self, collection: str, row: int) -> str:
        """Return the states of a document's replicated fields, empty when it has none."""

    def add_new_documents(self, changes: bytes, collections: Iterable[str], *, actor: str, newest: int, now_ms: int) -> bool:
        """Write the inserts of a JSON array as new documents with outcome `applied`, from the sequence after `newest` on.

        Returns False, with no effect, when a document or a change of them is there already.
        """

    def write(self, writes: Writes) -> None:
        """Write all of it; a new document's row number is set in its `DocumentWrite`."""

    def reset_collection(self, reset: Reset) -> bool:
        """Delete every document of a collection and remember when, and the collection itself when it is dropped.

        False, with no effect, when there is no such collection.
        """

    def save_newest(self, newest: int) -> None:
        """Set the newest sequence."""

    def save_stamp(self, stamp: str) -> None:
        """Set the latest stamp of a hybrid clock that was taken."""

    def save_policy(self, collection: str, strategy: str | None) -> bool:
        """Set the strategy of a collection, None forgets it; returns whether anything changed."""

    def save_actor(self, state: ActorState) -> None:
        """Insert or replace what is known of an actor."""

    def raise_seen(self, counters: Mapping[str, int]) -> None:
        """Note that edits of these actors, up to these counters, are in documents that were offered."""

    def save_owners(self, owners: Mapping[str, str]) -> None:
        """Give clients that have no owner to these."""

    def save_clients(self, notes: Sequence[ClientNote]) -> None:
        """Insert or replace what is known of devices, keeping their incarnations."""

    def save_incarnation(self, client_id: str, incarnation: int) -> None:
        """Record that an incarnation has been given out."""

    def save_settings(self, client_id: str, settings: StoredSettings) -> None:
        """Set the settings of a device."""

    def forget_client(self, client_id: str) -> bool:
        """Drop what is known of a device except its incarnation, so that none is given out twice."""


class DatabaseBackend(Protocol):
    """One database."""

    @property
    def attachment_directory(self) -> str:
        """Where the files of its attachments are."""

    @property
    def reads_in_threads(self) -> bool:
        """True when long reads run beside the event loop."""

    async def write(self, work: Callable[[WriteSession], Result]) -> Result:
        """Run `work` in a transaction and return its result after the commit."""

    async def read(self, work: Callable[[ReadSession], Result], *, is_small: bool = True) -> Result:
        """Run `work` on a snapshot; work that may take milliseconds is not small and must not hold up the event loop."""

    def close(self) -> None:
        """Finish queued writes and release the files."""


class ServerBackend(Protocol):
    """All databases of a server, and the API keys to them."""

    def database(self, name: str, *, create: bool) -> DatabaseBackend | None:
        """Return an open database, None when there is none and it may not be created."""

    def database_names(self) -> list[str]:
        """Return the names of all databases, in order."""

    def add_api_key(self, key: ApiKey) -> None:
        """Store a key, and create the database it is for when that is missing."""

    def find_api_key(self, digest: bytes) -> ApiKey | None:
        """Return the key with this digest."""

    def api_keys(self) -> list[ApiKey]:
        """Return all keys, oldest first."""

    def remove_api_key(self, key_id: str) -> bool:
        """Delete a key; False when there is none."""

    def check(self) -> None:
        """Raise `StorageError` unless the storage answers."""

    def close(self) -> None:
        """Close every database."""
