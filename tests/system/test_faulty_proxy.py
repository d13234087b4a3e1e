"""The proxy by itself, over real sockets: what reaches the server, what the client gets, and what is counted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from solidb_sync.testing.faulty_proxy import Fate, FaultyProxy, Partition, ProxyFaults
from solidb_sync.testing.http_framing import FramingError, HttpMessage, read_message

pytestmark = pytest.mark.anyio

BODY = b"x" * 1_000
REQUEST = b"POST /echo HTTP/1.1\r\ncontent-length: 1000\r\n\r\n" + BODY
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + BODY


class EchoServer:
    """Remembers the whole requests that arrived, and how many connections broke inside one; answers with the body."""

    def __init__(self) -> None:
        self.arrived: list[HttpMessage] = []
        self.broken = 0
        self.last_seen = asyncio.Event()
        self.next_piece = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await read_message(reader):
                self.arrived.append(request)
                if request.start_line.startswith("GET /stream"):
                    await self._stream(writer)
                    return
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(request.body) + request.body)
        except FramingError:
            self.broken += 1
        finally:
            self.last_seen.set()
            writer.close()

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n")
        await self.next_piece.wait()
        writer.write(b"data: 2\n\n")


@dataclass
class Client:
    """One connection to the proxy."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, request: bytes = REQUEST) -> bytes:
        """Send a request and return its answer, or as much of it as comes before the connection ends."""
        self.writer.write(request)
        try:
            return await self.reader.readexactly(len(ANSWER))
        except asyncio.IncompleteReadError as problem:
            return problem.partial


class Surroundings:
    """A server, the proxy in front of it, and connections to that."""

    def __init__(self, server: EchoServer, proxy: FaultyProxy) -> None:
        self.server = server
        self.proxy = proxy
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> Client:
        host, _, port = self.proxy.address.rpartition(":")
        client = Client(*await asyncio.open_connection(host, int(port)))
        self._writers.append(client.writer)
        return client

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def surroundings(faults: ProxyFaults = ProxyFaults(), seed: int = 0) -> AsyncIterator[Surroundings]:
    server = EchoServer()
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        address = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with asyncio.timeout(30), FaultyProxy(address, random.Random(seed), faults) as proxy:
            around = Surroundings(server, proxy)
            try:
                yield around
            finally:
                around.close()


async def test_without_faults_a_connection_carries_requests_one_after_the_other_and_all_is_counted() -> None:
    """Bytes are those of heads and bodies together."""
    async with surroundings() as around:
        client = await around.connect()
        assert [await client.ask() for _ in range(3)] == [ANSWER] * 3
        traffic = around.proxy.traffic
        assert (traffic.connections, traffic.requests, traffic.answers) == (1, 3, 3)
        assert (traffic.bytes_up, traffic.bytes_down) == (3 * len(REQUEST), 3 * len(ANSWER))


async def test_a_dropped_request_never_reaches_the_server_and_its_connection_ends() -> None:
    async with surroundings(ProxyFaults(drop_request=1)) as around:
        assert await (await around.connect()).ask() == b""
        assert around.server.arrived == []
        assert around.proxy.traffic.fates[Fate.REQUEST_DROPPED] == 1


async def test_a_dropped_answer_is_to_a_request_that_the_server_has_handled() -> None:
    async with surroundings(ProxyFaults(drop_answer=1)) as around:
        assert await (await around.connect()).ask() == b""
        assert [request.body for request in around.server.arrived] == [BODY]
        assert around.proxy.traffic.bytes_down == 0


async def test_truncation_cuts_a_request_or_its_answer_short() -> None:
    """A cut request is never whole at the server; a cut answer is a beginning of the real one, shorter than it."""
    async with surroundings(ProxyFaults(truncate=1)) as around:
        answers = [await (await around.connect()).ask() for _ in range(20)]
        fates = around.proxy.traffic.fates
        assert fates[Fate.REQUEST_CUT] + fates[Fate.ANSWER_CUT] == 20
        assert min(fates[Fate.REQUEST_CUT], fates[Fate.ANSWER_CUT]) > 0
        assert len(around.server.arrived) == fates[Fate.ANSWER_CUT]
        assert all(ANSWER.startswith(answer) and len(answer) < len(ANSWER) for answer in answers)
        assert any(answers)
        await around.server.last_seen.wait()
        assert around.server.broken > 0


