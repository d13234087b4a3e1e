"""Looking at a manager: what changes, what waits, and how the sync stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from solidb_sync.client.conflicts import ConflictStatus
from solidb_sync.client.event_stream import EventStream
from solidb_sync.client.events import ChangeEvent
from solidb_sync.client.manager.parts import check_collection
from solidb_sync.client.manager.syncing import SyncMethods
from solidb_sync.client.metrics import SyncMetrics, sync_metrics
from solidb_sync.client.notifications import ChangeStream
from solidb_sync.client.results import SyncStatus
from solidb_sync.client.status import sync_status
from solidb_sync.client.sync_events import SyncEvent
from solidb_sync.client.sync_states import SyncStateChanged, SyncStateStream
from solidb_sync.client.vector_details import VectorDetails, vector_details
from solidb_sync.storage.pending_change import PendingChange


class ObservationMethods(SyncMethods):
    """What changed, and what there is to know."""

    def changes(self, col: str | None = None, key: str | None = None, source: str | None = None) -> ChangeStream:
        """Return an async iterator of `ChangeEvent`s from now on, local and remote, after their commit, once each."""
        return self._notifications.stream(col, key, source)

    def on_change(self, callback: Callable[[ChangeEvent], Any]) -> Callable[[], None]:
        """Call `callback` with every `ChangeEvent`; returns a function that ends it."""
        return self._notifications.add_callback(callback)

    def sync_states(self, col: str | None = None, key: str | None = None) -> SyncStateStream:
        """Return an async iterator of `SyncStateChanged` from now on: how documents stand with the server.

        For the tick beside a row: begin to listen, then read the documents with `meta=True`, then follow what comes.
        """
        return self._states.stream(col, key)

    def on_sync_state(self, callback: Callable[[SyncStateChanged], Any]) -> Callable[[], None]:
        """Call `callback` with every `SyncStateChanged`; returns a function that ends it."""
        return self._states.add_callback(callback)

    def events(self) -> EventStream[SyncEvent]:
        """Return an async iterator of `SyncEvent`s from now on: how the sync fares, as it happens."""
        return self._events.stream()

    def on_event(self, callback: Callable[[SyncEvent], Any]) -> Callable[[], None]:
        """Call `callback` with every `SyncEvent`; returns a function that ends it."""
        return self._events.add_callback(callback)

    async def pending_changes(self) -> list[PendingChange]:
        """Return the changes that wait for the server, oldest first."""
        return self._store.get_pending_changes()

    async def debug_vectors(self, col: str, key: str) -> VectorDetails:
        """Return which edits a document here includes: as it is shown, as the server has it, and change by change."""
        check_collection(col)
        return self._view(lambda reader: vector_details(reader, col, key))

    async def status(self) -> SyncStatus:
        """Return how the sync stands."""
        return sync_status(
            self._store,
            self._server,
            self._rounds,
            is_running=self._commands is not None,
            is_online=self.is_online(),
            configured=self._config.collections,
            progress=self._round.progress,
        )

    async def metrics(self) -> SyncMetrics:
        """Return numbers to watch this device by; their `prometheus()` is the text that Prometheus reads."""
        conflicts = self._view(lambda reader: reader.conflicts())
        pending = sum(conflict.status == ConflictStatus.PENDING.value for conflict in conflicts)
        return sync_metrics(await self.status(), self._rounds.totals, conflicts_pending=pending)
