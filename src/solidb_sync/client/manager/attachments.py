"""Attachments: files beside documents. See docs/attachments.md."""

from __future__ import annotations

from dataclasses import dataclass

from solidb_sync.client.attachment_lane import AttachmentSync
from solidb_sync.client.attachment_reader import AttachmentReader
from solidb_sync.client.attachment_source import Source
from solidb_sync.client.manager.parts import ManagerParts
from solidb_sync.errors import AttachmentNotFoundError, AttachmentNotHereError, ConnectionError, NotFoundError
from solidb_sync.model.attachment import CONTENT_TYPE_DEFAULT, LENGTH_MAX, Attachment
from solidb_sync.storage.attachments import AttachmentUsage, attached, evict_oldest, usage
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.records import BlobState, StoredBlob


@dataclass(frozen=True, slots=True)
class AttachmentStatus:
    """An attachment of a document, and where its bytes are.

    `is_here`: all of them are on this device. `is_on_server`: the server has said that it has them.
    """

    attachment: Attachment
    is_here: bool
    is_on_server: bool


class AttachmentMethods(ManagerParts):
    """Files beside documents; putting and reading what is here touches no network."""

    async def put_attachment(
        self, col: str, key: str, name: str, file: Source, *, content_type: str = CONTENT_TYPE_DEFAULT
    ) -> Attachment:
        """Attach a file to a document under a name, in the place of any before; durable when it returns, sent later.

        `file` is a path, bytes, a file open for reading bytes, or an async iterator of bytes. It is read piece by piece, and
        equal content is kept once. Attaching is an edit of the document: nothing is to be seen of it before it is complete.
        Raises `AttachmentNotFoundError` when there is no such document.
        """
        attachment = await self._attachments.put((col, key), name, file, content_type)
        self._something_was_saved()
        self._lane.wake()
        return attachment

    async def open_attachment(self, col: str, key: str, name: str) -> AttachmentReader:
        """Return a reader of an attachment, for `async with`.

        Bytes that are not on this device are fetched first. Raises `AttachmentNotFoundError` when the document has none of
        this name, and `AttachmentNotHereError` when its bytes are not here and can't be fetched now.
        """
        attachment = self._attachment(col, key, name)
        blob = self._view(lambda reader: whole_blob(reader, attachment))
        if blob is None:
            await self._fetch(attachment, f"{col}/{key}: the bytes of {name!r} have not arrived yet")
            blob = self._view(lambda reader: whole_blob(reader, attachment))
        if blob is None:
            raise AttachmentNotHereError(f"{col}/{key}: the bytes of {name!r} left this device again; open it again")
        return AttachmentReader(self._store, attachment, blob)

    async def _fetch(self, attachment: Attachment, not_here: str) -> None:
        if not self._connectivity.is_on:
            raise AttachmentNotHereError(f"{not_here}, and the device is offline")
        try:
            await self._lane.fetch(attachment)
        except ConnectionError as problem:
            raise AttachmentNotHereError(f"{not_here}, and the server can't be reached: {problem}") from problem
        except NotFoundError as problem:
            raise AttachmentNotHereError(f"{not_here}, at the server neither") from problem

    def _attachment(self, col: str, key: str, name: str) -> Attachment:
        named = self._view(lambda reader: attached(reader, col, key))
        if named is None:
            raise AttachmentNotFoundError(f"{col}/{key}: there is no such document")
        if name not in named:
            has = ", ".join(map(repr, list(named)[:10])) or "none"
            raise AttachmentNotFoundError(f"{col}/{key}: no attachment {name!r}; it has {has}")
        return named[name]

    async def list_attachments(self, col: str, key: str) -> list[AttachmentStatus]:
        """Return the attachments of a document by name; raises `AttachmentNotFoundError` when there is no document."""

        def read(reader: EngineReader) -> list[AttachmentStatus] | None:
            named = attached(reader, col, key)
            incarnation = reader.replica().incarnation
            return None if named is None else [_status(reader, one, incarnation) for one in named.values()]

        found = self._view(read)
        if found is None:
            raise AttachmentNotFoundError(f"{col}/{key}: there is no such document")
        return found

    async def delete_attachment(self, col: str, key: str, name: str) -> bool:
        """Take an attachment out of its document, an edit like any other; False when it has none of this name."""
        was_there = await self._attachments.delete((col, key), name)
        if was_there:
            self._something_was_saved()
        return was_there

    async def sync_attachments(self) -> AttachmentSync:
        """Send and fetch attached bytes until nothing is left; the background task does it by itself.

        Being offline is not an exception: the result tells it in `errors`, and the next time goes on where this one was.
        """
        if not self._connectivity.is_on:
            return AttachmentSync(errors=["offline: set_online(True) takes it online again"])
        return await self._lane.move_all()

    async def evict_attachments(self, bytes_wanted: int | None = None) -> int:
        """Drop attached bytes from this device, the oldest first, until so many are free (None: all that may go).

        Only what the server has said it has, and no unsent change names. Opening an attachment fetches its bytes again; they
        are not fetched by themselves any more. Returns how many bytes were dropped.
        """
        return await self._store.commit(
            lambda engine: evict_oldest(engine, LENGTH_MAX if bytes_wanted is None else bytes_wanted)
        )

    async def collect_attachments(self) -> int:
        """Forget bytes on this device that no document, unsent change or conflict names; return how many files that were.

        It is done at every start.
        """
        return await self._attachments.collect()

    async def attachment_usage(self) -> AttachmentUsage:
        """Return how many attached files and bytes are on this device, and how many bytes could be evicted."""
        return self._view(usage)


def whole_blob(reader: EngineReader, attachment: Attachment) -> StoredBlob | None:
    """Return the bytes of an attachment when all of them are here."""
    blob = reader.blob(attachment.digest)
    return blob if blob is not None and blob.state is BlobState.WHOLE else None


def _status(reader: EngineReader, attachment: Attachment, incarnation: int) -> AttachmentStatus:
    blob = reader.blob(attachment.digest)
    if blob is None:
        return AttachmentStatus(attachment, is_here=False, is_on_server=False)
    return AttachmentStatus(attachment, is_here=blob.state is BlobState.WHOLE, is_on_server=blob.confirmed == incarnation)