async def test_a_silent_fault_keeps_the_connection_until_the_client_gives_up() -> None:
    async with surroundings(ProxyFaults(drop_request=1, silent=1)) as around:
        client = await around.connect()
        asking = asyncio.ensure_future(client.ask())
        other = await around.connect()
        around.proxy.faults = ProxyFaults()
        while around.proxy.traffic.fates[Fate.REQUEST_DROPPED] == 0:
            await asyncio.sleep(0)
        assert await other.ask() == ANSWER
        assert not asking.done()
        client.writer.write_eof()
        assert await asking == b""


async def test_the_same_seed_gives_the_same_fates() -> None:
    """And about the share that was asked for."""

    async def fates(seed: int) -> dict[Fate, int]:
        faults = ProxyFaults(drop_request=0.1, drop_answer=0.1, truncate=0.1)
        async with surroundings(faults, seed) as around:
            for _ in range(200):
                await (await around.connect()).ask()
            return around.proxy.traffic.fates

    first, again, other = await fates(1), await fates(1), await fates(2)
    assert first == again != other
    assert 10 <= first[Fate.REQUEST_DROPPED] <= 30
    assert 10 <= first[Fate.ANSWER_DROPPED] <= 30


async def test_a_silent_partition_swallows_everything_and_leaves_dead_connections_behind() -> None:
    """A connection that was idle all the time lives on."""
    async with surroundings() as around:
        client, idle = await around.connect(), await around.connect()
        assert (await client.ask(), await idle.ask()) == (ANSWER, ANSWER)
        await around.proxy.cut(Partition.SILENT)
        asking = asyncio.ensure_future(client.ask())
        late = asyncio.ensure_future((await around.connect()).ask())
        while around.proxy.traffic.swallowed < 2:
            await asyncio.sleep(0)
        assert not asking.done()
        assert not late.done()
        around.proxy.heal()
        assert (await asking, await late) == (b"", b"")
        assert len(around.server.arrived) == 2
        assert await idle.ask() == ANSWER


async def test_a_refusing_partition_breaks_connections_off_and_takes_no_new_ones() -> None:
    async with surroundings() as around:
        client = await around.connect()
        assert await client.ask() == ANSWER
        await around.proxy.cut(Partition.REFUSING)
        assert await client.reader.read() == b""
        refused = await around.connect()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await refused.reader.readexactly(1)
        around.proxy.heal()
        assert await (await around.connect()).ask() == ANSWER


async def test_an_event_stream_is_passed_on_piece_by_piece_until_a_partition_swallows_one() -> None:
    async with surroundings() as around:
        client = await around.connect()
        client.writer.write(b"GET /stream HTTP/1.1\r\n\r\n")
        assert (await client.reader.readuntil(b"data: 1\n\n")).startswith(b"HTTP/1.1 200 OK")
        await around.proxy.cut(Partition.SILENT)
        around.server.next_piece.set()
        while around.proxy.traffic.swallowed < 1:
            await asyncio.sleep(0)
        around.proxy.heal()
        assert await client.reader.read() == b""


async def test_delay_holds_back_both_ways() -> None:
    """On the loop's clock: at least twice the delay, from asking to the answer."""
    async with surroundings(ProxyFaults(delay_seconds=0.02)) as around:
        client = await around.connect()
        clock: Callable[[], float] = asyncio.get_running_loop().time
        begun = clock()
        assert await client.ask() == ANSWER
        assert clock() - begun >= 0.04


async def test_a_message_that_cannot_be_framed_ends_its_connection_only() -> None:
    async with surroundings() as around:
        bad, good = await around.connect(), await around.connect()
        assert await bad.ask(b"POST / HTTP/1.1\r\ncontent-length: many\r\n\r\n") == b""
        assert await good.ask() == ANSWER
