"""The event stream: rung after the commit, for everybody but the author, and over when it should be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from solidb_sync.server.live import doorbell
from solidb_sync.server.live.doorbell import Doorbell

WAIT_SECONDS = 5.0


class Stream:
    """An open event stream of an application."""

    def __init__(self, server: Any, client_id: str, *, last_event_id: str = "", path: str = "/_api/sync/stream/db") -> None:
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
            "query_string": f"client_id={client_id}".encode(),
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
                bell.ring("db", seq, "phone")
            assert await listener.next_news() == 1000
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(listener.next_news(), 0.01)

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
