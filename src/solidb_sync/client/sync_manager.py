"""`SyncManager`: the public face of the client. Each method is a few lines over the module that does the work.

Local methods (save, get, delete, query) never touch the network and are durable when they return. Everything else happens
in rounds (`rounds`, `sync_round`), which the background loop starts.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

import sdbql
from solidb_sync.client.background_loop import BackgroundLoop, RoundReport
from solidb_sync.client.commands import Command, CommandSender, SetOnline, Stop, Subscribe, SyncNow, Unsubscribe
from solidb_sync.client.config import SyncConfig
from solidb_sync.client.conflicts import Conflict, ConflictStatus, public_conflict
from solidb_sync.client.document_view import shown_document
from solidb_sync.client.events import ChangeEvent
from solidb_sync.client.live_updates import listen_for_news
from solidb_sync.client.local_edits import LocalEdits, Transaction
from solidb_sync.client.notifications import ChangeStream, Notifications
from solidb_sync.client.results import SyncResult, SyncStatus
from solidb_sync.client.resync import Resync
from solidb_sync.client.retry import Backoff
from solidb_sync.client.rounds import Rounds
from solidb_sync.client.scope import exclude, include, purge
from solidb_sync.client.server_calls import ServerCalls
from solidb_sync.client.status import sync_status
from solidb_sync.client.sync_round import SyncRound
from solidb_sync.client.transport.transport import Transport
from solidb_sync.errors import ConfigError, FilterError
from solidb_sync.protocol.names import name_problem
from solidb_sync.storage.engine import EngineReader, IndexProgress, StorageEngine
from solidb_sync.storage.local_indexes import create_index, index_definition
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.opening import stored_device_id
from solidb_sync.storage.pending_change import PendingChange, public_change
from solidb_sync.storage.records import ChangeState, IndexDefinition, Subscription
from solidb_sync.storage.sqlite.sqlite_data_source import data_source

Result = TypeVar("Result")

STOP_SECONDS_MAX = 5.0


class SyncManager:
    """Local documents that work without a network, and a server they are kept in step with when there is one.

    Making one does no I/O. `random_source` decides the jitter of retries; give a seeded one to repeat a run.
    """

    def __init__(
        self,
        store: LocalStore,
        client: Transport,
        config: SyncConfig | None = None,
        *,
        random_source: random.Random | None = None,
    ) -> None:
        self._config = config or SyncConfig()
        database = self._config.database or client.database
        if database is None:
            raise ConfigError("database: name it in SyncConfig(database=...) or HttpClient(..., database=...)")
        self._store = store
        self._transport = client
        self._owns_store = False
        self._server = ServerCalls(client, database)
        self._notifications = Notifications()
        self._edits = LocalEdits(store, self._notifications, pending_max=self._config.max_pending_changes)
        self._round = SyncRound(
            store,
            self._server,
            self._notifications,
            batch_size=self._config.batch_size,
            collections=self._config.collections,
        )
        self._rounds = Rounds(store.clock)
        self._backoff = Backoff(random_source or random.Random())  # noqa: S311 - jitter, not a secret
        self._commands: CommandSender | None = None
        self._loop: BackgroundLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._online_by_hand = True

    @classmethod
    def open(cls, config: SyncConfig, client: Transport, *, device_id: str | None = None) -> Self:
        """Open the store at `config.local_storage_path` and return a manager that closes it when it stops.

        Without a `device_id` the store keeps the one it has; a new store gets a random one.
        """
        path = config.local_storage_path
        if path is None:
            raise ConfigError("local_storage_path: name the file of the store")
        device_id = device_id or stored_device_id(path) or str(uuid.uuid4())
        store = LocalStore.open(path, device_id, encryption_key=config.encryption_key)
        manager = cls(store, client, config)
        manager._owns_store = True
        return manager

    # life

    async def start(self) -> CommandSender:
        """Start the background task and return its command channel; a second call returns the same channel."""
        if self._commands is not None:
            return self._commands
        self._commands = CommandSender()
        self._loop = BackgroundLoop(
            self._run_round,
            interval_seconds=self._config.sync_interval_secs,
            max_retries=self._config.max_retries,
            backoff=self._backoff,
            is_online_by_hand=lambda: self._online_by_hand,
        )
        self._tasks = [asyncio.create_task(self._serve_commands(self._commands), name="sync commands")]
        if self._config.auto_sync:
            self._tasks.append(asyncio.create_task(self._loop.run(), name="sync rounds"))
            self._listen()
        return self._commands

    async def stop(self) -> None:
        """End the background task and every `changes()`; bounded in time, harmless to repeat."""
        commands, self._commands = self._commands, None
        if commands is not None:
            commands.close()
        tasks, self._tasks, self._loop = self._tasks, [], None
        ending = [task for task in tasks if task is not asyncio.current_task()]
        for task in ending:
            task.cancel()
        await self._rounds.cancel()
        if ending:
            await asyncio.wait(ending, timeout=STOP_SECONDS_MAX)
        self._notifications.close()
        await self._transport.close()
        if self._owns_store:
            self._store.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _listen(self) -> None:
        if self._config.live and self._online_by_hand and self._loop is not None:
            listening = listen_for_news(
                self._transport,
                self._server.database,
                self._store.device_id,
                ring=self._ring,
                backoff=self._backoff,
            )
            self._tasks.append(asyncio.create_task(listening, name="sync doorbell"))

    def _ring(self, seq: int | None) -> None:
        if self._loop is not None and (seq is None or seq > self._view(lambda reader: reader.replica().cursor)):
            self._loop.wake()

    async def _serve_commands(self, commands: CommandSender) -> None:
        while True:
            if await self._obey(await commands.receive()):
                return

    async def _obey(self, command: Command) -> bool:
        """Do what a command says; returns whether it was the last."""
        match command:
            case SyncNow():
                if self._online_by_hand:
                    await self.sync_now()
            case Subscribe(collection, filter_text, bind_vars):
                await self.subscribe(collection, filter_text, bind_vars)
            case Unsubscribe(collection):
                await self.unsubscribe(collection)
            case SetOnline(online):
                await self.set_online(online)
            case Stop():
                await self.stop()
                return True
        return False

    # documents

    async def save_document(self, col: str, key: str, doc: dict[str, Any], *, merge: bool = True) -> None:
        """Insert or update a document; durable when it returns, sent later.

        An update merges top-level fields; `merge=False` replaces the document. Document and pending change are one
        transaction. Raises `InvalidDocumentError` for what is not JSON or too large, `StorageFullError` when nothing
        more may wait; nothing is changed then.
        """
        if await self._edits.save(col, key, doc, merge=merge):
            self._something_was_saved()

    async def get_document(self, col: str, key: str, *, meta: bool = False) -> dict[str, Any] | None:
        """Return a document with `_key` and `_id`, None when it is not there.

        `meta=True` adds `_version`, `_timestamp` and `_sync` (`state`: synced, pending, conflict or rejected).
        """
        return self._view(lambda reader: shown_document(reader, col, key, meta=meta))

    async def delete_document(self, col: str, key: str) -> None:
        """Delete a document: gone at once, the tombstone is sent later; nothing happens when it is not there."""
        if await self._edits.delete(col, key):
            self._something_was_saved()

    async def query_documents(self, col: str) -> list[tuple[str, dict[str, Any]]]:
        """Return `(key, document)` of a whole collection, by key."""
        return await self._scan(lambda reader: [(document["_key"], document) for document in data_source(reader).scan(col)])

    async def query(
        self, sdbql_text: str, bind_vars: dict[str, Any] | None = None, *, limits: sdbql.Limits | None = None
    ) -> list[Any]:
        """Run an SDBQL query over the local documents and return its results; raises `sdbql.QueryError`.

        `limits` bounds what it may use, such as `sdbql.Limits(time_ms_max=500)`. Cancelling the task that waits for it
        also ends the query.
        """
        parsed = sdbql.parse(sdbql_text)
        now_ms, monotonic = self._store.clock.now_ms(), self._store.clock.monotonic
        known, cancellation = self._known_collections(), sdbql.Cancellation()

        def run(reader: EngineReader) -> list[Any]:
            return parsed.run(
                bind_vars,
                data_source(reader, known),
                limits=limits,
                cancellation=cancellation,
                now_ms=now_ms,
                monotonic=monotonic,
            )

        try:
            return await self._scan(run)
        except asyncio.CancelledError:
            cancellation.cancel()
            raise

    async def explain(self, sdbql_text: str, bind_vars: dict[str, Any] | None = None) -> str:
        """Return the steps of a query, which of them run inside SQLite, and the indexes they use; nothing is run.

        Which steps can run there depends on the values of the bind parameters, so give all of them.
        """
        parsed, known = sdbql.parse(sdbql_text), self._known_collections()
        return await self._scan(lambda reader: parsed.explain(bind_vars, data_source(reader, known)))

    async def create_index(
        self, col: str, field: str, *, unique: bool = False, progress: Callable[[int, int], Any] | None = None
    ) -> IndexDefinition:
        """Make a local index over a field (`city`, `address.city`, `` `a.b`.c ``), which `query` uses; harmless to repeat.

        A `unique` one binds this device's edits only: one that would give a document a value another has is refused with
        `UniqueIndexError`; documents that arrive by sync are always taken. Values are equal as in SDBQL; null and missing
        ones never collide. Reads and the event loop go on while it is built, writes wait. `progress` is called on the
        event loop with the documents done and how many there are, from (0, n) to (n, n). Whoever is cancelled no longer
        waits; the index is made all the same. Raises as `LocalStore.create_index` does.
        """
        _check_collection(col)
        index = index_definition(col, field, unique=unique)
        report = None if progress is None else _told_on(asyncio.get_running_loop(), progress)
        is_configured = col in self._config.collections
        await self._store.commit(lambda engine: _create_index(engine, index, report, is_configured=is_configured))
        return index

    async def list_indexes(self, col: str | None = None) -> list[IndexDefinition]:
        """Return the local indexes of a collection, or of all, by collection and field."""
        return self._store.list_indexes(col)

    async def drop_index(self, col: str, field: str) -> bool:
        """Forget a local index; False when there was none."""
        _check_collection(col)
        index = index_definition(col, field, unique=False)
        return await self._store.commit(lambda engine: engine.drop_index(col, index.field))

    def transaction(self) -> Transaction:
        """Return a transaction for `async with`: its edits are all recorded or none, here and on the server."""
        return _WakingTransaction(self._store, self._edits, self._something_was_saved)

    # sync

    async def sync_now(self) -> SyncResult:
        """Push and pull until nothing is left; concurrent callers share one round.

        Being offline is not an exception: the result says `success=False` and why, and nothing is lost.
        """
        if not self._online_by_hand:
            return SyncResult(success=False, errors=["offline: set_online(True) takes it online again"])
        report, began = await self._rounds.run(self._round.run)
        if not began and report.result.success and self._view(lambda reader: reader.count_changes(ChangeState.PENDING)):
            report, _ = await self._rounds.run(self._round.run)  # saved too late for the round that was shared
        return report.result

    sync = sync_now

    async def _run_round(self) -> RoundReport:
        report, _ = await self._rounds.run(self._round.run)
        return report

    async def full_resync(self, *, discard_local: bool = False) -> SyncResult:
        """Fetch everything again; unsent edits are kept unless `discard_local`. Rows stay readable meanwhile."""
        if not self._online_by_hand:
            return SyncResult(success=False, errors=["offline: set_online(True) takes it online again"])
        resync = Resync(self._store, self._server, self._round, discard_local=discard_local)
        return (await self._rounds.run_alone(resync.run)).result

    async def ping(self) -> float:
        """Return the milliseconds a request takes there and back; raises `ConnectionError`."""
        begun = self._store.clock.monotonic()
        await self._server.health()
        return (self._store.clock.monotonic() - begun) * 1000

    def is_syncing(self) -> bool:
        """Return whether a round is running."""
        return self._rounds.is_running

    def is_online(self) -> bool:
        """Return whether the manager is online: not taken offline by hand, and the server was reachable last time."""
        return self._online_by_hand and self._rounds.history.is_reachable

    async def set_online(self, online: bool) -> None:
        """Go offline (no network at all; a running round is broken off at a safe point) or online (syncs at once)."""
        was_online, self._online_by_hand = self._online_by_hand, online
        if not online:
            doorbells = [task for task in self._tasks if task.get_name() == "sync doorbell"]
            self._tasks = [task for task in self._tasks if task not in doorbells]
            for task in doorbells:
                task.cancel()
            await self._rounds.cancel()
        elif self._loop is not None and self._config.auto_sync:
            self._loop.wake_now()
            if not was_online:
                self._listen()

    async def subscribe(self, col: str, filter: str | None = None, bind_vars: dict[str, Any] | None = None) -> None:
        """Sync a collection from the next round on; filters are not available in this version."""
        if filter is not None or bind_vars:
            raise FilterError("filter: this version syncs whole collections only; leave it out")
        _check_collection(col)
        await self._store.commit(lambda engine: _subscribe(engine, col))
        self._something_was_saved()

    async def unsubscribe(self, col: str, *, purge: bool = False) -> None:
        """Stop syncing a collection. Its documents stay; `purge=True` drops those without unsent changes."""
        _check_collection(col)
        await self._store.commit(lambda engine: _unsubscribe(engine, col, purge_rows=purge))

    # looking at it

    def changes(self, col: str | None = None, key: str | None = None, source: str | None = None) -> ChangeStream:
        """Return an async iterator of `ChangeEvent`s from now on, local and remote, after their commit, once each."""
        return self._notifications.stream(col, key, source)

    def on_change(self, callback: Callable[[ChangeEvent], Any]) -> Callable[[], None]:
        """Call `callback` with every `ChangeEvent`; returns a function that ends it."""
        return self._notifications.add_callback(callback)

    async def pending_changes(self) -> list[PendingChange]:
        """Return the changes that wait for the server, oldest first."""
        return self._store.get_pending_changes()

    async def rejected_changes(self) -> list[PendingChange]:
        """Return the changes the server refused for good, with its reason."""
        changes = self._view(lambda reader: reader.changes(state=ChangeState.REJECTED))
        return [public_change(change) for change in changes]

    async def conflict_log(self) -> list[Conflict]:
        """Return every conflict found so far, oldest first, with both versions and the base."""
        return [public_conflict(conflict) for conflict in self._view(lambda reader: reader.conflicts())]

    async def get_conflicts(self, col: str | None = None) -> list[Conflict]:
        """Return the conflicts that wait for somebody to decide."""
        return [
            conflict
            for conflict in await self.conflict_log()
            if conflict.status is ConflictStatus.PENDING and col in (None, conflict.collection)
        ]

    async def status(self) -> SyncStatus:
        """Return how the sync stands."""
        return sync_status(
            self._store,
            self._server,
            self._rounds,
            is_running=self._commands is not None,
            is_online=self.is_online(),
            consecutive_failures=0 if self._loop is None else self._loop.consecutive_failures,
            configured=self._config.collections,
        )

    # inside

    def _something_was_saved(self) -> None:
        if self._loop is not None and self._online_by_hand:
            self._loop.wake()

    def _known_collections(self) -> set[str]:
        subscribed = self._view(lambda reader: reader.subscriptions())
        return {*self._config.collections, *(known.collection for known in subscribed)}

    def _view(self, read: Callable[[EngineReader], Result]) -> Result:
        return self._store.view(read)

    async def _scan(self, read: Callable[[EngineReader], Result]) -> Result:
        if not self._store.scans_in_threads:
            return self._store.scan(read)
        return await asyncio.to_thread(self._store.scan, read)


class _WakingTransaction(Transaction):
    """A transaction that wakes the sync when it has recorded something."""

    def __init__(self, store: LocalStore, edits: LocalEdits, wake: Callable[[], None]) -> None:
        super().__init__(store, edits)
        self._wake = wake

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, problem, trace)
        if self.has_changed:
            self._wake()


def _check_collection(name: str) -> None:
    problem = name_problem(name) if isinstance(name, str) else f"{name!r} is not a string"
    if problem:
        raise ConfigError(f"collection: {problem}")


def _told_on(loop: asyncio.AbstractEventLoop, progress: Callable[[int, int], Any]) -> IndexProgress:
    """Return what tells `progress` on its loop, from any thread; when the loop is closed nobody listens any more."""

    def tell(done: int, count: int) -> None:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(progress, done, count)

    return tell


def _create_index(
    engine: StorageEngine, index: IndexDefinition, report: IndexProgress | None, *, is_configured: bool
) -> None:
    if is_configured:
        engine.add_collection(index.collection)  # it is this app's, though nothing of it may have come yet
    create_index(engine, index, report)


def _subscribe(engine: StorageEngine, collection: str) -> None:
    engine.put_subscription(Subscription(collection))
    engine.add_collection(collection)
    include(engine, collection)


def _unsubscribe(engine: StorageEngine, collection: str, *, purge_rows: bool) -> None:
    exclude(engine, collection)
    if purge_rows:
        purge(engine, collection)
