"""The local store: documents with their version vectors, pending changes, subscriptions; one method, one transaction.

`LocalStore` is safe to use from several threads. Writes go through one committer (`storage/committer.py`) and are on the
disk when the method returns, unless the store was opened with `durability="normal"`. Reads see the last commit and never
wait for a write. The sync client records and settles its changes through `transact` and `commit`, with the functions of
`edits`, `outbox` and `inbox`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import apsw
import msgspec

from solidb_sync.clock import Clock, SystemClock, iso_text
from solidb_sync.errors import ConfigError, EncryptionError, InvalidDocumentError, StorageError
from solidb_sync.json_value import JsonDocument, canonical, decode
from solidb_sync.model.delta import Delta
from solidb_sync.model.version_vector import VersionVector
from solidb_sync.protocol.messages import WireChange
from solidb_sync.protocol.names import client_id_problem, key_problem, name_problem
from solidb_sync.storage.committer import Committer, InlineCommitter, MemoryCommitter, ThreadCommitter, Transactions
from solidb_sync.storage.copy_store import copy_to_sqlite
from solidb_sync.storage.edits import pending_change
from solidb_sync.storage.engine import EngineReader, IndexProgress, StorageEngine
from solidb_sync.storage.local_indexes import create_index, index_definition
from solidb_sync.storage.moved_store import check_is_here
from solidb_sync.storage.new_store import made_aside
from solidb_sync.storage.opening import (
    Unlocking,
    default_path,
    open_memory_engine,
    open_sqlite_engine,
    open_sqlite_for_reading,
)
from solidb_sync.storage.opening_rocksdb import open_rocksdb_engine, open_rocksdb_for_reading
from solidb_sync.storage.outbox import settle_by_hand
from solidb_sync.storage.overlay import keep_base_apart
from solidb_sync.storage.pending_change import PendingChange, public_change
from solidb_sync.storage.process_guard import ProcessGuard
from solidb_sync.storage.records import ChangeState, IndexDefinition, StoredRow, Subscription
from solidb_sync.storage.rocksdb.rocksdb_reads import RocksdbReads
from solidb_sync.storage.sqlite.connection import FileLocation, closing_error, storage_error
from solidb_sync.storage.sqlite.reading_engine import NoCommitter
from solidb_sync.storage.sqlite.sealed_location import check_encryption_key
from solidb_sync.storage.sqlite.sqlite_reads import SqliteReads
from solidb_sync.storage.store_encryption import SCANS_AT_ONCE_MAX, StoreEncryption
from solidb_sync.storage.store_lock import StoreLock
from solidb_sync.storage.store_path import PathUse, checked_path
from solidb_sync.storage.stored_engine import ENGINES, check_engine, stored_engine
from solidb_sync.storage.subscriptions import checked_subscription
from solidb_sync.storage.text_forms import (
    BufferedRandom,
    RandomBytes,
    delta_fields,
    new_id,
    parse_vector,
    vector_text,
)
from solidb_sync.storage.verify import VerifyReport, verify_records

Result = TypeVar("Result")

DURABILITIES = ("full", "normal")
OPERATIONS = ("insert", "update", "delete")


class LocalStore(StoreEncryption):
    """A store of documents on this device. Open it with `open` or `open_default`; it is a context manager."""

    def __init__(
        self,
        engine: StorageEngine,
        *,
        path: str,
        committer: Committer,
        clock: Clock,
        random_bytes: RandomBytes,
        lock: StoreLock | None = None,
    ) -> None:
        self.path = path
        self.clock = clock
        self.random_bytes = BufferedRandom(random_bytes)
        self._key_randomness = random_bytes
        self._engine = engine
        self._committer = committer
        self._lock = lock
        self._reader = engine.reader()
        self._idle_scanners: list[EngineReader] = []
        self._reading = threading.Lock()
        self._scanning = threading.BoundedSemaphore(SCANS_AT_ONCE_MAX)
        self._is_closed = False
        self._guard = ProcessGuard(self, path)
        self.device_id = self._reader.replica().device_id

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        device_id: str,
        *,
        engine: str = "sqlite",
        encryption_key: str | bytes | None = None,
        durability: str = "full",
        read_only: bool = False,
        clock: Clock | None = None,
        random_bytes: RandomBytes = os.urandom,
    ) -> Self:
        """Open the store at `path`, creating it and the directories above it.

        `engine`: `sqlite` (a file), `rocksdb` (a directory; needs the extra `rocksdb`) or `memory` (nothing is kept). A
        store remembers its engine and is opened with no other. `read_only`: as `open_for_reading`. The threads of a process
        may share a store; a forked process must open it again. With an `encryption_key` (a passphrase of any length, or 32
        bytes) a new store is encrypted from its first byte, and an encrypted one is opened: `docs/encryption.md`.

        Raises `StoreLockedError` when another process has it open, `StorageError` when it belongs to another device or
        was written by a newer version, `EncryptionError` when the key is wrong or missing, or given for a store that is not
        encrypted (it is not modified then), `ConfigError` for a bad argument.
        """
        _check_arguments(device_id, engine, durability, encryption_key)
        clock = clock or SystemClock()
        if engine == "memory":
            memory = open_memory_engine(device_id, random_bytes)
            return cls(memory, path=":memory:", committer=MemoryCommitter(memory), clock=clock, random_bytes=random_bytes)
        place = checked_path(path, PathUse.OPEN)
        check_engine(place, engine)
        if read_only:
            return cls.open_for_reading(place, device_id, encryption_key=encryption_key)
        check_is_here(place)
        unlocking = Unlocking(random_bytes, encryption_key)
        return cls._open_engine(engine, place, device_id, durability, clock, unlocking)

    @classmethod
    def _open_engine(
        cls, engine: str, path: str, device_id: str, durability: str, clock: Clock, unlocking: Unlocking
    ) -> Self:
        if engine == "rocksdb":
            opened = open_rocksdb_engine(path, device_id, durability, unlocking)
        else:
            opened = open_sqlite_engine(FileLocation(path), device_id, durability=durability, unlocking=unlocking)
        return cls(
            opened.engine,
            path=path,
            committer=ThreadCommitter(opened.engine, name=f"store {Path(path).name}"),
            clock=clock,
            random_bytes=unlocking.random_bytes,
            lock=opened.lock,
        )

    @classmethod
    def open_for_reading(
        cls, path: str | os.PathLike[str], device_id: str, *, encryption_key: str | bytes | None = None
    ) -> Self:
        """Open a store for reading only, while another process may have it open; what that one commits is seen.

        Raises `StorageError` when there is none, or it belongs to another device or version, `ConfigError` for what can be
        no path; every write raises `StoreLockedError`.
        """
        place = checked_path(path, PathUse.READ)
        match stored_engine(place):
            case "rocksdb":
                engine: EngineReader = open_rocksdb_for_reading(place, device_id, encryption_key)
            case "sqlite":
                engine = open_sqlite_for_reading(FileLocation(place), device_id, encryption_key)
            case _:
                raise StorageError(f"{place}: there is no store")
        reading = cast(StorageEngine, engine)  # no work ever reaches it
        committer = NoCommitter(place)
        return cls(reading, path=place, committer=committer, clock=SystemClock(), random_bytes=os.urandom)

    @classmethod
    def open_default(cls, app_name: str, device_id: str, **options: Any) -> Self:
        """Open the app's store in its default place, `~/.solidb/<app_name>/` (`SOLIDB_HOME` stands in for `~/.solidb`)."""
        return cls.open(default_path(app_name, os.environ), device_id, **options)

    @classmethod
    def open_at(
        cls,
        location: FileLocation,
        device_id: str,
        *,
        clock: Clock,
        random_bytes: RandomBytes,
        committer: Callable[[Transactions], Committer] = InlineCommitter,
        encryption_key: str | bytes | None = None,
        seals_new_stores: bool = False,
    ) -> Self:
        """Open a store in a virtual file system, with time, randomness and commits in the caller's hands."""
        unlocking = Unlocking(random_bytes, encryption_key, seals_new_stores)
        opened = open_sqlite_engine(location, device_id, unlocking=unlocking)
        return cls(
            opened.engine,
            path=location.path,
            committer=committer(opened.engine),
            clock=clock,
            random_bytes=random_bytes,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Finish the writes that wait, and give everything back; harmless to repeat.

        Raises `StorageError` when the disk fails meanwhile; it is closed then too, and nothing that was saved is lost.
        """
        if self._is_closed:
            return
        self._is_closed = True
        if self._guard.is_elsewhere:
            return
        self._committer.close()
        for _ in range(SCANS_AT_ONCE_MAX):
            self._scanning.acquire()  # wait for those that run
        try:
            with self._reading:
                self._close_engine()
        except apsw.Error as problem:
            raise closing_error(problem, self.path) from problem
        finally:
            self._scanning.release(SCANS_AT_ONCE_MAX)
            if self._lock is not None:
                self._lock.release()

    def _close_engine(self) -> None:
        self._close_readers()
        self._engine.close()

    def _close_readers(self) -> None:
        for reader in (self._reader, *self._idle_scanners):
            if reader is not self._engine:
                reader.close()
        self._idle_scanners.clear()

    def left_behind(self) -> None:
        """In a forked process: leave the lock to the one that opened the store."""
        if self._lock is not None:
            self._lock.forget()

    # the ways in: every read and every write of the store goes through one of these

    @property
    def client_id(self) -> str:
        """The name this store syncs under: its device id, until that is found to belong to another user at the server."""
        return self.view(lambda reader: reader.replica().client_id)

    def view(self, read: Callable[[EngineReader], Result]) -> Result:
        """Return what `read` finds in the last commit; for small reads."""
        self._guard.check()
        with self._reading:
            self._check_open()
            try:
                return read(self._reader)
            except apsw.Error as problem:
                raise storage_error(problem, self.path) from problem

    def scan(self, read: Callable[[EngineReader], Result]) -> Result:
        """Do the same for long reads, which hold up no small one; all of it sees one state. At most 4 run at once."""
        self._guard.check()
        with self._scanning:
            self._check_open()
            try:
                reader = self._idle_scanners.pop() if self._idle_scanners else self._engine.reader()
                try:
                    with reader.snapshot():
                        return read(reader)
                finally:
                    self._idle_scanners.append(reader)
            except apsw.Error as problem:
                raise storage_error(problem, self.path) from problem

    def transact(self, work: Callable[[StorageEngine], Result]) -> Result:
        """Run `work` in one transaction and return its result when it is durable; blocks the calling thread."""
        self._guard.check()
        self._check_whole()
        return self._committer.run_blocking(lambda: self._guarded(work))

    async def commit(self, work: Callable[[StorageEngine], Result]) -> Result:
        """Run `work` in one transaction and return its result when it is durable, without blocking the event loop."""
        self._guard.check()
        self._check_whole()
        return await self._committer.run(lambda: self._guarded(work))

    def _guarded(self, work: Callable[[StorageEngine], Result]) -> Result:
        try:
            return work(self._engine)
        except apsw.Error as problem:
            raise storage_error(problem, self.path) from problem

    def _check_open(self) -> None:
        if self._is_closed:
            raise StorageError(f"{self.path}: the store is closed")
        self._check_whole()

    @property
    def scans_in_threads(self) -> bool:
        """True when a long read may be moved to another thread."""
        return not isinstance(self._committer, InlineCommitter) or isinstance(self._committer, MemoryCommitter)

    def mint_id(self) -> str:
        """Return a new change id."""
        return new_id(self.clock.now_ms(), self.random_bytes)

    def stamp(self) -> str:
        """Return the present time as documents carry it."""
        return iso_text(self.clock.now_ms())

    # documents

    def put_document(
        self, collection: str, key: str, document: JsonDocument, version_vector: VersionVector | dict[str, int]
    ) -> None:
        """Store a document and its vector verbatim, without a pending change; clears a tombstone."""
        check_place(collection, key)
        body = canonical(document).text.decode()
        row = StoredRow(body, vector_text(VersionVector(version_vector)), self.stamp())
        self.transact(lambda engine: engine.put_row(collection, key, row))

    def get_document(self, collection: str, key: str) -> tuple[JsonDocument, VersionVector] | None:
        """Return a document and its vector, None when it is not there or deleted."""
        row = self.view(lambda reader: reader.row(collection, key))
        if row is None or row.body is None:
            return None
        return decode(row.body), parse_vector(row.vector)

    def delete_document(self, collection: str, key: str, version_vector: VersionVector | dict[str, int]) -> None:
        """Leave a tombstone with this vector, even if the key was never here; no pending change."""
        check_place(collection, key)
        row = StoredRow(None, vector_text(VersionVector(version_vector)), self.stamp())
        self.transact(lambda engine: engine.put_row(collection, key, row))

    def list_documents(self, collection: str) -> list[tuple[str, JsonDocument, VersionVector]]:
        """Return `(key, document, vector)` by key, without tombstones."""
        rows = self.scan(lambda reader: list(reader.live_rows(collection)))
        return [(key, decode(row.body or "{}"), parse_vector(row.vector)) for key, row in rows]

    def list_collections(self) -> list[str]:
        """Return the known collections by name: written, synced or subscribed, empty ones too."""
        subscribed = [known.collection for known in self.list_subscriptions()]
        return sorted({*self.view(lambda reader: reader.collections()), *subscribed})

    # pending changes

    def add_pending_change(
        self,
        collection: str,
        key: str,
        operation: str,
        data: JsonDocument | None,
        version_vector: VersionVector | dict[str, int],
    ) -> int:
        """Queue a change by hand and return its id; the document itself is not touched.

        `operation` is `insert` (data: the document), `update` (data: the changed fields) or `delete` (data: None).
        `version_vector` is what the change was made upon.
        """
        check_place(collection, key)
        change = self._change_by_hand(collection, key, operation, data)
        change.base_version = dict(VersionVector(version_vector))
        return self.transact(lambda engine: _append(engine, change))

    def _change_by_hand(self, collection: str, key: str, operation: str, data: JsonDocument | None) -> WireChange:
        if operation not in OPERATIONS:
            raise ConfigError(f"operation: {operation!r} is not one of {', '.join(OPERATIONS)}")
        change = WireChange(collection, key, operation, id=self.mint_id(), timestamp=self.stamp())
        if operation != "delete":
            checked = canonical(data, where="data")
            if operation == "insert":
                change.document = msgspec.Raw(checked.text)
            else:
                change.delta, _ = delta_fields(Delta({(name,): value for name, value in checked.value.items()}))
        return change

    def get_pending_changes(self, limit: int | None = None) -> list[PendingChange]:
        """Return the changes that wait for the server, oldest first; all of them unless `limit` says otherwise."""
        changes = self.view(lambda reader: reader.changes(state=ChangeState.PENDING, limit=limit))
        return [public_change(change) for change in changes]

    def mark_change_synced(self, change_id: int) -> bool:
        """Treat one pending change as taken by the server; False when there is none with this id."""
        return self.transact(lambda engine: settle_by_hand(engine, change_id))

    # subscriptions

    def add_subscription(
        self, collection: str, filter: str | None = None, bind_vars: dict[str, object] | None = None
    ) -> None:
        """Add or replace the subscription of a collection; raises `FilterError` for a filter that can't be one."""
        _check_name(collection)
        subscription = checked_subscription(collection, filter, bind_vars)
        self.transact(lambda engine: engine.put_subscription(subscription))

    def list_subscriptions(self) -> list[Subscription]:
        """Return the subscriptions by collection."""
        return self.view(lambda reader: reader.subscriptions())

    def remove_subscription(self, collection: str) -> bool:
        """Forget a subscription; False when there was none."""
        return self.transact(lambda engine: engine.drop_subscription(collection))

    # local indexes

    def create_index(
        self, collection: str, field: str, *, unique: bool = False, progress: IndexProgress | None = None
    ) -> IndexDefinition:
        """Make a local index over a field of a collection's documents; harmless when the same one is there.

        `field` is a path: `city`, `address.city`, or with a part between backticks that is no plain word: `` `a.b`.c ``. The
        index stays until it is dropped, is part of a backup, and is never sent anywhere. A `unique` one makes
        `SyncManager` refuse edits that would break it; `put_document` stores the server's news and is never refused.

        It is one transaction: reads go on meanwhile, writes wait until it is built, and a process that dies leaves the
        whole index or none. `progress` is called on the store's own thread with the documents done and how many there are,
        from (0, n) to (n, n); in between it is as exact as the steps of the database's machine are even, and it begins
        again when another write of the same moment failed. What it raises is raised here, with no index made.

        Raises `ConfigError` for a bad field, a collection that is not known here, or an index there with another `unique`;
        `UniqueIndexError` when documents collide already.
        """
        _check_name(collection)
        index = index_definition(collection, field, unique=unique)
        self.transact(lambda engine: create_index(engine, index, progress))
        return index

    def list_indexes(self, collection: str | None = None) -> list[IndexDefinition]:
        """Return the local indexes of a collection, or of all, by collection and field."""
        return self.view(lambda reader: reader.indexes(collection))

    def drop_index(self, collection: str, field: str) -> bool:
        """Forget a local index; False when there was none."""
        index = index_definition(collection, field, unique=False)
        return self.transact(lambda engine: engine.drop_index(collection, index.field))

    # care

    def verify(self) -> VerifyReport:
        """Read every record and return what is damaged."""
        return self.scan(verify_records)

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Write a consistent copy to a new place while the store is in use: of the same engine, in SQLite for `memory`.

        Atomic: the copy has its name when it is whole and on the disk; a failure leaves nothing behind. A process that
        dies leaves a file or directory ending in `.part`, which may be removed. Raises `ConfigError` for what can be no
        path, `StorageError` when something is there by the end or it can't be written.
        """
        with made_aside(checked_path(path, PathUse.WRITE), self.random_bytes) as part:
            self.scan(
                lambda reader: (
                    reader.backup(part) if isinstance(reader, SqliteReads | RocksdbReads) else copy_to_sqlite(reader, part)
                )
            )


def _append(engine: StorageEngine, change: WireChange) -> int:
    keep_base_apart(engine, change.collection, change.key, engine.row(change.collection, change.key))
    dot = engine.next_dot()
    change.counter = dot.counter
    return engine.add_change(pending_change(change, dot.actor))


def check_place(collection: str, key: str) -> None:
    """Raise unless a document may be kept under these names."""
    _check_name(collection)
    if not isinstance(key, str):
        raise InvalidDocumentError(f"key: expected a string, found {type(key).__name__}")
    problem = key_problem(key)
    if problem:
        raise InvalidDocumentError(f"key: {problem}")


def _check_name(collection: str) -> None:
    if not isinstance(collection, str):
        raise InvalidDocumentError(f"collection: expected a string, found {type(collection).__name__}")
    problem = name_problem(collection)
    if problem:
        raise InvalidDocumentError(f"collection: {problem}")


def _check_arguments(device_id: str, engine: str, durability: str, encryption_key: str | bytes | None) -> None:
    problem = client_id_problem(device_id)
    if problem:
        raise ConfigError(f"device_id: {problem}")
    if engine not in ENGINES:
        raise ConfigError(f"engine: {engine!r} is not one of {', '.join(ENGINES)}")
    if durability not in DURABILITIES:
        raise ConfigError(f"durability: {durability!r} is not one of {', '.join(DURABILITIES)}")
    check_encryption_key(encryption_key)
    if encryption_key is not None and engine == "memory":
        raise EncryptionError(
            "encryption_key: a store in memory keeps nothing that could be encrypted; nothing was opened or created"
        )
