"""The event stream: rung after the commit, for everybody but the author, and over when it should be."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from solidb_sync.server.live import doorbell
from solidb_sync.server.live.doorbell import PAGES_WAITING_MAX, Doorbell, News
from solidb_sync.server.news_page import NEWS_BYTES_MAX, NEWS_ENTRIES_MAX

WAIT_SECONDS = 5.0


class Stream:
    """An open event stream of an application."""

    def __init__(
        self, server: Any, client_id: str, *, last_event_id: str = "", path: str = "/_api/sync/stream/db", query: str = ""
    ) -> None:
        self.parts: asyncio.Queue[bytes] = asyncio.Queue()
        self.status = 0
        self._leave = asyncio.Event()
        headers = [(b"x-api-key", server.config.admin_key.encode())]
        if last_event_id:
            headers.append((b"last-event-id", last_event_id.encode()))
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": f"client_id={client_id}{query}".encode(),
            "headers": headers,
            "app": server.app,
        }
        self.task = asyncio.create_task(server.app(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._leave.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        if message["type"] == "http.response.body":
            await self.parts.put(message.get("body", b""))

    async def next(self, *, comments: bool = False) -> str:
        """Return the next part, without comments unless they are asked for."""
        while True:
            part = (await asyncio.wait_for(self.parts.get(), WAIT_SECONDS)).decode()
            if comments or not part.startswith(":"):
                return part

    async def leave(self) -> None:
        self._leave.set()
        await asyncio.wait_for(self.task, WAIT_SECONDS)


async def push(server: Any, device: Any, *changes: dict[str, Any]) -> dict[str, Any]:
    answer = await server.send("POST", "/_api/sync/delta", json=device.body(changes))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_bell_rings_for_others_after_the_commit_and_not_for_the_author(server: Any) -> None:
    async def scene() -> None:
        phone, laptop = server.device("phone"), server.device("laptop")
        mine, theirs = Stream(server, "phone"), Stream(server, "laptop")
        assert await mine.next(comments=True) == await theirs.next(comments=True) == ": listening\n\n"
        await push(server, phone, phone.insert("a", {}), phone.insert("b", {}))
        assert await theirs.next() == 'event: news\nid: 2\ndata: {"seq": 2}\n\n'
        assert server.rows("SELECT newest FROM meta") == [(2,)]
        await push(server, laptop, laptop.insert("c", {}))
        assert await mine.next() == 'event: news\nid: 3\ndata: {"seq": 3}\n\n'
        await mine.leave()
        await theirs.leave()
        assert server.app.state.context.doorbell.listener_count == 0

    server.run(scene())


def test_the_bell_is_silent_when_nothing_has_changed(server: Any) -> None:
    async def scene() -> None:
        phone = server.device("phone")
        change = phone.insert("a", {})
        await push(server, phone, change)
        stream = Stream(server, "laptop", last_event_id="1")
        await stream.next(comments=True)
        await push(server, phone, change, phone.insert("b", []))
        assert await stream.next(comments=True) == ": still here\n\n"
        await stream.leave()

    server.run(scene())


def test_a_listener_of_another_database_hears_nothing(server: Any) -> None:
    async def scene() -> None:
        phone = server.device("phone")
        stream = Stream(server, "laptop", path="/_api/sync/stream/other")
        await stream.next(comments=True)
        await push(server, phone, phone.insert("a", {}))
        assert (await stream.next(comments=True)).startswith(":")
        await stream.leave()

    server.run(scene())


def test_a_listener_is_told_at_once_of_what_it_may_have_missed(server: Any) -> None:
    async def scene() -> None:
        phone = server.device("phone")
        await push(server, phone, phone.insert("a", {}), phone.insert("b", {}))
        for last_event_id, first in (("", "news"), ("1", "news"), ("x", "news"), ("2", ": still here")):
            stream = Stream(server, "laptop", last_event_id=last_event_id)
            assert await stream.next(comments=True) == ": listening\n\n"
            assert first in await stream.next(comments=True)
            await stream.leave()

    server.run(scene())


def test_a_slow_listener_hears_many_rings_as_one() -> None:
    async def scene() -> None:
        bell = Doorbell()
        with bell.listening("db", "laptop") as listener:
            for seq in range(1, 1001):
                bell.ring("db", News(seq), "phone")
            assert await listener.next_news() == [News(1000)]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(listener.next_news(), 0.01)

    asyncio.run(scene())


def ring_of(part: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(part.partition("data: ")[2])
    return told


def test_a_listener_that_asks_for_pages_is_rung_with_what_a_pull_would_bring(server: Any) -> None:
    async def scene() -> None:
        phone, laptop = server.device("phone"), server.device("laptop")
        stream, plain = Stream(server, "laptop", query="&pages=true"), Stream(server, "tablet")
        await stream.next(comments=True)
        await push(server, phone, phone.insert("a", {"n": 1, "text": "a delta is shorter"}), phone.insert("b", {}))
        ring = ring_of(await stream.next())
        pulled = (await server.send("POST", "/_api/sync/delta", json=laptop.body(()))).json()
        assert (ring["seq"], ring["from"], ring["page"]["cursor"]) == (2, 0, 2)
        for name in ("server_changes", "cursor", "epoch", "has_more"):
            assert ring["page"][name] == pulled[name]
        await push(server, phone, phone.update("a", {"n": 2}, base={"phone": 1}))
        ring = ring_of(await stream.next())
        assert (ring["from"], [change["operation"] for change in ring["page"]["server_changes"]]) == (2, ["update"])
        assert ring["page"]["server_changes"][0]["delta"] == {"n": 2}
        assert ring_of(await plain.next()) == {"seq": 2}
        await stream.leave()
        await plain.leave()

    server.run(scene())


def test_long_news_and_many_pieces_of_news_come_without_a_page(server: Any) -> None:
    async def scene() -> None:
        phone = server.device("phone")
        stream = Stream(server, "laptop", query="&pages=true")
        await stream.next(comments=True)
        await push(server, phone, phone.insert("a", {"text": "x" * NEWS_BYTES_MAX}))
        assert ring_of(await stream.next()) == {"seq": 1}
        await push(server, phone, *(phone.insert(f"b{number}", {}) for number in range(NEWS_ENTRIES_MAX + 1)))
        assert ring_of(await stream.next()) == {"seq": NEWS_ENTRIES_MAX + 2}
        await stream.leave()

    server.run(scene())


def test_a_slow_listener_gets_some_pages_in_order_and_past_that_only_the_newest_sequence() -> None:
    async def scene() -> None:
        bell = Doorbell()
        with bell.listening("db", "laptop", wants_pages=True) as listener:
            assert bell.wants_pages("db")
            rings = [News(seq, seq - 1, b"{}") for seq in range(1, PAGES_WAITING_MAX + 2)]
            for news in rings[:-1]:
                bell.ring("db", news, "phone")
            assert await listener.next_news() == rings[:-1]
            for news in rings:
                bell.ring("db", news, "phone")
            assert await listener.next_news() == [News(PAGES_WAITING_MAX + 1)]
        assert not bell.wants_pages("db")

    asyncio.run(scene())


def test_streams_end_when_the_bell_is_taken_down(server: Any) -> None:
    async def scene() -> None:
        stream = Stream(server, "laptop")
        await stream.next(comments=True)
        server.app.state.context.doorbell.close()
        await asyncio.wait_for(stream.task, WAIT_SECONDS)
        late = Stream(server, "laptop")
        await asyncio.wait_for(late.task, WAIT_SECONDS)
        assert late.status == 503

    server.run(scene())


def test_there_are_only_so_many_listeners(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        monkeypatch.setattr(doorbell, "LISTENERS_MAX", 1)
        first = Stream(server, "laptop")
        await first.next(comments=True)
        second = Stream(server, "tablet")
        await asyncio.wait_for(second.task, WAIT_SECONDS)
        assert second.status == 503
        await first.leave()
        third = Stream(server, "tablet")
        assert await third.next(comments=True) == ": listening\n\n"
        await third.leave()

    server.run(scene())
