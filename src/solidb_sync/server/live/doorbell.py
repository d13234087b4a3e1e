"""Who is listening to which database, and the bell that wakes them.

The bell says only "there is news up to 17". A listener that is slow hears several rings as one, the newest. Everything
happens on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

LISTENERS_MAX = 10_000


class TooManyListenersError(Exception):
    """No further listener can be served now."""


class Listener:
    """One device waiting for news."""

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        self._news = asyncio.Event()
        self._seq = 0
        self.is_closed = False

    async def next_news(self) -> int:
        """Wait for the next ring and return the newest sequence it told of; 0 when the bell was taken down."""
        await self._news.wait()
        self._news.clear()
        return 0 if self.is_closed else self._seq

    def ring(self, seq: int) -> None:
        """Wake the listener."""
        self._seq = max(self._seq, seq)
        self._news.set()

    def close(self) -> None:
        """Wake the listener for the last time."""
        self.is_closed = True
        self._news.set()


class Doorbell:
    """The listeners of every database."""

    def __init__(self) -> None:
        self._listeners: dict[str, dict[Listener, None]] = {}
        self._count = 0
        self._is_closed = False

    @property
    def listener_count(self) -> int:
        """How many are listening."""
        return self._count

    def ring(self, database: str, seq: int, author: str) -> None:
        """Wake every listener of a database but the author of the news; call it after the commit."""
        for listener in self._listeners.get(database, ()):
            if listener.client_id != author:
                listener.ring(seq)

    @contextmanager
    def listening(self, database: str, client_id: str) -> Iterator[Listener]:
        """Listen while the block runs; raises `TooManyListenersError` at the bound."""
        if self._is_closed or self._count >= LISTENERS_MAX:
            raise TooManyListenersError(f"{self._count} listeners are connected, at most {LISTENERS_MAX} are served")
        listener = Listener(client_id)
        self._listeners.setdefault(database, {})[listener] = None
        self._count += 1
        try:
            yield listener
        finally:
            self._count -= 1
            others = self._listeners[database]
            others.pop(listener, None)
            if not others:
                del self._listeners[database]

    def close(self) -> None:
        """Send every listener away, and take no new ones."""
        self._is_closed = True
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.close()
