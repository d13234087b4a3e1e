"""`SyncManager` without `await`: the same methods over the same core, for any thread.

Each manager has a thread of its own with an event loop (`loop_thread`); it starts with the first call and ends with `stop`,
with the `with` block, or with the program. Every method that has an `await` in the other face is a line here (`facade`), by
subject in the order of `client/manager/`; the few that have none are written out.

What is told to callbacks is told on the manager's thread: they return soon, and hand on what takes long. A callback may not
wait for the manager, which would be waiting for the callback; that is a `SyncError`.
"""

from __future__ import annotations

import copy
import logging
import random
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any, Self, TypeVar

import sdbql
from solidb_sync.blocking.attachment_reader import AttachmentReader
from solidb_sync.blocking.command_sender import CommandSender
from solidb_sync.blocking.event_iterator import EventIterator, checked_timeout
from solidb_sync.blocking.facade import Facade, blocking
from solidb_sync.blocking.loop_thread import LoopThread
from solidb_sync.blocking.transaction import Transaction
from solidb_sync.client.config import SyncConfig
from solidb_sync.client.conflicts import Conflict
from solidb_sync.client.events import ChangeEvent
from solidb_sync.client.sync_events import SyncEvent
from solidb_sync.client.sync_manager import SyncManager as AsyncManager
from solidb_sync.client.sync_states import SyncStateChanged
from solidb_sync.client.transport.transport import Transport
from solidb_sync.storage.local_store import LocalStore

Told = TypeVar("Told")
Callback = TypeVar("Callback", bound=Callable[[Conflict], Any])

_logger = logging.getLogger("solidb_sync")


