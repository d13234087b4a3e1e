"""Reads and writes over one connection to a database file; the caller holds the transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apsw

from solidb_sync.errors import StorageFullError
from solidb_sync.json_value import encode
from solidb_sync.server.storage.records import (
    ActorState,
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
from solidb_sync.server.storage.sqlite import statements as sql
from solidb_sync.server.storage.sqlite.attachment_session import SqliteAttachmentReads
from solidb_sync.server.storage.sqlite.document_writer import write_documents
from solidb_sync.server.storage.sqlite.live_copies_session import SqliteLiveCopiesReads, SqliteLiveCopiesWrites
from solidb_sync.server.storage.sqlite.maintenance_session import SqliteMaintenanceWrites
from solidb_sync.server.storage.sqlite.view_session import SqliteViewReads, SqliteViewWrites

SCAN_ROWS_MAX = 20_000
"""How many log entries one pull looks at when none of them is wanted."""

TEXT_PER_STORED_BYTE_MAX = 6
"""The most bytes of JSON text that one byte of a stored document becomes: `false` and its comma are one byte in JSONB."""

COLLECTIONS_MAX = 10_000
DEFAULT_SETTINGS = StoredSettings("", "")


class SqliteReadSession(SqliteViewReads, SqliteAttachmentReads, SqliteLiveCopiesReads):
    """Implements `ReadSession`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def head(self) -> Head:
        """Return the epoch and the newest sequence."""
        return Head(*self._one(sql.HEAD))

    def actor(self, actor: str) -> ActorState | None:
        """Return what is known of an actor, None when nothing is."""
        row = self._first(sql.ACTOR, actor)
        return row and ActorState(row[0], row[1], row[2], bool(row[3]), row[4], row[5])

    def end_of_run(self, run: str) -> int | None:
        """Return the newest sequence of a run, None when there was no such run."""
        row = self._first(sql.RUN_NUMBER, run)
        if row is None:
            return None
        after = self._first(sql.RUN_AFTER, row[0])
        return int(after[0]) if after else self.head().newest

    def last_runs(self, count: int) -> list[str]:
        """Return the ids of the last runs, the present one at the end."""
        return [str(run) for (run,) in self._connection.execute(sql.LAST_RUNS, (count,))][::-1]

    def owner(self, client_id: str) -> str | None:
        """Return the principal that a client belongs to, None when nobody has claimed it."""
        row = self._first(sql.OWNER, client_id)
        return None if row is None else str(row[0])

    def incarnation(self, client_id: str) -> int:
        """Return the newest incarnation given out or used by a client, 0 for the first."""
        row = self._first(sql.INCARNATION, client_id)
        used = [actor.partition("~")[2] for (actor,) in self._connection.execute(sql.ACTORS_OF_CLIENT, (client_id,))]
        return max([row[0] if row else 0, *(int(number) for number in used if number.isdigit())])

    def collection_ids(self, names: Iterable[str] | None) -> dict[int, str]:
        """Return number and name of these collections, all of them for None; unknown ones are left out."""
        if names is None:
            return dict(self._connection.execute(sql.COLLECTIONS))
        return dict(self._connection.execute(sql.COLLECTIONS_NAMED, (json_list(names),)))

    def log_after(self, cursor: int, *, wanted: Sequence[int] | None, echo: Echo, limit: int) -> list[LogEntry]:
        """Return the first wanted log entries after the cursor, in order."""
        bindings = {**_scan_bindings(cursor, wanted, echo), "limit": limit}
        return list(map(LogEntry._make, self._connection.execute(sql.LOG_AFTER, bindings)))

    def scanned_to(self, cursor: int) -> int | None:
        """Return the sequence at which a scan from the cursor meets its bound, None when it reaches the end."""
        row = self._first(sql.SCANNED_TO, cursor, SCAN_ROWS_MAX - 1)
        return row and int(row[0])

    def count_after(self, cursor: int, *, wanted: Sequence[int] | None, echo: Echo) -> int:
        """Return how many entries a pull from the cursor would send, counting at most `SCAN_ROWS_MAX` entries."""
        return int(next(self._connection.execute(sql.COUNT_AFTER, _scan_bindings(cursor, wanted, echo)))[0])

    def documents_at(self, collection: int, rows: Sequence[int]) -> list[StoredDocument]:
        """Return the documents at these rows, in any order."""
        statement = sql.for_collection(sql.DOCUMENTS_AT, collection)
        return [StoredDocument(*row) for row in self._connection.execute(statement, (json_list(rows),))]

    def stretch_after(self, cursor: int, *, wanted: Sequence[int] | None, echo: Echo, limit: int) -> Stretch:
        """Return how the first wanted log entries after the cursor lie."""
        bindings = {**_scan_bindings(cursor, wanted, echo), "limit": limit}
        count, first, last, lowest, highest = next(self._connection.execute(sql.STRETCH_AFTER, bindings))
        return Stretch(count, first or 0, last or 0, lowest if lowest == highest else None)

    def authors(self, stretch: Stretch, *, wanted: Sequence[int] | None, echo: Echo) -> dict[str, int]:
        """Return who made the changes of a stretch, and the highest counter of each."""
        bindings = {
            **echo._asdict(),
            "first_seq": stretch.first_seq,
            "last_seq": stretch.last_seq,
            "wanted": None if wanted is None else json_list(wanted),
        }
        return dict(self._connection.execute(sql.AUTHORS, bindings))

    def page_text(self, stretch: Stretch, name: str, *, echo: Echo, bytes_max: int) -> bytes | None:
        """Return the JSON array of a stretch of whole documents, None when it may be longer than `bytes_max`."""
        assert stretch.collection is not None
        bindings = {
            **echo._asdict(),
            "first_seq": stretch.first_seq,
            "last_seq": stretch.last_seq,
            "number": stretch.collection,
            "name": encode(name).decode(),
        }
        ((stored_bytes,),) = self._of_stretch(sql.BYTES_IN_STRETCH, stretch.collection, bindings)
        if stored_bytes * TEXT_PER_STORED_BYTE_MAX > bytes_max:
            ((text_bytes,),) = self._of_stretch(sql.TEXT_BYTES_IN_STRETCH, stretch.collection, bindings)
            if text_bytes > bytes_max:
                return None
        ((text,),) = self._of_stretch(sql.PAGE_TEXT, stretch.collection, bindings)
        return b"[%s]" % text.encode()

    def _of_stretch(self, statement: str, collection: int, bindings: dict[str, Any]) -> Iterable[Any]:
        return self._connection.execute(sql.for_collection(statement, collection), bindings)

    def has_crdt_states(self, collection: int) -> bool:
        """Return whether any document of a collection has a replicated field."""
        return self._first(sql.HAS_CRDT_STATES, collection) is not None

    def crdt_states(self, collection: int, rows: Sequence[int]) -> dict[int, str]:
        """Return the states of the replicated fields of the documents at these rows that have any."""
        return dict(self._connection.execute(sql.CRDT_STATES, (collection, json_list(rows))))

    def resets_after(self, seq: int) -> list[Reset]:
        """Return the collections that were last emptied or dropped after a sequence, in that order."""
        return list(map(Reset._make, self._connection.execute(sql.RESETS_AFTER, (seq,))))

    def has_transactions(self) -> bool:
        """Return whether any transaction has ever written several documents."""
        return self._first(sql.ANY_TOGETHER, 0) is not None

    def linked_documents(self, rows: Sequence[tuple[int, int]], *, since: int, limit: int) -> list[tuple[int, int]] | None:
        """Return the documents that transactions after `since` wrote with these; None when they are more than `limit`."""
        if self._first(sql.ANY_TOGETHER, since) is None:
            return []
        bindings = {"rows": json_list(rows), "since": since, "limit": limit + 1}
        linked = [(row[0], row[1]) for row in self._connection.execute(sql.LINKED_DOCUMENTS, bindings)]
        return linked if len(linked) <= limit else None

    def entries_of(self, collection: int, rows: Sequence[int]) -> list[LogEntry]:
        """Return the log entries of these documents, in order."""
        statement = sql.for_collection(sql.ENTRIES_OF, collection)
        return list(map(LogEntry._make, self._connection.execute(statement, (json_list(rows),))))

    def document(self, collection: str, key: str) -> StoredDocument | None:
        """Return one document, a tombstone too."""
        number = self.collection_id(collection)
        if number is None:
            return None
        row = self._first(sql.for_collection(sql.DOCUMENT, number), key)
        return row and StoredDocument(*row)

    def live_documents(self, collection: str, *, after: str, limit: int) -> list[StoredDocument]:
        """Return the documents with a key beyond `after`, by key, without tombstones."""
        number = self.collection_id(collection)
        if number is None:
            return []
        rows = self._connection.execute(sql.for_collection(sql.LIVE_DOCUMENTS, number), (after, limit))
        return [StoredDocument(*row) for row in rows]

    def collections(self) -> list[Collection]:
        """Return every collection, by name."""
        known: list[Any] = self._connection.execute(sql.COLLECTIONS).fetchall()
        return [Collection(name, self._one(sql.for_collection(sql.COUNT_LIVE, number))[0]) for number, name in known]

    def client(self, client_id: str) -> ClientNote | None:
        """Return what was last stored of a device."""
        row = self._first(sql.CLIENT, client_id)
        return row and ClientNote._make(row)

    def settings(self, client_id: str) -> StoredSettings:
        """Return the settings a device has registered with, the defaults when it has none."""
        row = self._first(sql.SETTINGS, client_id)
        return StoredSettings(*row) if row else DEFAULT_SETTINGS

    def policies(self) -> dict[str, str]:
        """Return the strategies that hold for collections whatever the devices ask for."""
        return dict(self._connection.execute(sql.POLICIES))

    def conflicts(self, query: ConflictQuery) -> list[ConflictRecord]:
        """Return the conflicts asked for, oldest first."""
        rows = self._connection.execute(sql.CONFLICTS_ASKED, query._asdict())
        return [ConflictRecord._make(row) for row in rows]

    def conflicts_of(self, change_ids: Sequence[str]) -> list[ConflictRecord]:
        """Return the recorded conflicts of these changes."""
        return [ConflictRecord._make(row) for row in self._connection.execute(sql.CONFLICTS, (json_list(change_ids),))]

    def open_conflict(self, client_id: str, name: DocumentName) -> ConflictRecord | None:
        """Return the open conflict of a client about a document."""
        row = self._first(sql.OPEN_CONFLICT, client_id, *name)
        return row and ConflictRecord._make(row)

    def settled_since(self, client_id: str, *, after: int, upto: int) -> list[str]:
        """Return the changes whose conflicts were settled in a stretch of the log."""
        rows = self._connection.execute(sql.SETTLED_SINCE, (client_id, after, upto))
        return [str(change_id) for (change_id,) in rows]

    def overruled_since(self, client_id: str, after: int) -> set[DocumentName]:
        """Return the documents of which the server has not taken all that the client wrote."""
        return {(collection, key) for collection, key in self._connection.execute(sql.OVERRULED_SINCE, (client_id, after))}

    def collection_id(self, name: str) -> int | None:
        """Return the number of a collection."""
        row = self._first(sql.COLLECTION_ID, name)
        return row and int(row[0])

    def _first(self, statement: str, *bindings: Any) -> Any:
        rows = self._connection.execute(statement, bindings).fetchall()
        return rows[0] if rows else None

    def _one(self, statement: str, *bindings: Any) -> tuple[Any, ...]:
        (row,) = self._connection.execute(statement, bindings).fetchall()
        return tuple(row)


