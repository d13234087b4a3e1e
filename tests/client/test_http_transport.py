"""The way to the server over real sockets: what is sent together, what breaks and how it is told, and TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from solidb_sync import HttpClient
from solidb_sync.client.transport import http_transport, line_stream, streamed_answer
from solidb_sync.errors import ConnectionError
from solidb_sync.protocol.compression import packed

CERTIFICATES = Path(__file__).with_name("certificates")
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX-Name: \xe9\r\n\r\nok"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve each connection with `serve`, and give the port; ends when all of them have."""
    served: list[asyncio.Task[None]] = []

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        served.append(task)
        await serve(reader, writer)

    server = await asyncio.start_server(begin, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.wait_for(asyncio.gather(*served), 10)


async def one_exchange(serve: Serve, *, timeout_ms: int = 5_000, body: bytes = b"{}") -> str:
    """Return the body of an answer, or the error that stands in its place."""
    async with serving(serve) as port:
        client = HttpClient(f"127.0.0.1:{port}", timeout_ms)
        try:
            return (await client.exchange("POST", "/x", body=body)).body.decode()
        except ConnectionError as problem:
            return str(problem)
        finally:
            await client.close()


def test_head_and_body_of_a_small_request_arrive_together() -> None:
    arrived: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(await reader.read(65_536))
        writer.write(OK)
        writer.close()

    assert asyncio.run(one_exchange(serve, body=b'{"a":1}')) == "ok"
    assert arrived[0].startswith(b"POST /x HTTP/1.1\r\n")
    assert arrived[0].endswith(b'\r\n\r\n{"a":1}')


def test_a_large_body_arrives_whole() -> None:
    body = bytes(range(256)) * 20_000
    arrived: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.append(await reader.readexactly(len(body)))
        writer.write(OK)
        writer.close()

    assert asyncio.run(one_exchange(serve, body=body)) == "ok"
    assert arrived == [body]


def test_a_connection_is_used_again_and_one_that_was_closed_meanwhile_is_not() -> None:
    connections = 0

    async def scenario() -> None:
        closing = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            for _ in range(2 if connections == 1 else 1):
                await reader.readuntil(b"{}")
                writer.write(OK)
            writer.close()
            await writer.wait_closed()
            closing.set()

        async with serving(serve) as port:
            client = HttpClient(f"127.0.0.1:{port}")
            for _ in range(2):
                await client.exchange("POST", "/x", body=b"{}")
            await closing.wait()
            assert (await client.exchange("POST", "/x", body=b"{}")).headers["x-name"] == "é"
            await client.close()

    asyncio.run(scenario())
    assert connections == 2


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-le", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", b"?"]
)
def test_an_answer_that_breaks_off_is_a_connection_error(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(answer)
        writer.close()

    told = asyncio.run(one_exchange(serve))
    assert told.startswith("http://127.0.0.1:")
    assert "RemoteProtocolError" in told


def test_silence_and_a_closed_door_are_connection_errors() -> None:
    async def be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the client gives up
        writer.close()

    assert "ReadTimeout" in asyncio.run(one_exchange(be_silent, timeout_ms=50))

    async def knock() -> str:
        async with serving(be_silent) as port:
            pass
        with pytest.raises(ConnectionError) as raised:
            await HttpClient(f"127.0.0.1:{port}").exchange("GET", "/x")
        return str(raised.value)

    assert "ConnectError" in asyncio.run(knock())


def test_a_refusal_that_comes_before_the_body_is_sent_is_heard() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig")
        await reader.read()
        writer.close()

    assert asyncio.run(one_exchange(serve, body=b"x" * 300_000)) == "big"


def test_the_lines_of_a_stream_come_as_they_end_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed_answer, "LINE_BYTES_MAX", 100)
    monkeypatch.setattr(line_stream, "LINE_BYTES_MAX", 100)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nevent: a\r\nda")
        await writer.drain()
        writer.write(b"ta: \xc3\xa9\n\n" + b"x" * 101)
        writer.close()

    async def scenario() -> list[str]:
        lines = []
        async with serving(serve) as port:
            client = HttpClient(f"127.0.0.1:{port}")
            try:
                async for line in client.listen("/x", {"client_id": "a b"}):
                    lines.append(line)
            except ConnectionError as problem:
                lines.append(str(problem))
            await client.close()
        return lines

    assert asyncio.run(scenario()) == ["event: a", "data: é", "", "a line of the stream is longer than 100 bytes"]


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"])
def test_a_stream_whose_first_line_does_not_come_in_time_is_a_connection_error(head: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        await reader.read()  # until the client gives up
        writer.close()

    async def scenario() -> str:
        async with serving(serve) as port:
            client = HttpClient(f"127.0.0.1:{port}", 50)
            with pytest.raises(ConnectionError) as raised:
                await anext(client.listen("/x", {}))
            await client.close()
        return str(raised.value)

    assert "no line of the stream within 50 ms" in asyncio.run(scenario())


def test_a_stream_may_be_silent_for_longer_than_a_request_may_take() -> None:
    """The time to answer in bounds the first line only."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n: listening\n")
        await asyncio.sleep(0.2)
        writer.write(b"data: 1\n")
        writer.close()

    async def scenario() -> list[str]:
        async with serving(serve) as port:
            client = HttpClient(f"127.0.0.1:{port}", 100)
            lines = [line async for line in client.listen("/x", {})]
            await client.close()
        return lines

    assert asyncio.run(scenario()) == [": listening", "data: 1"]


def test_an_encrypted_connection_needs_a_certificate_that_is_trusted() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(OK)
        writer.close()

    async def scenario() -> tuple[str, str]:
        server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server_context.load_cert_chain(CERTIFICATES / "certificate.pem", CERTIFICATES / "key.pem")
        async with serving(serve, server_context) as port:
            trusting = ssl.create_default_context(cafile=CERTIFICATES / "certificate.pem")
            client = HttpClient(f"https://localhost:{port}", ssl_context=trusting)
            answer = await client.exchange("POST", "/x", body=b"{}")
            await client.close()
            with pytest.raises(ConnectionError) as raised:
                await HttpClient(f"https://localhost:{port}").exchange("POST", "/x", body=b"{}")
        return answer.body.decode(), str(raised.value)

    body, told = asyncio.run(scenario())
    assert body == "ok"
    assert "certificate" in told


def packed_answer(body: bytes, encoding: bytes = b"gzip") -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-encoding: %s\r\ncontent-length: %d\r\n\r\n%s" % (encoding, len(body), body)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (packed_answer(packed(b"hello")), "hello"),
        (packed_answer(packed(b"hello")[:-3]), "can't be unpacked: it ends before it is complete"),
        (packed_answer(b"hello"), "can't be unpacked: it is not gzip"),
        (packed_answer(b"hello", b"br"), "content-encoding 'br', which was not asked for"),
        (packed_answer(packed(b"0" * 20_000_001)), "can't be unpacked: it unpacks to more than 1000000 bytes"),
    ],
)
def test_a_packed_answer_is_unpacked_within_the_bound(answer: bytes, outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_transport, "ANSWER_BYTES_MAX", 1_000_000)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(answer)
        writer.close()

    assert outcome in asyncio.run(one_exchange(serve))


def test_a_body_worth_it_is_packed_until_somebody_says_that_he_takes_none() -> None:
    arrived: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in (b"HTTP/1.1 415 No\r\ncontent-length: 0\r\n\r\n", OK):
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            arrived.append((b"gzip " if b"content-encoding: gzip" in head else b"") + await reader.readexactly(size))
            writer.write(answer)
        writer.close()

    body = b"x" * 2000
    assert asyncio.run(one_exchange(serve, body=body)) == "ok"
    assert arrived == [b"gzip " + packed(body), body]
