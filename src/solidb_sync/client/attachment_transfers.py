"""One attachment's bytes to the server, or from it: piece by piece, from where the other end is.

Nothing is held of an attachment but the piece on its way. What broke off, on either end, goes on at the last whole piece.
"""

from __future__ import annotations

import hashlib
from functools import partial

from solidb_sync.client.attachment_calls import AttachmentCalls
from solidb_sync.errors import ProtocolError, ServerError, StorageCorruptError
from solidb_sync.model.attachment import CHUNK_BYTES, Attachment
from solidb_sync.storage.attachment_custody import confirm, release
from solidb_sync.storage.attachments import add_chunks, begin_arrival, finish_arrival, forget, read_chunk
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.records import BlobState, StoredBlob

TOO_LARGE_STATUS = 413
STALLS_MAX = 10
"""How many pieces in a row the server may ask to be sent from a place it was at before."""


class AttachmentTransfers:
    """Moves the bytes of one store."""

    def __init__(self, store: LocalStore, calls: AttachmentCalls) -> None:
        self._store = store
        self._calls = calls

    async def send(self, blob: StoredBlob) -> None:
        """Send what the server has not, until it says that it has all of it."""
        at_server = await self._calls.ask(blob.name)
        try:
            if not at_server.is_complete:
                await self._send_from(blob, at_server.offset)
        except ServerError as problem:
            if problem.status == TOO_LARGE_STATUS:
                await self._store.commit(partial(release, digest=blob.name))
            raise
        await self._store.commit(partial(confirm, digest=blob.name))

    async def _send_from(self, blob: StoredBlob, offset: int) -> None:
        furthest, stalls = offset, 0
        while True:
            piece = self._store.view(partial(_piece_at, blob=blob, offset=offset))
            taken = await self._calls.send(blob.name, offset=offset, length=blob.length, piece=piece)
            if taken.is_complete:
                return
            offset = taken.offset
            stalls = 0 if offset > furthest else stalls + 1
            furthest = max(offset, furthest)
            if stalls > STALLS_MAX or offset > blob.length:
                raise ProtocolError(f"attachment {blob.name}: the server asks for it at {offset} of {blob.length} for ever")

    async def fetch(self, attachment: Attachment) -> None:
        """Fetch what is missing here; raises `NotFoundError` when the server has not all of it yet."""
        blob = await self._begin(attachment)
        if blob.state is BlobState.WHOLE:
            return
        whole = hashlib.sha256()
        for number in range(blob.stored):
            whole.update(self._store.view(partial(read_chunk, blob=blob, number=number)))
        for number in range(blob.stored, attachment.chunks):
            offset = number * CHUNK_BYTES
            size = min(CHUNK_BYTES, attachment.length - offset)
            piece = await self._calls.fetch(attachment.digest, offset=offset, size=size)
            whole.update(piece)
            await self._store.commit(partial(add_chunks, name=attachment.digest, first=number, pieces=[piece]))
        if whole.hexdigest() != attachment.digest:
            await self._store.commit(partial(forget, name=attachment.digest))
            await self._calls.ask(attachment.digest, check=True)  # it may be the server's disk, not the way
            raise ProtocolError(f"attachment {attachment.digest}: the bytes that came are not what the digest says")
        await self._store.commit(partial(finish_arrival, digest=attachment.digest))

    async def _begin(self, attachment: Attachment) -> StoredBlob:
        """Begin, or go on with what is here and sound."""
        chunks = self._store.mint_id()

        def work(engine: StorageEngine) -> StoredBlob:
            blob = begin_arrival(engine, attachment, chunks)
            if blob.state is BlobState.ARRIVING and not _goes_on(engine, blob, attachment):
                forget(engine, blob.name)
                blob = begin_arrival(engine, attachment, chunks)
            return blob

        return await self._store.commit(work)


def _goes_on(reader: EngineReader, blob: StoredBlob, attachment: Attachment) -> bool:
    """Return whether what is here of an attachment is a beginning of it: of its length, and its last chunk is sound."""
    if blob.length != attachment.length or blob.stored > attachment.chunks:
        return False
    try:
        return not blob.stored or bool(read_chunk(reader, blob, blob.stored - 1))
    except StorageCorruptError:
        return False


def _piece_at(reader: EngineReader, blob: StoredBlob, offset: int) -> bytes:
    if offset >= blob.length:
        return b""
    number, at = divmod(offset, CHUNK_BYTES)
    return read_chunk(reader, blob, number)[at:]
