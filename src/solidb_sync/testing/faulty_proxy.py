"""A TCP proxy between real devices and a real server that drops, cuts, delays and counts what goes through.

It knows where HTTP messages end, so that "one request in ten is dropped" means requests, not packets; what is dropped or
cut takes its connection with it, as on a real network, either at once or after a silence that only the client's own
timeout ends. Chance comes from a seeded generator; each request has one fate, drawn when it has arrived whole.

A partition is silent (everything is swallowed; connections that spoke meanwhile are found dead afterwards) or refusing
(every connection is closed at once, as by a host whose server is down).
"""

from __future__ import annotations

import asyncio
import enum
import random
from contextlib import suppress
from dataclasses import dataclass, field

from solidb_sync.testing.http_framing import HEAD_BYTES_MAX, FramingError, HttpMessage, read_message

CONNECTIONS_MAX = 1_000
SILENCE_SECONDS_MAX = 120.0
CONNECT_SECONDS_MAX = 10.0
PIECE_BYTES_MAX = 64 * 1024


class Fate(enum.Enum):
    """What becomes of one request and its answer."""

    PASSES = "passes"
    REQUEST_DROPPED = "request dropped"
    ANSWER_DROPPED = "answer dropped"
    REQUEST_CUT = "request cut"
    ANSWER_CUT = "answer cut"


class Partition(enum.Enum):
    """How the network is cut, if it is."""

    NONE = "none"
    SILENT = "silent"
    REFUSING = "refusing"


@dataclass(frozen=True, slots=True)
class ProxyFaults:
    """The probability of each fate of a request, from 0 to 1 and at most 1 together; the rest passes.

    `truncate` cuts the request or, as often, the answer. `silent` is the share of lost or cut messages whose connection
    stays open without a word. `delay_seconds` holds each message back, on either way.
    """

    drop_request: float = 0
    drop_answer: float = 0
    truncate: float = 0
    silent: float = 0
    delay_seconds: float = 0


@dataclass(slots=True)
class ProxyTraffic:
    """What went through so far, heads included: `bytes_up` came from clients, `bytes_down` went to them.

    `swallowed` counts the messages, and pieces of streams, that were lost in a silent partition.
    """

    connections: int = 0
    refused: int = 0
    requests: int = 0
    answers: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    swallowed: int = 0
    fates: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))


@dataclass(frozen=True, slots=True)
class _Link:
    """The two ends of a connection. The server's end is opened when the first request is passed on."""

    client_reader: asyncio.StreamReader
    client_writer: asyncio.StreamWriter
    server_reader: asyncio.StreamReader
    server_writer: asyncio.StreamWriter


