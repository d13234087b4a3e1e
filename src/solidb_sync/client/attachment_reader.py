"""An attachment that is here, read piece by piece."""

from __future__ import annotations

import asyncio
import hashlib
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Self

from solidb_sync.errors import AttachmentNotHereError, ConfigError, StorageCorruptError
from solidb_sync.model.attachment import CHUNK_BYTES, Attachment
from solidb_sync.storage.attachments import read_chunk
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.records import BlobState, StoredBlob


class AttachmentReader:
    """Reads one attachment from the store; never holds more than a chunk, unless all of it is asked for at once.

    Every chunk is checked when it is read: `StorageCorruptError` for one that is not what was written. Bytes that are
    evicted while they are read raise `AttachmentNotHereError`; open the attachment again.
    """

    def __init__(self, store: LocalStore, attachment: Attachment, blob: StoredBlob) -> None:
        self.attachment = attachment
        self._store = store
        self._blob = blob
        self._position = 0
        self._held: tuple[int, bytes] = (-1, b"")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held = (-1, b"")

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        while piece := await self.read(CHUNK_BYTES):
            yield piece

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._position

    def seek(self, position: int) -> None:
        """Let the next read begin so many bytes from the start."""
        if isinstance(position, bool) or not isinstance(position, int) or position < 0:
            raise ConfigError(f"position: expected 0 or more, found {position!r}")
        self._position = position

    async def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes, fewer at the end; -1 returns all that is left, which is then all in memory."""
        left = max(0, self.attachment.length - self._position)
        wanted = left if size < 0 else min(size, left)
        parts = []
        while wanted:
            number, at = divmod(self._position, CHUNK_BYTES)
            part = self._chunk(number)[at : at + wanted]
            if not part:
                raise StorageCorruptError(f"attachment {self.attachment.name!r}: shorter than its document says")
            parts.append(part)
            self._position += len(part)
            wanted -= len(part)
        return b"".join(parts)

    async def save_to(self, path: str | os.PathLike[str]) -> None:
        """Write all of it to a file, which is there only when it is complete and its digest was right."""
        target = Path(path)
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        whole = hashlib.sha256()
        self.seek(0)
        try:
            with await asyncio.to_thread(open, partial, "xb") as file:
                async for piece in self:
                    whole.update(piece)
                    await asyncio.to_thread(file.write, piece)
            if whole.hexdigest() != self.attachment.digest:
                raise StorageCorruptError(f"attachment {self.attachment.name!r}: its content is not what its digest says")
            await asyncio.to_thread(os.replace, partial, target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def _chunk(self, number: int) -> bytes:
        if self._held[0] != number:
            self._held = (number, self._store.view(lambda reader: self._read(reader, number)))
        return self._held[1]

    def _read(self, reader: EngineReader, number: int) -> bytes:
        try:
            return read_chunk(reader, self._blob, number)
        except StorageCorruptError:
            now = reader.blob(self._blob.name)
            if now is None or now.state is not BlobState.WHOLE or now.chunks != self._blob.chunks:
                raise AttachmentNotHereError(
                    f"attachment {self.attachment.name!r}: it left this device while it was read; open it again"
                ) from None
            raise
