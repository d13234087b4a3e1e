"""A query that is watched: its results now, and again whenever a change has altered them.

The query runs only for a reader that waits, and only after a change that can alter its result (`sdbql.Relevance`): a
burst of changes between two reads costs one run. Results that come out the same are not told again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import sdbql
from solidb_sync.client.events import ChangeEvent
from solidb_sync.model.delta import same_value

Run = Callable[[], Awaitable[list[Any]]]


class Watch(AsyncIterator[list[Any]]):
    """An async iterator of the results of one query, watching from the moment it is made; `aclose` ends it.

    What the query raises is raised to the reader, who may go on and wait for the next change. For one reader.
    """

    def __init__(self, run: Run, relevance: sdbql.Relevance, forget: Callable[[Watch], None]) -> None:
        self._run = run
        self._relevance = relevance
        self._forget = forget
        self._stale = asyncio.Event()
        self._stale.set()
        self._last: list[Any] | None = None
        self._ended = False

    def offer(self, event: ChangeEvent) -> None:
        """Take note of a change."""
        if not self._stale.is_set() and self._relevance.can_alter(event.collection, (event.old_document, event.document)):
            self._stale.set()

    def end(self) -> None:
        """End the iteration."""
        if not self._ended:
            self._ended = True
            self._forget(self)
            self._stale.set()

    async def __anext__(self) -> list[Any]:
        while True:
            await self._stale.wait()
            if self._ended:
                raise StopAsyncIteration
            self._stale.clear()  # before the query reads: a change during the run makes it run again
            try:
                results = await self._run()
            except asyncio.CancelledError:
                self._stale.set()  # the reader gave up waiting; what it waited for is still due
                raise
            if self._last is None or not same_value(results, self._last):
                self._last = results
                return results

    async def aclose(self) -> None:
        """Stop watching."""
        self.end()
