"""How single documents stand with the server, told as it changes: for the tick beside a row of a list, without asking.

Only documents that are not simply `synced` are remembered, and nothing is looked at while nobody listens. After whatever may
have changed a document's state, that document is looked at again; after each round, all that were not synced before it or
are not now. A state is read after the commit that made it, so states that follow each other quickly may come as one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from solidb_sync.client.document_view import SYNCED, sync_state
from solidb_sync.client.event_stream import EventStream
from solidb_sync.errors import SyncError
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.local_store import LocalStore

LISTENERS_MAX = 1_000

Place = tuple[str, str]

_logger = logging.getLogger("solidb_sync")


@dataclass(frozen=True, slots=True)
class SyncStateChanged:
    """A document stands differently with the server: `synced`, `pending`, `conflict` or `rejected`, as in `_sync`.

    A deleted document has a state too, until the server has taken the deletion.
    """

    collection: str
    key: str
    state: str
    state_before: str


class SyncStates:
    """Who wants to know how documents of one store stand."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        self._callbacks: list[Callable[[SyncStateChanged], Any]] = []
        self._streams: list[SyncStateStream] = []
        self._known: dict[Place, str] = {}

    @property
    def has_listeners(self) -> bool:
        """True when somebody wants to know."""
        return bool(self._callbacks or self._streams)

    def look_at(self, places: Iterable[Place]) -> None:
        """Tell what has changed about documents that an edit, or an answer of the server, was about."""
        if self.has_listeners:
            wanted = set(places)
            self._tell(self._store.view(lambda reader: _states(reader, wanted)))

    def look_at_known(self, places: Iterable[Place]) -> None:
        """Tell what has changed about those of these documents that are not synced."""
        if self.has_listeners:
            self.look_at(self._known.keys() & set(places))

    def look_at_all(self) -> None:
        """Tell what has changed about any document."""
        if self.has_listeners:
            self._tell(self._store.view(lambda reader: _states(reader, {*self._known, *_unsettled(reader)})))

    def _tell(self, states: dict[Place, str]) -> None:
        for place in sorted(states):
            state, before = states[place], self._known.get(place, SYNCED)
            if state == before:
                continue
            if state == SYNCED:
                del self._known[place]
            else:
                self._known[place] = state
            event = SyncStateChanged(*place, state, before)
            for stream in list(self._streams):
                stream.offer(event)
            for callback in list(self._callbacks):
                try:
                    callback(event)
                except Exception:
                    _logger.exception("a listener to sync states raised for %s/%s", *place)

    def add_callback(self, callback: Callable[[SyncStateChanged], Any]) -> Callable[[], None]:
        """Call `callback` with every change of state; returns a function that ends it."""
        self._begin()
        self._callbacks.append(callback)

        def unsubscribe() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return unsubscribe

    def stream(self, collection: str | None, key: str | None) -> SyncStateStream:
        """Return an iterator over the changes of state from now on that match."""
        self._begin()
        stream = SyncStateStream(self._forget, collection, key)
        self._streams.append(stream)
        return stream

    def close(self) -> None:
        """End every stream."""
        for stream in list(self._streams):
            stream.end()

    def _begin(self) -> None:
        """Take in how things stand, for somebody who wants to know what changes from here on."""
        if len(self._callbacks) + len(self._streams) >= LISTENERS_MAX:
            raise SyncError(f"{LISTENERS_MAX} listeners already; end those that are not used any more")
        if not self.has_listeners:
            states = self._store.view(lambda reader: _states(reader, _unsettled(reader)))
            self._known = {place: state for place, state in states.items() if state != SYNCED}

    def _forget(self, stream: SyncStateStream) -> None:
        if stream in self._streams:
            self._streams.remove(stream)


class SyncStateStream(EventStream[SyncStateChanged]):
    """An async iterator of the changes of state that match, listening from the moment it is made; `aclose` ends it."""

    def __init__(self, forget: Callable[[SyncStateStream], None], collection: str | None, key: str | None) -> None:
        super().__init__(forget, advice="read the documents again, with meta=True")
        self._wanted = (collection, key)

    def offer(self, event: SyncStateChanged) -> None:
        """Queue an event if it is wanted."""
        found = (event.collection, event.key)
        if all(wanted is None or wanted == given for wanted, given in zip(self._wanted, found, strict=True)):
            super().offer(event)


def _states(reader: EngineReader, places: Iterable[Place]) -> dict[Place, str]:
    open_ones = {(conflict.collection, conflict.key) for conflict in reader.open_conflicts()}
    return {place: sync_state(reader, *place, has_open_conflict=place in open_ones) for place in places}


def _unsettled(reader: EngineReader) -> set[Place]:
    """Return the documents that may be in another state than `synced`."""
    changed = {(change.collection, change.key) for change in reader.changes(state=None)}
    return changed | {(conflict.collection, conflict.key) for conflict in reader.open_conflicts()}
