"""A connection that asks one question and then listens for hours: the lines of the answer as they come.

The lines are read where the bytes arrive, without a task, a timeout and a reader between; only whoever waits for a line is
woken. Silence is measured by one timer for each stream, which is set anew when it fires and not by every line.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Self, cast
from urllib.parse import SplitResult, quote

from solidb_sync.client.transport.streamed_answer import LINE_BYTES_MAX, StreamedAnswer
from solidb_sync.errors import ConnectionError

LINES_WAITING_MAX = 1_024
"""How many lines wait for a slow reader before the connection is read no further; then the server has to wait."""


class LineStream(asyncio.Protocol):
    """The lines of one answer, an async iterator; `close` ends it. Breaks with `ConnectionError`."""

    def __init__(self, request: bytes, silence_seconds_max: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._request = request
        self._silence_seconds_max = silence_seconds_max
        self._heard = self._loop.time()
        self._answer = StreamedAnswer()
        self._waiting: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._is_paused = False
        self._is_over = False
        self._problem: Exception | None = None

    async def status(self) -> int:
        """Wait for the head of the answer and return its status."""
        while self._answer.status is None and not self._is_over:
            await self._something_new()
        if self._answer.status is None:
            raise self._problem or ConnectionError("the connection was closed")
        return self._answer.status

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        while not self._waiting:
            if self._problem is not None:
                raise self._problem
            if self._is_over:
                raise StopAsyncIteration
            await self._something_new()
        line = self._waiting.popleft()
        if self._is_paused and not self._waiting and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
        return line.rstrip(b"\r").decode("utf-8", "replace")

    async def _something_new(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop it lives on."""
        return self._loop

    def close(self) -> None:
        """End the connection at once; harmless to repeat."""
        self._end(None)

    # called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast(asyncio.Transport, transport)
        if self._is_over:
            self._transport.abort()
            return
        self._transport.write(self._request)
        self._heard = self._loop.time()
        self._watch = self._loop.call_later(self._silence_seconds_max, self._look)

    def data_received(self, data: bytes) -> None:
        """Take the lines that are complete."""
        if self._is_over:
            return
        self._heard = self._loop.time()
        try:
            self._waiting.extend(self._answer.feed(data))
        except ConnectionError as problem:
            self._end(problem)
            return
        if self._answer.has_endless_line:
            self._end(ConnectionError(f"a line of the stream is longer than {LINE_BYTES_MAX} bytes"))
        elif self._answer.is_complete:
            self._end(None)
        elif len(self._waiting) > LINES_WAITING_MAX and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """End, with an error unless the answer was at its end."""
        if self._is_over:
            return
        try:
            if exc is not None:
                raise ConnectionError(f"{type(exc).__name__}: {exc}")
            self._answer.close()
        except ConnectionError as problem:
            self._end(problem)
        else:
            self._end(None)

    def _look(self) -> None:
        """End when nothing was heard for too long; a reader that is slow is no silence of the server."""
        silent = 0.0 if self._is_paused else self._loop.time() - self._heard
        if silent >= self._silence_seconds_max:
            self._end(ConnectionError(f"nothing was heard for {self._silence_seconds_max:g} seconds"))
        else:
            self._watch = self._loop.call_later(self._silence_seconds_max - silent, self._look)

    def _end(self, problem: Exception | None) -> None:
        if self._is_over:
            return
        self._is_over, self._problem = True, problem
        if self._watch is not None:
            self._watch.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def open_line_stream(
    base: SplitResult,
    target: str,
    headers: Mapping[str, str],
    *,
    context: ssl.SSLContext | None,
    silence_seconds_max: float,
) -> LineStream:
    """Connect and ask for `target`; raises `ConnectionError` when there is nobody, or not who it should be."""
    request = _request(base, target, headers)
    loop = asyncio.get_running_loop()
    host = base.hostname or ""
    try:
        _, stream = await loop.create_connection(
            lambda: LineStream(request, silence_seconds_max),
            host,
            base.port or 0,  # the base URL always has one
            ssl=context,
            server_hostname=host if context is not None else None,
        )
    except OSError as problem:
        raise ConnectionError(f"{base.geturl()}: {type(problem).__name__}: {problem}") from problem
    return stream


def _request(base: SplitResult, target: str, headers: Mapping[str, str]) -> bytes:
    """Return the question; the headers are credentials, of which it is known that they are plain ASCII."""
    path = quote(base.path, safe="/%:@!$&'()*+,;=~") + target
    lines = [f"GET {path} HTTP/1.1", f"host: {base.netloc}", "accept: text/event-stream"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("ascii", "replace")