class FaultyProxy:
    """Listens on `address` as long as its `async with` block lasts, in front of `server` (`host:port`).

    `faults` may be changed at any time; they hold for requests that arrive from then on.
    """

    def __init__(self, server: str, rng: random.Random, faults: ProxyFaults = ProxyFaults()) -> None:
        host, _, port = server.rpartition(":")
        self._server_host, self._server_port = host, int(port)
        self._rng = rng
        self.faults = faults
        self.partition = Partition.NONE
        self.traffic = ProxyTraffic()
        self._listening: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._healed = asyncio.Event()

    async def __aenter__(self) -> FaultyProxy:
        self._listening = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=HEAD_BYTES_MAX)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listening is not None
        self._listening.close()
        await self._close_connections()

    @property
    def address(self) -> str:
        """Where clients find it, as `host:port`."""
        assert self._listening is not None
        return f"127.0.0.1:{self._listening.sockets[0].getsockname()[1]}"

    async def cut(self, kind: Partition) -> None:
        """Begin a partition; a refusing one breaks the open connections off."""
        self.partition = kind
        self._healed.clear()
        if kind is Partition.REFUSING:
            await self._close_connections()

    def heal(self) -> None:
        """End a partition; connections that spoke into a silent one are closed."""
        self.partition = Partition.NONE
        self._healed.set()

    async def _close_connections(self) -> None:
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)
        await asyncio.sleep(0)  # the transports' own last words

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client; whatever goes wrong on a connection ends that connection."""
        task = asyncio.current_task()
        assert task is not None
        if self.partition is Partition.REFUSING or len(self._connections) >= CONNECTIONS_MAX:
            self.traffic.refused += 1
            writer.transport.abort()
            return
        self.traffic.connections += 1
        self._connections.add(task)
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX):
                server = await asyncio.open_connection(self._server_host, self._server_port, limit=HEAD_BYTES_MAX)
            try:
                await self._carry(_Link(reader, writer, *server))
            finally:
                server[1].close()
        except (OSError, FramingError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # a task of the proxy's own: nobody waits for more than its end
        finally:
            writer.close()
            self._connections.discard(task)

    async def _carry(self, link: _Link) -> None:
        """Carry requests one after the other until one end closes or a fault ends the connection."""
        while True:
            request = await read_message(link.client_reader)
            if request is None:
                return
            self.traffic.requests += 1
            self.traffic.bytes_up += len(request.text)
            if not await self._exchange(link, request, self._fate()):
                return

    async def _exchange(self, link: _Link, request: HttpMessage, fate: Fate) -> bool:
        """Carry one request and its answer; returns whether the connection lives on."""
        if not await self._has_passed():
            return False
        if fate is Fate.REQUEST_DROPPED:
            return await self._lose(link)
        if fate is Fate.REQUEST_CUT:
            link.server_writer.write(self._part_of(request.text))
            link.server_writer.write_eof()
            return await self._lose(link)
        link.server_writer.write(request.text)
        await link.server_writer.drain()
        answer = await read_message(link.server_reader)
        if answer is None or not await self._has_passed():
            return False
        if fate is Fate.ANSWER_DROPPED:
            return await self._lose(link)
        if fate is Fate.ANSWER_CUT:
            await self._send_down(link, self._part_of(answer.text))
            return await self._lose(link)
        await self._send_down(link, answer.text)
        self.traffic.answers += 1
        if answer.has_open_end:
            await self._relay(link)
            return False
        return True

    async def _relay(self, link: _Link) -> None:
        """Pass an open-ended answer on, piece by piece, until either end closes or a partition swallows a piece."""
        closed = asyncio.ensure_future(link.client_reader.read(1))
        try:
            while not closed.done():
                piece = asyncio.ensure_future(link.server_reader.read(PIECE_BYTES_MAX))
                await asyncio.wait([piece, closed], return_when=asyncio.FIRST_COMPLETED)
                if not piece.done():
                    piece.cancel()
                    return
                if not piece.result() or not await self._has_passed():
                    return
                await self._send_down(link, piece.result())
        finally:
            closed.cancel()

    async def _send_down(self, link: _Link, text: bytes) -> None:
        self.traffic.bytes_down += len(text)
        link.client_writer.write(text)
        await link.client_writer.drain()

    async def _has_passed(self) -> bool:
        """Wait as long as a message is under way; returns False when a partition swallowed it."""
        if self.faults.delay_seconds:
            await asyncio.sleep(self.faults.delay_seconds)
        if self.partition is Partition.NONE:
            return True
        self.traffic.swallowed += 1
        await self._healed.wait()
        return False

    async def _lose(self, link: _Link) -> bool:
        """End a connection, at once or when the client has lost patience; returns that it does not live on."""
        if self._rng.random() < self.faults.silent:
            with suppress(TimeoutError):
                async with asyncio.timeout(SILENCE_SECONDS_MAX):
                    while await link.client_reader.read(PIECE_BYTES_MAX):
                        pass
        return False

    def _fate(self) -> Fate:
        chance, faults = self._rng.random(), self.faults
        fate = Fate.PASSES
        for candidate, share in (
            (Fate.REQUEST_DROPPED, faults.drop_request),
            (Fate.ANSWER_DROPPED, faults.drop_answer),
            (Fate.REQUEST_CUT, faults.truncate / 2),
            (Fate.ANSWER_CUT, faults.truncate / 2),
        ):
            if chance < share:
                fate = candidate
                break
            chance -= share
        self.traffic.fates[fate] += 1
        return fate

    def _part_of(self, text: bytes) -> bytes:
        """Return the beginning of a message, never all of it."""
        return text[: self._rng.randrange(len(text))]
