"""An HTTP/1.1 answer that goes on for hours, read as it comes: bytes in, status and complete lines out. No I/O.

This is all that a stream of events needs of HTTP, and it costs a tenth of what a general reader does for each piece: a
device hears thousands of them, and a process may hold hundreds of devices.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from solidb_sync.errors import ConnectionError

HEAD_BYTES_MAX = 64 * 1024
LINE_BYTES_MAX = 64 * 1024
CHUNK_HEAD_BYTES_MAX = 1024
"""How long the line before a chunk may be: its size, and maybe extensions, which are passed over."""

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: |\r\n)")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\Z")


class _Body(Enum):
    CHUNKED = auto()
    MEASURED = auto()
    UNTIL_CLOSED = auto()


class StreamedAnswer:
    """One answer. Feed it what arrives; it raises `ConnectionError` for what is no such answer."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.is_complete = False
        """True when the body has come to an end that the answer itself announced."""
        self._arrived = b""
        """What can't be read yet: a part of the head, or of the line before a chunk."""
        self._body = _Body.UNTIL_CLOSED
        self._left = 0
        """Bytes of the measured body, or of the chunk, that have not come yet; those of a chunk with the two that end it."""
        self._line = b""
        """The beginning of a line whose end has not come yet."""

    @property
    def has_endless_line(self) -> bool:
        """True when a line has become longer than any may be; those before it are good."""
        return len(self._line) > LINE_BYTES_MAX

    def feed(self, arrived: bytes) -> list[bytes]:
        """Take what arrived and return the lines that are complete now, without their ends."""
        if self._arrived:
            arrived = self._arrived + arrived
            self._arrived = b""
        if self.status is None:
            arrived = self._read_head(arrived)
            if self.status is None:
                return []
        return self._lines(self._content(arrived))

    def close(self) -> None:
        """Take note that no more will come; raises when the answer is not at its end."""
        if self.status is None:
            raise ConnectionError("the server closed the connection before it answered")
        if not self.is_complete and self._body is not _Body.UNTIL_CLOSED:
            raise ConnectionError("the server closed the connection in the middle of its answer")

    def _read_head(self, arrived: bytes) -> bytes:
        """Read the head when all of it is there, and return what follows it; an interim answer is passed over."""
        while True:
            head, end, rest = arrived.partition(b"\r\n\r\n")
            if len(head) > HEAD_BYTES_MAX:
                raise ConnectionError(f"the head of the answer is longer than {HEAD_BYTES_MAX} bytes")
            if not end:
                self._arrived = arrived
                return b""
            status = _STATUS.match(head + b"\r\n")
            if status is None:
                raise ConnectionError("the answer does not begin as one of HTTP/1.1 does")
            if int(status[1]) >= 200:
                self._choose_body(head)
                self.status = int(status[1])
                return rest
            arrived = rest

    def _choose_body(self, head: bytes) -> None:
        found: dict[bytes, bytes] = {}
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            found[name.lower()] = value.strip()
        coding = found.get(b"transfer-encoding")
        length = found.get(b"content-length")
        if coding is not None:
            if coding.lower() != b"chunked":
                raise ConnectionError(f"transfer-encoding: expected chunked, found {coding[:40]!r}")
            self._body = _Body.CHUNKED
        elif length is not None:
            if not (length.isdigit() and len(length) <= 15):
                raise ConnectionError(f"content-length: expected a number, found {length[:40]!r}")
            self._body, self._left = _Body.MEASURED, int(length)
            self.is_complete = self._left == 0

    def _content(self, arrived: bytes) -> bytes:
        """Return the part of what arrived that is body."""
        match self._body:
            case _Body.UNTIL_CLOSED:
                return arrived
            case _Body.MEASURED:
                content = arrived[: self._left]
                self._left -= len(content)
                self.is_complete = self._left == 0
                return content
            case _Body.CHUNKED:
                return self._chunks(arrived)

    def _chunks(self, arrived: bytes) -> bytes:
        parts = []
        at = 0
        while at < len(arrived) and not self.is_complete:
            if self._left:
                end = min(at + self._left, len(arrived))
                # the last two bytes of what is left end the chunk and are not of the body
                parts.append(arrived[at : max(at, min(end, at + self._left - 2))])
                self._left -= end - at
                at = end
                continue
            end = arrived.find(b"\r\n", at, at + CHUNK_HEAD_BYTES_MAX)
            if end < 0:
                if len(arrived) - at >= CHUNK_HEAD_BYTES_MAX:
                    raise ConnectionError(f"the line before a chunk is longer than {CHUNK_HEAD_BYTES_MAX} bytes")
                self._arrived = arrived[at:]
                break
            self._begin_chunk(arrived[at:end])
            at = end + 2
        return b"".join(parts)

    def _begin_chunk(self, line: bytes) -> None:
        size = _CHUNK_SIZE.match(line)
        if size is None:
            raise ConnectionError(f"expected the size of a chunk, found {line[:40]!r}")
        self._left = int(size[1], 16)
        if self._left:
            self._left += 2
        else:
            self.is_complete = True  # trailers say nothing here

    def _lines(self, content: bytes) -> list[bytes]:
        if not content:
            return []
        *lines, self._line = (self._line + content).split(b"\n")
        return lines
