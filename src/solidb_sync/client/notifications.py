"""Tell listeners what changed, once each, after the commit, in order.

A listener that reads slower than changes come is not allowed to hold up the others or to fill the memory: its iterator
ends with an error that says so (`event_stream`), and it reads the collection again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import sdbql
from solidb_sync.client.event_stream import EventStream
from solidb_sync.client.events import ChangeEvent, change_event
from solidb_sync.client.watching import Run, Watch
from solidb_sync.errors import SyncError
from solidb_sync.storage.edits import DocumentChanged

LISTENERS_MAX = 1_000

_logger = logging.getLogger("solidb_sync")


class Listener(Protocol):
    """Somebody who is told of every change until the end."""

    def offer(self, event: ChangeEvent) -> None:
        """Take note of an event."""

    def end(self) -> None:
        """Learn that there will be no more."""


class Notifications:
    """The listeners of one manager."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[ChangeEvent], Any]] = []
        self._streams: list[Listener] = []

    @property
    def has_listeners(self) -> bool:
        """True when somebody wants to know."""
        return bool(self._callbacks or self._streams)

    def publish(self, facts: Iterable[DocumentChanged]) -> None:
        """Tell every listener; an exception in a callback is logged and stops nothing."""
        if not self.has_listeners:
            return
        for fact in facts:
            event = change_event(fact)
            for stream in list(self._streams):
                stream.offer(event)
            for callback in list(self._callbacks):
                self._call(callback, event)

    def _call(self, callback: Callable[[ChangeEvent], Any], event: ChangeEvent) -> None:
        try:
            callback(event)
        except Exception:
            _logger.exception("a change listener raised for %s/%s", event.collection, event.key)

    def add_callback(self, callback: Callable[[ChangeEvent], Any]) -> Callable[[], None]:
        """Call `callback` with every event; returns a function that ends it."""
        self._check_room()
        self._callbacks.append(callback)

        def unsubscribe() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return unsubscribe

    def stream(self, collection: str | None, key: str | None, source: str | None) -> ChangeStream:
        """Return an iterator over the events from now on that match."""
        self._check_room()
        stream = ChangeStream(self._forget, collection, key, source)
        self._streams.append(stream)
        return stream

    def watch(self, run: Run, relevance: sdbql.Relevance) -> Watch:
        """Return an iterator over the results of a query, now and whenever a change has altered them."""
        self._check_room()
        watch = Watch(run, relevance, self._forget)
        self._streams.append(watch)
        return watch

    def close(self) -> None:
        """End every stream."""
        for stream in list(self._streams):
            stream.end()

    def _forget(self, stream: Listener) -> None:
        if stream in self._streams:
            self._streams.remove(stream)

    def _check_room(self) -> None:
        if len(self._callbacks) + len(self._streams) >= LISTENERS_MAX:
            raise SyncError(f"{LISTENERS_MAX} listeners already; end those that are not used any more")


class ChangeStream(EventStream[ChangeEvent]):
    """An async iterator of the events that match, listening from the moment it is made; `aclose` ends it."""

    def __init__(
        self,
        forget: Callable[[ChangeStream], None],
        collection: str | None,
        key: str | None,
        source: str | None,
    ) -> None:
        super().__init__(forget, advice="read the documents again")
        self._wanted = (collection, key, source)

    def offer(self, event: ChangeEvent) -> None:
        """Queue an event if it is wanted."""
        found = (event.collection, event.key, event.source)
        if all(wanted is None or wanted == given for wanted, given in zip(self._wanted, found, strict=True)):
            super().offer(event)
