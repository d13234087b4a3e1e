"""An attachment read piece by piece, without `await`."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from solidb_sync.blocking.facade import Facade, blocking
from solidb_sync.client import attachment_reader
from solidb_sync.model.attachment import CHUNK_BYTES, Attachment


class AttachmentReader(Facade[attachment_reader.AttachmentReader]):
    """Reads one attachment from the store; never holds more than a chunk, unless all of it is asked for at once.

    Iterating gives its pieces. Every chunk is checked when it is read: `StorageCorruptError` for one that is not what was
    written. Bytes that are evicted while they are read raise `AttachmentNotHereError`; open the attachment again.
    """

    read = blocking(attachment_reader.AttachmentReader.read)
    save_to = blocking(attachment_reader.AttachmentReader.save_to)

    @property
    def attachment(self) -> Attachment:
        """What the document says of it: name, type, length, digest."""
        return self._core.attachment

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._now(self._core.tell)

    def seek(self, position: int) -> None:
        """Let the next read begin so many bytes from the start."""
        self._now(self._core.seek, position)

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(CHUNK_BYTES):
            yield piece

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        _leave(self)


async def _let_go(core: attachment_reader.AttachmentReader) -> None:
    await core.__aexit__(None, None, None)


_leave = blocking(_let_go)
