"""Where the bytes of an attachment come from: a path, a file, bytes, or an async iterator; read piece by piece."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from typing import Protocol

from solidb_sync.errors import ConfigError
from solidb_sync.model.attachment import CHUNK_BYTES


class ReadableFile(Protocol):
    """A file open for reading bytes."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""


Source = str | os.PathLike[str] | bytes | bytearray | memoryview | ReadableFile | AsyncIterable[bytes]


async def pieces_of(file: Source) -> AsyncGenerator[bytes, None]:
    """Yield the content in pieces of `CHUNK_BYTES`, the last one shorter; a blocking file is read on another thread."""
    held = bytearray()
    async with aclosing(_parts(file)) as parts:
        async for part in parts:
            held += part
            while len(held) >= CHUNK_BYTES:
                yield bytes(held[:CHUNK_BYTES])
                del held[:CHUNK_BYTES]
    if held:
        yield bytes(held)


async def _parts(file: Source) -> AsyncGenerator[bytes, None]:
    if isinstance(file, (bytes, bytearray, memoryview)):
        view = memoryview(file).cast("B")
        for at in range(0, len(view), CHUNK_BYTES):
            yield bytes(view[at : at + CHUNK_BYTES])
    elif isinstance(file, (str, os.PathLike)):
        with await asyncio.to_thread(open, file, "rb") as opened:
            while part := await asyncio.to_thread(opened.read, CHUNK_BYTES):
                yield part
    elif isinstance(file, AsyncIterable):
        async for part in file:
            yield _checked(part)
    elif hasattr(file, "read"):
        while part := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield _checked(part)
    else:
        raise ConfigError(f"file: expected a path, bytes, a file or an async iterator, found {type(file).__name__}")


def _checked(part: object) -> bytes:
    if isinstance(part, (bytes, bytearray, memoryview)):
        return bytes(part)
    raise ConfigError(f"file: expected it to give bytes, found {type(part).__name__}; open it with mode 'rb'")
