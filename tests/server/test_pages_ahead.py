"""Reading ahead changes when a page is read, never what is in it."""

from __future__ import annotations

import asyncio

import pytest

from solidb_sync.server.collect_changes import Page, PullQuery
from solidb_sync.server.pages_ahead import PAGES_HELD_MAX, PagesAhead
from solidb_sync.server.storage.records import Echo


class Log:
    """A log of so many entries, read in pages of ten; notes which pages were read."""

    def __init__(self, newest: int) -> None:
        self.newest = newest
        self.reads: list[int] = []

    async def read(self, query: PullQuery) -> Page:
        self.reads.append(query.cursor)
        if query.cursor < 0:
            raise RuntimeError("cannot be read")
        cursor = min(query.cursor + 10, self.newest)
        return Page([], cursor, cursor < self.newest, self.newest)


def query(cursor: int, limit: int = 10) -> PullQuery:
    return PullQuery(cursor, limit, None, Echo("phone", 0))


def test_the_next_page_is_read_before_it_is_asked_for_and_only_once() -> None:
    async def scenario() -> list[int]:
        log, ahead = Log(25), PagesAhead()
        cursor, more = 0, True
        while more:
            page = await ahead.page("phone", query(cursor), newest=log.newest, read=log.read)
            await asyncio.sleep(0)
            assert page.cursor == min(cursor + 10, 25)
            cursor, more = page.cursor, page.has_more
        return log.reads

    assert asyncio.run(scenario()) == [0, 10, 20]


def test_a_page_from_before_a_commit_or_for_another_query_is_read_again() -> None:
    async def scenario() -> list[int]:
        log, ahead = Log(100), PagesAhead()
        await ahead.page("phone", query(0), newest=100, read=log.read)
        await asyncio.sleep(0)
        log.newest = 101
        after_commit = await ahead.page("phone", query(10), newest=101, read=log.read)
        await asyncio.sleep(0)
        assert after_commit.target_seq == 101
        await ahead.page("phone", query(20, limit=5), newest=101, read=log.read)
        await asyncio.sleep(0)
        await ahead.page("laptop", query(30), newest=101, read=log.read)
        await asyncio.sleep(0)
        return log.reads

    assert asyncio.run(scenario()) == [0, 10, 10, 20, 20, 30, 30, 40]


def test_pages_are_held_for_a_bounded_number_of_devices() -> None:
    async def scenario() -> int:
        log, ahead = Log(100), PagesAhead()
        for number in range(3 * PAGES_HELD_MAX):
            await ahead.page(f"device-{number}", query(0), newest=100, read=log.read)
        await asyncio.sleep(0)
        return len(ahead._held)

    assert asyncio.run(scenario()) == PAGES_HELD_MAX


def test_a_page_that_can_not_be_read_fails_for_who_asks() -> None:
    async def scenario() -> None:
        log, ahead = Log(100), PagesAhead()
        with pytest.raises(RuntimeError, match="cannot be read"):
            await ahead.page("phone", query(-5), newest=100, read=log.read)

    asyncio.run(scenario())
