"""Who is listening to which database, and the bell that wakes them.

The bell says "there is news up to 17", and to those who asked for it also what the news is, when it is short. A listener
that is slow hears several rings as one, the newest. Everything happens on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from solidb_sync.filters.row_filter import RowFilter
from solidb_sync.server.live.selective_bell import Commit, SelectiveListeners

LISTENERS_MAX = 10_000
PAGES_WAITING_MAX = 16
"""How many rings with a page wait for a slow listener; past that it is told the newest sequence only."""


@dataclass(frozen=True, slots=True)
class News:
    """What one ring tells: the newest sequence, and maybe all that happened since `since`, as an answer's JSON."""

    seq: int
    since: int = 0
    page: bytes = b""

    @property
    def text(self) -> bytes:
        """The JSON of the ring.

        >>> News(17).text, News(18, 17, b"{}").text
        (b'{"seq": 17}', b'{"seq": 18, "from": 17, "page": {}}')
        """
        if not self.page:
            return b'{"seq": %d}' % self.seq
        return b'{"seq": %d, "from": %d, "page": %s}' % (self.seq, self.since, self.page)


class TooManyListenersError(Exception):
    """No further listener can be served now."""


class Listener:
    """One device waiting for news; `wants_pages` when it can use what happened itself."""

    def __init__(self, client_id: str, *, wants_pages: bool = False) -> None:
        self.client_id = client_id
        self.wants_pages = wants_pages
        self._rung = asyncio.Event()
        self._news: list[News] = []
        self.is_closed = False

    async def next_news(self) -> list[News]:
        """Wait for a ring and return what it and those with it told, oldest first; nothing when the bell was taken down."""
        await self._rung.wait()
        self._rung.clear()
        news, self._news = self._news, []
        return [] if self.is_closed else news

    def ring(self, news: News) -> None:
        """Wake the listener."""
        newest = max([news.seq, *(waiting.seq for waiting in self._news)])
        if self.wants_pages and news.page and len(self._news) < PAGES_WAITING_MAX:
            self._news.append(news)
        else:
            self._news = [News(newest)]
        self._rung.set()

    def close(self) -> None:
        """Wake the listener for the last time."""
        self.is_closed = True
        self._rung.set()


class Doorbell:
    """The listeners of every database."""

    def __init__(self) -> None:
        self._listeners: dict[str, dict[Listener, None]] = {}
        """Those who hear everything."""
        self._selective: dict[str, SelectiveListeners[Listener]] = {}
        self._of_client: dict[tuple[str, str], dict[Listener, None]] = {}
        self._want_pages: dict[str, int] = {}
        self._count = 0
        self._is_closed = False

    @property
    def listener_count(self) -> int:
        """How many are listening."""
        return self._count

    def wants_pages(self, database: str) -> bool:
        """Return whether anybody who listens to a database can use the news itself."""
        return database in self._want_pages

    def is_selective(self, database: str) -> bool:
        """Return whether it matters to anybody who listens to a database what a commit changed."""
        return database in self._selective

    def set_filters(self, database: str, client_id: str, filters: Mapping[str, RowFilter]) -> None:
        """Let the listeners of a device hear only what may match its filters or is held by it; with none, everything."""
        for listener in list(self._of_client.get((database, client_id), ())):
            self._take_out(database, listener)
            if filters:
                self._selective.setdefault(database, SelectiveListeners()).put(listener, filters)
            else:
                self._listeners.setdefault(database, {})[listener] = None

    def ring(self, database: str, news: News, author: str, commit: Commit | None = None) -> None:
        """Wake the listeners of a database whom the news concerns, but for its author; call it after the commit.

        Without a `commit` it concerns everybody.
        """
        for listener in self._listeners.get(database, ()):
            if listener.client_id != author:
                listener.ring(news)
        selective = self._selective.get(database)
        if selective is not None:
            for listener in selective.everybody() if commit is None else selective.concerned(commit):
                if listener.client_id != author:
                    listener.ring(News(news.seq))

    @contextmanager
    def listening(self, database: str, client_id: str, *, wants_pages: bool = False) -> Iterator[Listener]:
        """Listen while the block runs; raises `TooManyListenersError` at the bound."""
        if self._is_closed or self._count >= LISTENERS_MAX:
            raise TooManyListenersError(f"{self._count} listeners are connected, at most {LISTENERS_MAX} are served")
        listener = Listener(client_id, wants_pages=wants_pages)
        self._listeners.setdefault(database, {})[listener] = None
        self._of_client.setdefault((database, client_id), {})[listener] = None
        self._count += 1
        self._count_pages(database, int(wants_pages))
        try:
            yield listener
        finally:
            self._count -= 1
            self._count_pages(database, -int(wants_pages))
            self._take_out(database, listener)
            own = self._of_client[database, client_id]
            own.pop(listener, None)
            if not own:
                del self._of_client[database, client_id]

    def _take_out(self, database: str, listener: Listener) -> None:
        others = self._listeners.get(database, {})
        others.pop(listener, None)
        if not others:
            self._listeners.pop(database, None)
        selective = self._selective.get(database)
        if selective is not None:
            selective.discard(listener)
            if not selective:
                del self._selective[database]

    def _count_pages(self, database: str, more: int) -> None:
        count = self._want_pages.pop(database, 0) + more
        if count:
            self._want_pages[database] = count

    def close(self) -> None:
        """Send every listener away, and take no new ones."""
        self._is_closed = True
        for listeners in self._of_client.values():
            for listener in listeners:
                listener.close()