class SqliteWriteSession(SqliteReadSession, SqliteViewWrites, SqliteMaintenanceWrites, SqliteLiveCopiesWrites):
    """Implements `WriteSession`."""

    def outcomes(self, change_ids: Sequence[str]) -> list[Outcome]:
        """Return the recorded outcomes of those changes that have one."""
        return [Outcome._make(row) for row in self._connection.execute(sql.OUTCOMES, (json_list(change_ids),))]

    def unsettled(self, actor: str) -> list[Unsettled]:
        """Return the changes last sent by this actor that are not settled, in the order of their counters."""
        return [Unsettled._make(row) for row in self._connection.execute(sql.UNSETTLED, (actor,))]

    def highest_counters(self, actors: Sequence[str]) -> dict[str, int]:
        """Return the highest counter taken of those actors that are known."""
        return dict(self._connection.execute(sql.HIGHEST_COUNTERS, (json_list(actors),)))

    def find(self, collection: str, keys: Sequence[str]) -> list[FoundDocument]:
        """Return the records of those keys that have one."""
        number = self.collection_id(collection)
        if number is None:
            return []
        rows = self._connection.execute(sql.for_collection(sql.FIND, number), (json_list(keys),))
        return [FoundDocument._make(row) for row in rows]

    def body(self, collection: str, row: int) -> str | None:
        """Return the text of a document, None for a tombstone."""
        number = self.collection_id(collection)
        assert number is not None
        text: str | None = self._one(sql.for_collection(sql.BODY, number), row)[0]
        return text

    def bodies(self, collection: str, rows: Sequence[int]) -> dict[int, str | None]:
        """Return the texts of the documents at these rows of a collection."""
        number = self.collection_id(collection)
        assert number is not None
        return dict(self._connection.execute(sql.for_collection(sql.BODIES, number), (json_list(rows),)))

    def crdt_state(self, collection: str, row: int) -> str:
        """Return the states of a document's replicated fields, empty when it has none."""
        number = self.collection_id(collection)
        return "" if number is None else self.crdt_states(number, [row]).get(row, "")

    def add_new_documents(self, changes: bytes, collections: Iterable[str], *, actor: str, newest: int, now_ms: int) -> bool:
        """Write the inserts of a JSON array as new documents, with a few statements over the whole of it."""
        bindings = {
            "changes": self._one(sql.AS_JSONB, changes.decode())[0],
            "newest": newest,
            "actor": actor,
            "actor_text": encode(actor).decode(),
            "now_ms": now_ms,
        }
        try:
            with self._connection:
                for name in collections:
                    table = sql.for_collection(sql.ADD_NEW_DOCUMENTS, self._existing_collection(name))
                    self._connection.execute(table, {**bindings, "name": name})
                self._connection.execute(sql.ADD_NEW_TO_LATEST, bindings)
                self._connection.execute(sql.ADD_NEW_OUTCOMES, bindings)
        except apsw.ConstraintError:
            return False
        return True

    def write(self, writes: Writes) -> None:
        """Write all of it; a new document's row number is set in its `DocumentWrite`."""
        by_collection: dict[str, list[Any]] = {}
        for write in writes.documents:
            by_collection.setdefault(write.collection, []).append(write)
        for name, documents in by_collection.items():
            write_documents(self._connection, self._existing_collection(name), documents)
        self._many(sql.ADD_OUTCOME, writes.new_outcomes)
        self._many(
            sql.CHANGE_OUTCOME,
            [(changed.status, changed.seq, changed.detail, changed.change_id) for changed in writes.changed_outcomes],
        )
        for together in writes.together:
            number = self._existing_collection(together.collection)
            self._connection.execute(
                sql.for_collection(sql.ADD_TOGETHER, number), (number, together.transaction, together.key)
            )
        self._many(sql.ADD_CONFLICT, writes.conflicts)
        self._many(sql.SETTLE_CONFLICT, writes.settled_conflicts)
        self._many(sql.DELETE_SETTLED, [(change_id,) for change_id in writes.settled])
        self._many(sql.ADD_UNSETTLED, writes.unsettled)

    def reset_collection(self, reset: Reset) -> bool:
        """Delete every document of a collection and remember when, and the collection itself when it is dropped."""
        number = self.collection_id(reset.collection)
        if number is None:
            return False
        for statement in sql.EMPTY_COLLECTION:
            names = {"number": number, "name": reset.collection}
            self._connection.execute(statement, {name: names[name] for name in names if f":{name}" in statement})
        self._connection.execute(sql.for_collection(sql.DROP_TABLE if reset.is_dropped else sql.DELETE_DOCUMENTS, number))
        if reset.is_dropped:
            self._connection.execute(sql.DELETE_COLLECTION, (number,))
        self._connection.execute(sql.SAVE_RESET, reset)
        return True

    def save_newest(self, newest: int) -> None:
        """Set the newest sequence."""
        self._connection.execute(sql.SAVE_NEWEST, (newest,))

    def save_stamp(self, stamp: str) -> None:
        """Set the latest stamp taken."""
        self._connection.execute(sql.SAVE_STAMP, (stamp,))

    def save_policy(self, collection: str, strategy: str | None) -> bool:
        """Set the strategy of a collection, None forgets it; returns whether anything changed."""
        if strategy is None:
            self._connection.execute(sql.DROP_POLICY, (collection,))
        else:
            self._connection.execute(sql.SAVE_POLICY, (collection, strategy))
        return self._connection.changes() > 0

    def save_actor(self, state: ActorState) -> None:
        """Insert or replace what is known of an actor."""
        self._connection.execute(sql.SAVE_ACTOR, state[:5])

    def raise_seen(self, counters: Mapping[str, int]) -> None:
        """Note that edits of these actors, up to these counters, are in documents that were offered."""
        self._many(sql.RAISE_SEEN, [(actor, actor.partition("~")[0], counter) for actor, counter in counters.items()])

    def save_owners(self, owners: Mapping[str, str]) -> None:
        """Give clients that have no owner to these."""
        self._connection.executemany(sql.SAVE_OWNER, owners.items())

    def save_clients(self, notes: Sequence[ClientNote]) -> None:
        """Insert or replace what is known of devices, keeping their incarnations."""
        self._many(sql.SAVE_CLIENT, notes)

    def save_incarnation(self, client_id: str, incarnation: int) -> None:
        """Record that an incarnation has been given out."""
        self._connection.execute(sql.SAVE_INCARNATION, (client_id, incarnation))

    def save_settings(self, client_id: str, settings: StoredSettings) -> None:
        """Set the settings of a device."""
        self._connection.execute(sql.SAVE_SETTINGS, (client_id, *settings))

    def forget_client(self, client_id: str) -> bool:
        """Drop what is known of a device except its incarnation, so that none is given out twice."""
        is_known = self.client(client_id) is not None
        self._connection.execute(sql.FORGET_CLIENT, (client_id,))
        self.drop_views([view.number for view in self.views_of(client_id)])
        self._forget_copies_of(client_id)
        return is_known

    def _existing_collection(self, name: str) -> int:
        number = self.collection_id(name)
        if number is not None:
            return number
        if self._one(sql.COUNT_COLLECTIONS)[0] >= COLLECTIONS_MAX:
            raise StorageFullError(f"there are {COLLECTIONS_MAX} collections already; {name!r} was not created")
        created = int(self._one(sql.ADD_COLLECTION, name)[0])
        self._connection.execute(sql.for_collection(sql.CREATE_COLLECTION_TABLE, created))
        return created

    def _many(self, statement: str, rows: Sequence[Any]) -> None:
        if rows:
            self._connection.executemany(statement, rows)


def json_list(values: Iterable[Any]) -> str:
    """Return a JSON array to bind in the place of a list."""
    return encode(list(values)).decode()


def _scan_bindings(cursor: int, wanted: Sequence[int] | None, echo: Echo) -> dict[str, Any]:
    return {
        "cursor": cursor,
        "scan": SCAN_ROWS_MAX,
        **echo._asdict(),
        "wanted": None if wanted is None else json_list(wanted),
    }
