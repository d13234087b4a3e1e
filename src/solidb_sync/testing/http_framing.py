"""Where one HTTP/1.1 message ends and the next begins: as much of HTTP as a proxy needs that strikes at whole messages.

A message is its head and, where the head gives a length, its body. An answer without a length (an event stream) has an
open end: it goes on until its connection closes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

HEAD_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX = 64 * 1024 * 1024
_STATUSES_WITHOUT_BODY = (b"204", b"304")


class FramingError(Exception):
    """What came is not a message this proxy can frame."""


@dataclass(frozen=True, slots=True)
class HttpMessage:
    """The bytes of a request or an answer; of one with an open end, only the head."""

    head: bytes
    body: bytes = b""
    has_open_end: bool = False

    @property
    def text(self) -> bytes:
        """The message as it came."""
        return self.head + self.body

    @property
    def start_line(self) -> str:
        """The first line: `POST /path HTTP/1.1`, or `HTTP/1.1 200 OK`."""
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")


async def read_message(reader: asyncio.StreamReader) -> HttpMessage | None:
    """Return the next message, or None where the connection ends between two; raises `FramingError` for a broken one."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as problem:
        if problem.partial:
            raise FramingError("the connection ended inside a head") from problem
        return None
    except asyncio.LimitOverrunError as problem:
        raise FramingError(f"a head of more than {HEAD_BYTES_MAX} bytes") from problem
    length = _body_length(head)
    if length is None:
        return HttpMessage(head, has_open_end=True)
    try:
        return HttpMessage(head, await reader.readexactly(length))
    except asyncio.IncompleteReadError as problem:
        raise FramingError("the connection ended inside a body") from problem


def _body_length(head: bytes) -> int | None:
    """Return the length of the body, None where it goes on until the end of the connection."""
    start, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    for line in lines:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value) if value.strip().isdigit() else -1
            if not 0 <= length <= BODY_BYTES_MAX:
                raise FramingError(f"content-length: expected 0 to {BODY_BYTES_MAX}, found {value[:40]!r}")
            return length
    is_answer = start.startswith(b"HTTP/")
    return None if is_answer and start.split(b" ")[1:2][0] not in _STATUSES_WITHOUT_BODY else 0
