"""What a push costs when many devices with filters listen: 10,000 of them, each with another filter, against one.

The whole server application runs in this process, over real files; the listeners are registered and on the bell.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec

from benchmarks.report import Figure
from solidb_sync.clock import SystemClock
from solidb_sync.protocol import endpoints
from solidb_sync.server.application import build_app
from solidb_sync.server.config import ServerConfig
from solidb_sync.server.live.doorbell import LISTENERS_MAX, Doorbell
from solidb_sync.server.storage.sqlite.server_backend import open_sqlite_backend
from solidb_sync.testing.faulty_network import Answer, Request, asgi_send

Send = Callable[[Request], Awaitable[Answer]]

PUSHES = 200
FACTOR_MAX = 2.0
ADMIN_KEY = "administrator-" + "k" * 32
HEADERS = (("x-api-key", ADMIN_KEY),)
FILTERS = ("owner == @me", "owner IN [@me, 'nobody']", "number >= @from AND number < @to")


def settings_of(number: int) -> dict[str, object]:
    """Return the filter of one of many devices: no two are the same, and few match one document."""
    query = FILTERS[number % len(FILTERS)]
    binds = {"from": number * 10, "to": number * 10 + 10} if "@from" in query else {"me": f"owner-{number}"}
    return {"filters": {"notes": {"query": query, "bind_vars": binds}}}


async def push_ms(listeners: int, directory: Path) -> float:
    """Return the median milliseconds of a push of one document while so many filtered devices listen."""
    clock = SystemClock()
    backend = open_sqlite_backend(directory, clock=clock, random_bytes=os.urandom)
    app = build_app(ServerConfig(directory, admin_key=ADMIN_KEY), backend, clock)
    send = asgi_send(app)
    with ExitStack() as stack:
        await _register(send, app.state.context.doorbell, listeners, stack)
        times = []
        for body in _pushes():
            begun = time.perf_counter()
            answer = await send(Request("POST", endpoints.path_for(endpoints.PUSH, "db"), "", HEADERS, body))
            times.append((time.perf_counter() - begun) * 1000)
            assert answer.status == 200, answer.body
    backend.close()
    return statistics.median(times)


async def _register(send: Send, doorbell: Doorbell, count: int, stack: ExitStack) -> None:
    path = endpoints.path_for(endpoints.CLIENTS, "db")
    for number in range(count):
        name = f"device-{number}"
        stack.enter_context(doorbell.listening("db", name))
        body = msgspec.json.encode({"client_id": name, "settings": settings_of(number)})
        answer = await send(Request("POST", path, "", HEADERS, body))
        assert answer.status == 200, answer.body


def _pushes() -> Iterator[bytes]:
    for number in range(PUSHES):
        document = {"owner": f"owner-{number}", "number": number, "text": "hello"}
        change = {"collection": "notes", "key": f"note-{number}", "operation": "insert", "document": document}
        yield msgspec.json.encode({"client_id": "writer", "changes": [change]})


def measure() -> list[Figure]:
    """Measure a push with one listener and with as many as the bell takes."""
    with tempfile.TemporaryDirectory() as directory:
        one = asyncio.run(push_ms(1, Path(directory) / "one"))
        many = asyncio.run(push_ms(LISTENERS_MAX, Path(directory) / "many"))
    what = f"push, {LISTENERS_MAX:,} filters over 1 ({many:.2f}, {one:.2f} ms)"
    return [Figure(what, many / one, "times", most=FACTOR_MAX)]
