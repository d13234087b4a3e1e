"""The answer that goes on for hours: the same lines however the bytes are cut, and an error for what is no such answer."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solidb_sync import HttpClient
from solidb_sync.client.transport.line_stream import LINES_WAITING_MAX
from solidb_sync.client.transport.streamed_answer import CHUNK_HEAD_BYTES_MAX, HEAD_BYTES_MAX, StreamedAnswer
from solidb_sync.errors import ConnectionError

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunked(parts: list[bytes]) -> bytes:
    """Return parts as chunks, with the one that ends them."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part) + b"0\r\n\r\n"


def measured(body: bytes) -> bytes:
    """Return an answer that says how long it is."""
    return b"HTTP/1.0 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def fed(answer: bytes, cuts: list[int]) -> tuple[StreamedAnswer, list[bytes]]:
    """Feed an answer in pieces and return it with its lines."""
    streamed = StreamedAnswer()
    places = sorted({0, len(answer), *(cut % (len(answer) + 1) for cut in cuts)})
    lines = []
    for start, end in itertools.pairwise(places):
        lines += streamed.feed(answer[start:end])
    return streamed, lines


BODIES = st.lists(st.binary(max_size=40).map(lambda text: text.replace(b"\0", b"\n")), max_size=6)


@given(parts=BODIES, cuts=st.lists(st.integers(0, 400), max_size=12), interim=st.booleans())
def test_the_lines_of_a_body_are_the_same_however_it_is_framed_and_cut(
    parts: list[bytes], cuts: list[int], interim: bool
) -> None:
    body = b"".join(parts)
    wanted = body.split(b"\n")[:-1]
    before = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" if interim else b""
    for answer, ends in (
        (CHUNKED + chunked(parts), True),
        (measured(body), True),
        (b"HTTP/1.1 200 OK\r\n\r\n" + body, False),
    ):
        streamed, lines = fed(before + answer, cuts)
        assert (streamed.status, streamed.is_complete, lines) == (200, ends, wanted)
        streamed.close()


@given(cut=st.integers(0, 10_000))
def test_an_answer_that_is_cut_off_is_an_error_and_not_an_end(cut: int) -> None:
    answer = CHUNKED + chunked([b"data: 1\n\n", b"data: 2\n\n"])
    streamed, _ = fed(answer[: cut % (len(answer) - len(b"\r\n"))], [])
    if not streamed.is_complete:
        with pytest.raises(ConnectionError, match="the server closed the connection"):
            streamed.close()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/2 200\r\n\r\n", "does not begin as one of HTTP/1.1"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "does not begin as one of HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n", "transfer-encoding: expected chunked"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -3\r\n\r\n", "content-length: expected a number"),
        (CHUNKED + b"xyz\r\n", "expected the size of a chunk, found b'xyz'"),
        (CHUNKED + b"-1\r\n", "expected the size of a chunk"),
        (CHUNKED + b"1" * CHUNK_HEAD_BYTES_MAX, "the line before a chunk is longer"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * HEAD_BYTES_MAX, "the head of the answer is longer"),
    ],
)
def test_what_is_no_such_answer_is_an_error_that_says_why(answer: bytes, said: str) -> None:
    with pytest.raises(ConnectionError, match=said):
        fed(answer, [])


def test_a_reader_that_is_slower_than_the_server_gets_every_line_and_holds_few() -> None:
    """Past a bound the connection is read no further until the lines that wait are read."""
    count = 50 * LINES_WAITING_MAX

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for number in range(count):
            writer.write(b"%d\n" % number)
            await writer.drain()
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        client = HttpClient(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
        expected = 0
        async for line in client.listen("/x", {}):
            assert line == str(expected)
            expected += 1
            if expected % 1_000 == 0:
                await asyncio.sleep(0)
        assert expected == count
        await client.close()
        server.close()
        await server.wait_closed()

    asyncio.run(scenario())
