"""How the sync fares, told as it happens: rounds that begin and end, conflicts, refusals, the network coming and going.

Whoever has news calls `SyncEvents.tell(kind, …)`, after the commit that made it true. Telling costs nothing while nobody
listens, so what is expensive to put into an event is made only when `has_listeners`.

Every `sync_started` is followed by exactly one `sync_finished` or `sync_failed`; `online` and `offline`, and
`auth_required`, come only when that changes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from solidb_sync.client.conflicts import Conflict
from solidb_sync.client.event_stream import EventStream
from solidb_sync.client.pull_progress import SyncProgress
from solidb_sync.client.results import SyncResult
from solidb_sync.clock import Clock, iso_text
from solidb_sync.errors import SyncError
from solidb_sync.storage.pending_change import PendingChange

EVENT_LISTENERS_MAX = 1_000

_logger = logging.getLogger("solidb_sync")


class SyncEventKind(Enum):
    """What happened."""

    SYNC_STARTED = "sync_started"
    SYNC_FINISHED = "sync_finished"
    SYNC_FAILED = "sync_failed"
    SYNC_PROGRESS = "sync_progress"
    AUTH_REQUIRED = "auth_required"
    CONFLICT = "conflict"
    REJECTED = "rejected"
    RESYNC = "resync"
    ONLINE = "online"
    OFFLINE = "offline"
    STORAGE_FULL = "storage_full"


@dataclass(frozen=True, slots=True)
class SyncEvent:
    """One piece of news; which fields are filled depends on `kind`.

    `result`: of a round that ended (`sync_finished`, `sync_failed`). `consecutive_failures`: how many rounds have failed one
    after the other, this one included; `retries_exhausted`: more than `max_retries`, so that the next attempt waits for
    the normal interval. Rounds that were broken off by hand or for want of credentials are not counted. `conflict`,
    `change`, `progress`: what a `conflict`, `rejected` or `sync_progress` is about. `reason` is a stable word, such as why
    a `resync` is done; `message` is for people. `at`: ISO-8601 UTC.
    """

    kind: SyncEventKind
    at: str
    message: str = ""
    reason: str = ""
    result: SyncResult | None = None
    consecutive_failures: int = 0
    retries_exhausted: bool = False
    conflict: Conflict | None = None
    change: PendingChange | None = None
    progress: SyncProgress | None = None


class SyncEvents:
    """Who wants to know how the sync of one manager fares."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._callbacks: list[Callable[[SyncEvent], Any]] = []
        self._streams: list[EventStream[SyncEvent]] = []

    @property
    def has_listeners(self) -> bool:
        """True when somebody wants to know."""
        return bool(self._callbacks or self._streams)

    def tell(self, kind: SyncEventKind, **parts: Any) -> None:
        """Tell every listener of something that has just happened; `parts` are fields of `SyncEvent`."""
        if not self.has_listeners:
            return
        event = SyncEvent(kind, iso_text(self._clock.now_ms()), **parts)
        for stream in list(self._streams):
            stream.offer(event)
        for callback in list(self._callbacks):
            try:
                callback(event)
            except Exception:
                _logger.exception("an event listener raised for %s", kind.value)

    def add_callback(self, callback: Callable[[SyncEvent], Any]) -> Callable[[], None]:
        """Call `callback` with every event; returns a function that ends it."""
        self._check_room()
        self._callbacks.append(callback)

        def unsubscribe() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return unsubscribe

    def stream(self) -> EventStream[SyncEvent]:
        """Return an iterator over the events from now on."""
        self._check_room()
        stream: EventStream[SyncEvent] = EventStream(self._forget, advice="ask status() how the sync stands")
        self._streams.append(stream)
        return stream

    def close(self) -> None:
        """End every stream."""
        for stream in list(self._streams):
            stream.end()

    def _forget(self, stream: EventStream[SyncEvent]) -> None:
        if stream in self._streams:
            self._streams.remove(stream)

    def _check_room(self) -> None:
        if len(self._callbacks) + len(self._streams) >= EVENT_LISTENERS_MAX:
            raise SyncError(f"{EVENT_LISTENERS_MAX} event listeners already; end those that are not used any more")