class SyncManager(Facade[AsyncManager]):
    """Local documents that work without a network, and a server they are kept in step with when there is one.

    Making one does no I/O and starts no thread. Any thread may call it, also one that runs an event loop. Each manager needs
    an `HttpClient` of its own; a store, and so a manager, belongs to one process.
    """

    def __init__(
        self,
        store: LocalStore,
        client: Transport,
        config: SyncConfig | None = None,
        *,
        random_source: random.Random | None = None,
    ) -> None:
        self._take(AsyncManager(store, client, config, random_source=random_source))

    @classmethod
    def open(cls, config: SyncConfig, client: Transport, *, device_id: str | None = None) -> Self:
        """Open the store at `config.local_storage_path` and return a manager that closes it when it stops.

        Without a `device_id` the store keeps the one it has; a new store gets a random one.
        """
        manager = cls.__new__(cls)
        manager._take(AsyncManager.open(config, client, device_id=device_id))
        return manager

    def _take(self, core: AsyncManager) -> None:
        super().__init__(core, LoopThread(core.stop))
        self._commands: CommandSender | None = None

    def within(self, seconds: float | None) -> Self:
        """Return this manager with a limit: a call that takes longer is given up with `TimeoutError`.

        Without one every call waits as long as the work takes, which for the network the client's timeout bounds. What is
        given up is cancelled where nothing is half done: an edit that is on its way to the disk may be there afterwards, and
        a round goes on beside. `stop` and iterators have limits of their own.
        """
        limited = copy.copy(self)
        limited._seconds_max = checked_timeout(seconds)
        return limited

    # starting and stopping

    def start(self) -> CommandSender:
        """Start the background task and return its command channel; a second call returns the same channel."""
        started = _start(self)
        if self._commands is None or self._commands._core is not started:
            self._commands = CommandSender(started, self._thread, seconds_max=self._seconds_max)
        return self._commands

    def stop(self) -> None:
        """End the background task, every iterator and the thread; bounded in time, harmless to repeat.

        Calls that other threads have under way come to their end first. A later call works on the local documents as before,
        unless `open` opened the store: that is closed.
        """
        self._thread.end()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    # documents

    save_document = blocking(AsyncManager.save_document)
    get_document = blocking(AsyncManager.get_document)
    delete_document = blocking(AsyncManager.delete_document)
    query_documents = blocking(AsyncManager.query_documents)

    def transaction(self) -> Transaction:
        """Return a transaction for `with`: its edits are all recorded or none, here and on the server."""
        return Transaction(self._core.transaction(), self._thread, seconds_max=self._seconds_max)

    # replicated fields

    crdt_increment = blocking(AsyncManager.crdt_increment)
    crdt_decrement = blocking(AsyncManager.crdt_decrement)
    crdt_set = blocking(AsyncManager.crdt_set)
    crdt_add_to_set = blocking(AsyncManager.crdt_add_to_set)
    crdt_orset_add = blocking(AsyncManager.crdt_orset_add)
    crdt_orset_remove = blocking(AsyncManager.crdt_orset_remove)
    crdt_map_put = blocking(AsyncManager.crdt_map_put)
    crdt_map_remove = blocking(AsyncManager.crdt_map_remove)
    crdt_bounded_increment = blocking(AsyncManager.crdt_bounded_increment)
    crdt_bounded_decrement = blocking(AsyncManager.crdt_bounded_decrement)
    crdt_bounded_reserve = blocking(AsyncManager.crdt_bounded_reserve)
    crdt_bounded_release = blocking(AsyncManager.crdt_bounded_release)
    crdt_bounded_rights = blocking(AsyncManager.crdt_bounded_rights)

    # queries and indexes

    query = blocking(AsyncManager.query)
    explain = blocking(AsyncManager.explain)
    create_index = blocking(AsyncManager.create_index)
    list_indexes = blocking(AsyncManager.list_indexes)
    drop_index = blocking(AsyncManager.drop_index)

    def watch(
        self,
        sdbql_text: str,
        bind_vars: dict[str, Any] | None = None,
        *,
        limits: sdbql.Limits | None = None,
        timeout: float | None = None,
    ) -> EventIterator[list[Any]]:
        """Return an iterator of the query's results: those of now at once, then each time a change altered them.

        The query runs again only after a change, local or remote, that can alter its result, and only while somebody waits
        for the next one: changes that come in between are seen together. Results that are the same are not given twice.
        What the query raises is raised by the iterator, which may be asked on. It ends with `close`, the manager's `stop`,
        or when nothing comes for `timeout` seconds. Raises `sdbql.QueryError` for a query that can't be run, `SyncError`
        past 1,000 listeners.
        """
        timeout = checked_timeout(timeout)
        watch = self._now(self._core.watch, sdbql_text, bind_vars, limits=limits)
        return EventIterator(self._thread, watch, timeout=timeout)

    # attachments

    put_attachment = blocking(AsyncManager.put_attachment)
    list_attachments = blocking(AsyncManager.list_attachments)
    delete_attachment = blocking(AsyncManager.delete_attachment)
    collect_attachments = blocking(AsyncManager.collect_attachments)
    evict_attachments = blocking(AsyncManager.evict_attachments)
    sync_attachments = blocking(AsyncManager.sync_attachments)
    attachment_usage = blocking(AsyncManager.attachment_usage)

    def open_attachment(self, col: str, key: str, name: str) -> AttachmentReader:
        """Return a reader of an attachment, for `with`.

        Raises `AttachmentNotFoundError` when the document has none of this name, and `AttachmentNotHereError` when its bytes
        are not on this device and can't be fetched now.
        """
        return AttachmentReader(_open_attachment(self, col, key, name), self._thread, seconds_max=self._seconds_max)

    # conflicts

    set_conflict_strategy = blocking(AsyncManager.set_conflict_strategy)
    conflicts_handled = blocking(AsyncManager.conflicts_handled)
    conflict_log = blocking(AsyncManager.conflict_log)
    get_conflicts = blocking(AsyncManager.get_conflicts)
    resolve_conflict = blocking(AsyncManager.resolve_conflict)
    undo_resolution = blocking(AsyncManager.undo_resolution)

    def on_conflict(self, callback: Callback) -> Callable[[], None]:
        """Call `callback` once with each `Conflict`; returns a function that ends it. Usable as a decorator.

        It returns a `ConflictResolution`, a document, or None to leave the conflict as it is. It is called after the
        conflict was logged, beside the sync: a plain function on a thread of its own, where it may use the manager, for at
        most `conflict_handling.CALL_SECONDS_MAX`; a coroutine function on the manager's thread. What raises or takes
        longer leaves the conflict as it is.
        """
        return self._ender(self._now(self._core.on_conflict, callback))

    # bytes on the wire, and what the server refused

    enable_delta_sync = blocking(AsyncManager.enable_delta_sync)
    set_delta_threshold = blocking(AsyncManager.set_delta_threshold)
    get_last_delta_stats = blocking(AsyncManager.get_last_delta_stats)
    rejected_changes = blocking(AsyncManager.rejected_changes)
    retry_rejected = blocking(AsyncManager.retry_rejected)
    discard_rejected = blocking(AsyncManager.discard_rejected)

    # syncing

    sync_now = blocking(AsyncManager.sync_now)
    sync = sync_now
    full_resync = blocking(AsyncManager.full_resync)
    ping = blocking(AsyncManager.ping)
    set_sync_interval = blocking(AsyncManager.set_sync_interval)
    set_online = blocking(AsyncManager.set_online)
    subscribe = blocking(AsyncManager.subscribe)
    unsubscribe = blocking(AsyncManager.unsubscribe)
    set_sync_filter = blocking(AsyncManager.set_sync_filter)
    set_collection_sync_filters = blocking(AsyncManager.set_collection_sync_filters)
    explain_filter = blocking(AsyncManager.explain_filter)
    debug_vectors = blocking(AsyncManager.debug_vectors)

    def is_syncing(self) -> bool:
        """Return whether a round is running; callbacks may ask."""
        return self._core.is_syncing()

    def is_online(self) -> bool:
        """Return whether the manager is online: not taken offline by hand, and the server was reachable last time."""
        return self._core.is_online()

    # looking at it

    pending_changes = blocking(AsyncManager.pending_changes)
    status = blocking(AsyncManager.status)
    metrics = blocking(AsyncManager.metrics)

    storage_usage = blocking(AsyncManager.storage_usage)
    set_storage_limit = blocking(AsyncManager.set_storage_limit)
    evict = blocking(AsyncManager.evict)
    create_ttl_index = blocking(AsyncManager.create_ttl_index)
    list_ttl_indexes = blocking(AsyncManager.list_ttl_indexes)
    drop_ttl_index = blocking(AsyncManager.drop_ttl_index)
    cleanup = blocking(AsyncManager.cleanup)
    enable_encryption = blocking(AsyncManager.enable_encryption)
    rotate_encryption_key = blocking(AsyncManager.rotate_encryption_key)
    disable_encryption = blocking(AsyncManager.disable_encryption)

    def changes(
        self,
        col: str | None = None,
        key: str | None = None,
        source: str | None = None,
        *,
        timeout: float | None = None,
    ) -> EventIterator[ChangeEvent]:
        """Return an iterator of `ChangeEvent`s from now on, local and remote, after their commit, once each.

        It ends with `close`, the manager's `stop`, or when nothing comes for `timeout` seconds.
        """
        timeout = checked_timeout(timeout)
        return EventIterator(self._thread, self._now(self._core.changes, col, key, source), timeout=timeout)

    def on_change(self, callback: Callable[[ChangeEvent], Any]) -> Callable[[], None]:
        """Call `callback` with every `ChangeEvent`, on the manager's thread; returns a function that ends it."""
        return self._ender(self._now(self._core.on_change, _harmless(callback)))

    def sync_states(
        self, col: str | None = None, key: str | None = None, *, timeout: float | None = None
    ) -> EventIterator[SyncStateChanged]:
        """Return an iterator of `SyncStateChanged` from now on: how documents stand with the server.

        It ends with `close`, the manager's `stop`, or when nothing comes for `timeout` seconds.
        """
        timeout = checked_timeout(timeout)
        return EventIterator(self._thread, self._now(self._core.sync_states, col, key), timeout=timeout)

    def on_sync_state(self, callback: Callable[[SyncStateChanged], Any]) -> Callable[[], None]:
        """Call `callback` with every `SyncStateChanged`, on the manager's thread; returns a function that ends it."""
        return self._ender(self._now(self._core.on_sync_state, _harmless(callback)))

    def events(self, *, timeout: float | None = None) -> EventIterator[SyncEvent]:
        """Return an iterator of `SyncEvent`s from now on: how the sync fares, as it happens.

        It ends with `close`, the manager's `stop`, or when nothing comes for `timeout` seconds.
        """
        timeout = checked_timeout(timeout)
        return EventIterator(self._thread, self._now(self._core.events), timeout=timeout)

    def on_event(self, callback: Callable[[SyncEvent], Any]) -> Callable[[], None]:
        """Call `callback` with every `SyncEvent`, on the manager's thread; returns a function that ends it."""
        return self._ender(self._now(self._core.on_event, _harmless(callback)))

    def _ender(self, end: Callable[[], None]) -> Callable[[], None]:
        return lambda: self._now(end)


_start = blocking(AsyncManager.start)
_open_attachment = blocking(AsyncManager.open_attachment)


def _harmless(callback: Callable[[Told], Any]) -> Callable[[Told], None]:
    """Return a callback whose `sys.exit()` ends neither the thread nor whoever waits for the edit it is told of."""

    @wraps(callback)
    def call(told: Told) -> None:
        try:
            callback(told)
        except (KeyboardInterrupt, SystemExit):
            _logger.exception("a callback asked for the end of the program on the manager's thread, which goes on")

    return call
