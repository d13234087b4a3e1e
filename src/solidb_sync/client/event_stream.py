"""An async iterator over events, with a bound: a slow reader holds nobody up and fills no memory.

Past `WAITING_EVENTS_MAX` events its iterator ends with an error that says so; then it looks for itself how things stand.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

from solidb_sync.errors import SyncError

WAITING_EVENTS_MAX = 10_000

Event = TypeVar("Event")


class EventStream(AsyncIterator[Event], Generic[Event]):
    """An async iterator of events, listening from the moment it is made; `aclose` ends it.

    `advice` says what a reader does who was too slow.
    """

    def __init__(self, forget: Callable[[Any], None], *, advice: str) -> None:
        self._forget = forget
        self._advice = advice
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._overflowed = False
        self._ended = False

    def offer(self, event: Event) -> None:
        """Queue an event, or end with an error when too many wait."""
        if self._ended:
            return
        if self._queue.qsize() >= WAITING_EVENTS_MAX:
            self._overflowed = True
            self.end()
            return
        self._queue.put_nowait(event)

    def end(self) -> None:
        """End the iteration after what is queued."""
        if not self._ended:
            self._ended = True
            self._forget(self)
            self._queue.put_nowait(None)

    async def __anext__(self) -> Event:
        if self._ended and self._queue.empty():
            raise StopAsyncIteration
        event = await self._queue.get()
        if event is not None:
            return event
        if self._overflowed:
            raise SyncError(f"more than {WAITING_EVENTS_MAX} events waited to be read; {self._advice}")
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop listening."""
        self.end()
