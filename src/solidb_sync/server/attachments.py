"""Attached bytes at the server: taken in pieces, counted only when their digest is right, given out in pieces.

An attachment that is only asked about counts as used from then on, so that a device that was told "it is here" need not send
it even if nothing names it yet. One writer at a time for each digest: two devices that send the same one help each other.
What somebody wants and is not here is asked for, in the answers to the devices, until one that has it has sent it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple
from weakref import WeakValueDictionary

from solidb_sync.errors import StorageFullError
from solidb_sync.protocol.attachments import NOT_FOUND, TOO_LARGE, WRONG_DIGEST, WRONG_OFFSET, PieceTaken
from solidb_sync.server.databases import Database
from solidb_sync.server.refusals import RequestRefused, bad_request, not_found
from solidb_sync.server.storage.attachment_files import PART, AttachmentFiles

MISSED_MAX = 10_000
MISSED_TOLD_AT_ONCE_MAX = 20


class Known(NamedTuple):
    """How much of an attachment is here: its length when it is complete, else None and the bytes of the part."""

    length: int | None
    part: int


class Piece(NamedTuple):
    """A piece of an attachment, and how long the whole is."""

    content: bytes
    length: int


class Attachments:
    """The attachments of one database."""

    def __init__(self, directory: str, *, bytes_max: int, total_bytes_max: int) -> None:
        self.files = AttachmentFiles(directory)
        self._bytes_max = bytes_max
        self._total_bytes_max = total_bytes_max
        self._total: int | None = None
        self._missed: dict[str, None] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def alone(self, digest: str) -> asyncio.Lock:
        """Return the lock of one digest."""
        return self._locks.setdefault(digest, asyncio.Lock())

    async def known(self, digest: str) -> Known:
        """Return how much of an attachment is here, and let it count as used."""
        async with self.alone(digest):
            known = await asyncio.to_thread(self._known, digest)
        if known.length is not None:
            self._missed.pop(digest, None)
        return known

    def _known(self, digest: str) -> Known:
        length = self.files.length(digest)
        self.files.unmark(digest if length is not None else digest + PART)
        return Known(length, self.files.part_length(digest) if length is None else 0)

    async def check(self, digest: str) -> None:
        """Read a complete attachment; drop it, and miss it, when its content is not what the digest says any more."""
        async with self.alone(digest):
            if not await asyncio.to_thread(self.files.is_damaged, digest):
                return
            await self.drop(digest)
        self.miss([digest])

    async def take(self, digest: str, *, offset: int, length: int, piece: bytes) -> PieceTaken:
        """Take a piece; the last one makes the attachment complete when its digest is right.

        Raises `RequestRefused`: `WrongOffset` (409) names the offset to go on at, `WrongDigest` (422) drops all there was,
        `AttachmentTooLarge` (413); and `StorageFullError` when there is no room for it.
        """
        if length > self._bytes_max:
            message = f"length: {length} bytes, at most {self._bytes_max} are taken in one attachment"
            raise RequestRefused(413, TOO_LARGE, message, details={"bytes_max": self._bytes_max})
        if offset + len(piece) > length:
            raise bad_request(f"length: {length}, but the piece ends at {offset + len(piece)}")
        if not piece and offset < length:
            raise bad_request("body: empty, but the attachment is not complete")
        async with self.alone(digest):
            taken = await asyncio.to_thread(self._take, digest, offset, length, piece)
        if taken.is_complete:
            self._missed.pop(digest, None)
        return taken

    def _take(self, digest: str, offset: int, length: int, piece: bytes) -> PieceTaken:
        known = self._known(digest)
        if known.length is not None:
            return PieceTaken(known.length, is_complete=True)
        if known.part != offset:
            message = f"offset: {offset}, but {known.part} bytes of this attachment are here; go on there"
            raise RequestRefused(409, WRONG_OFFSET, message, details={"offset": known.part})
        if self._total is None:
            self._total = self.files.total_bytes()
        if self._total + len(piece) > self._total_bytes_max:
            raise StorageFullError(f"attachments: more than {self._total_bytes_max} bytes in one database")
        self.files.append(digest, offset, piece)
        self._total += len(piece)
        if offset + len(piece) < length:
            return PieceTaken(offset + len(piece), is_complete=False)
        if not self.files.finish(digest):
            self._total -= length
            raise RequestRefused(422, WRONG_DIGEST, "the bytes are not what the digest says; send them again from the start")
        return PieceTaken(length, is_complete=True)

    async def piece(self, digest: str, *, offset: int, size: int) -> Piece:
        """Return a piece of an attachment; `RequestRefused` (404) when it is not complete here, which is then missed."""
        piece = await asyncio.to_thread(self._piece, digest, offset, size)
        if piece is None:
            self.miss([digest])
            raise not_found(NOT_FOUND, f"attachment {digest}: not here, or not complete yet")
        return piece

    def _piece(self, digest: str, offset: int, size: int) -> Piece | None:
        length = self.files.length(digest)
        content = None if length is None else self.files.read(digest, offset, size)
        return None if length is None or content is None else Piece(content, length)

    def miss(self, digests: Iterable[str]) -> None:
        """Ask the devices for attachments that are not here, or not complete; of too many the oldest are not asked for."""
        self._missed.update(dict.fromkeys(digests))
        for digest in list(islice(self._missed, max(0, len(self._missed) - MISSED_MAX))):
            del self._missed[digest]

    def miss_only(self, digests: Iterable[str]) -> None:
        """Ask for these attachments, and no longer for what was asked for before."""
        self._missed.clear()
        self.miss(digests)

    def next_missed(self) -> list[str]:
        """Return some of the attachments that are missed, the next ones each time, to be told to a device."""
        told = list(islice(self._missed, MISSED_TOLD_AT_ONCE_MAX))
        for digest in told:
            self._missed[digest] = self._missed.pop(digest)
        return told

    async def drop(self, name: str) -> None:
        """Delete what nothing names any more, or is damaged."""
        dropped = await asyncio.to_thread(self.files.drop, name)
        if self._total is not None:
            self._total -= dropped


class AttachmentStores:
    """The attachments of every database of a server."""

    def __init__(self, *, bytes_max: int, total_bytes_max: int) -> None:
        self._limits = {"bytes_max": bytes_max, "total_bytes_max": total_bytes_max}
        self._open: dict[str, Attachments] = {}

    def of(self, database: Database) -> Attachments:
        """Return the attachments of a database."""
        directory = database.backend.attachment_directory
        found = self._open.get(directory)
        if found is None:
            found = self._open[directory] = Attachments(directory, **self._limits)
        return found
