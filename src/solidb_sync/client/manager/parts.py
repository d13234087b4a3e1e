"""What every facet of a manager works with: the store, the server, the rounds, the loop, and who listens.

`SyncManager` is made of facets, one file for each subject (`documents`, `queries`, `syncing` ...). A facet is a class over
`ManagerParts` whose methods are a few lines over the module that does the work; a new subject is a new facet.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from typing import TypeVar

from solidb_sync.client.attachment_calls import AttachmentCalls
from solidb_sync.client.attachment_edits import AttachmentEdits
from solidb_sync.client.attachment_lane import AttachmentLane
from solidb_sync.client.attachment_transfers import AttachmentTransfers
from solidb_sync.client.author import Author
from solidb_sync.client.background_loop import BackgroundLoop
from solidb_sync.client.commands import CommandSender
from solidb_sync.client.config import SyncConfig
from solidb_sync.client.conflict_handling import ConflictHandling
from solidb_sync.client.connectivity import Connectivity
from solidb_sync.client.local_edits import LocalEdits
from solidb_sync.client.notifications import Notifications
from solidb_sync.client.recovery import RecoveringRound
from solidb_sync.client.retry import Backoff
from solidb_sync.client.rounds import Rounds
from solidb_sync.client.server_calls import ServerCalls
from solidb_sync.client.storage_room import StorageRoom
from solidb_sync.client.strategies import Strategies
from solidb_sync.client.sync_events import SyncEvents
from solidb_sync.client.sync_round import SyncRound
from solidb_sync.client.sync_states import SyncStates
from solidb_sync.client.transport.transport import Transport, author_of
from solidb_sync.errors import ConfigError
from solidb_sync.protocol.names import name_problem
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.read_times import ReadTimes

Result = TypeVar("Result")


def _database(config: SyncConfig, client: Transport) -> str:
    database = config.database or client.database
    if database is None:
        raise ConfigError("database: name it in SyncConfig(database=...) or HttpClient(..., database=...)")
    return database


def _check_path(config: SyncConfig, store: LocalStore) -> None:
    path = config.local_storage_path
    if path is not None and os.path.abspath(path) != os.path.abspath(store.path):
        raise ConfigError(
            f"local_storage_path: {path!r} is not {store.path!r}, where the store that was given is; "
            "leave it out, or use SyncManager.open(config, client)"
        )


class ManagerParts:
    """The parts of one manager, and the few things that several facets do with them. Making one does no I/O."""

    def __init__(
        self,
        store: LocalStore,
        client: Transport,
        config: SyncConfig | None = None,
        *,
        random_source: random.Random | None = None,
    ) -> None:
        self._config = config or SyncConfig()
        database = _database(self._config, client)
        _check_path(self._config, store)
        self._store = store
        self._transport = client
        self._owns_store = False
        self._server = ServerCalls(client, database)
        self._notifications = Notifications()
        self._events = SyncEvents(store.clock)
        self._connectivity = Connectivity(self._events)
        self._strategies = Strategies(store, self._config.conflict_strategy)
        self._states = SyncStates(store)
        author = Author(lambda: author_of(client))
        self._conflicts = ConflictHandling(
            store,
            self._notifications,
            self._strategies,
            saved=lambda: self._something_was_saved(),
            author=author,
            states=self._states,
        )
        self._room = StorageRoom(self._events, self._config.storage_limit_bytes)
        self._read_times = ReadTimes()
        self._edits = LocalEdits(
            store,
            self._notifications,
            self._strategies,
            self._room,
            pending_max=self._config.max_pending_changes,
            author=author,
            states=self._states,
        )
        self._attachments = AttachmentEdits(store, self._edits)
        sync_round = SyncRound(
            store, self._server, self._notifications, self._events, self._conflicts, states=self._states, config=self._config
        )
        self._round = RecoveringRound(store, self._server, sync_round, self._events, author=author)
        self._rounds = Rounds(store.clock, self._events, self._connectivity, max_retries=self._config.max_retries)
        self._interval_seconds = self._config.sync_interval_secs
        self._backoff = Backoff(random_source or random.Random())  # noqa: S311 - jitter, not a secret
        self._lane = AttachmentLane(
            store,
            AttachmentTransfers(store, AttachmentCalls(client, database, client_id=lambda: store.client_id)),
            self._attachments,
            self._connectivity,
            backoff=self._backoff,
            is_eager=self._config.attachments == "eager",
        )
        self._commands: CommandSender | None = None
        self._loop: BackgroundLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def _something_was_saved(self) -> None:
        if self._loop is not None and self._connectivity.is_on:
            self._loop.wake()

    def _round_has_ended(self, *, has_failed: bool) -> None:
        """Tell the lane of attachments what a round has brought it."""
        if self._server.saw_attachments:
            self._server.saw_attachments = False
            self._lane.wake()
        if not has_failed:
            self._lane.server_answers()
            self._states.look_at_all()

    def _known_collections(self) -> set[str]:
        subscribed = self._view(lambda reader: reader.subscriptions())
        return {*self._config.collections, *(known.collection for known in subscribed)}

    def _view(self, read: Callable[[EngineReader], Result]) -> Result:
        return self._store.view(read)

    async def _scan(self, read: Callable[[EngineReader], Result]) -> Result:
        if not self._store.scans_in_threads:
            return self._store.scan(read)
        return await asyncio.to_thread(self._store.scan, read)


def check_collection(name: str) -> None:
    """Raise `ConfigError` for what is no collection's name."""
    problem = name_problem(name) if isinstance(name, str) else f"{name!r} is not a string"
    if problem:
        raise ConfigError(f"collection: {problem}")
