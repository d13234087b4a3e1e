"""Read the page that a device will ask for next while it is still busy with this one.

A device that fetches a long backlog asks for page after page, each from where the last one ended. The page read ahead is
handed out only for exactly the query it was read for, and only while nothing has been committed since; otherwise it is
dropped, and the page is read as ever. So what a device gets is the same with and without this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from solidb_sync.server.collect_changes import Page, PullQuery

PAGES_HELD_MAX = 16
"""For how many devices a page is held; the one held longest makes room."""

Read = Callable[[PullQuery], Awaitable[Page]]


@dataclass(frozen=True, slots=True)
class _Ahead:
    query: PullQuery
    page: asyncio.Future[Page]


class PagesAhead:
    """The pages read ahead for the devices of one database."""

    def __init__(self) -> None:
        self._held: dict[str, _Ahead] = {}

    async def page(self, client_id: str, query: PullQuery, *, newest: int, read: Read) -> Page:
        """Return the page of a query, read ahead or now, and begin to read the next one when there is more."""
        ahead = self._held.pop(client_id, None)
        page = None
        if ahead is not None and ahead.query == query:
            page = await ahead.page
        if page is None or page.target_seq != newest:
            page = await read(query)
        if page.has_more:
            self._begin(client_id, replace(query, cursor=page.cursor), read)
        return page

    def _begin(self, client_id: str, query: PullQuery, read: Read) -> None:
        while len(self._held) >= PAGES_HELD_MAX:
            self._held.pop(next(iter(self._held)))
        page = asyncio.ensure_future(read(query))
        page.add_done_callback(_take_note_of_failure)
        self._held[client_id] = _Ahead(query, page)


def _take_note_of_failure(page: asyncio.Future[Page]) -> None:
    """Let nobody be warned of a failed page that nobody waits for; whoever waits gets the exception all the same."""
    if not page.cancelled():
        page.exception()
