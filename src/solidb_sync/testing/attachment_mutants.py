"""Deliberate bugs of attachments."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from solidb_sync.client import attachment_edits, attachment_transfers, record_answer
from solidb_sync.server import collect_attachments
from solidb_sync.server.attachments import Attachments
from solidb_sync.server.storage.attachment_files import PART, AttachmentFiles
from solidb_sync.storage import attachments
from solidb_sync.storage.records import BlobState
from solidb_sync.testing.planter import Mutant, Planter


def pieces_taken_anywhere(patch: Planter) -> None:
    """The server puts a piece that comes late behind what is there, and asks no digest whether the whole is right."""
    original = Attachments._take

    def take(self: Any, digest: str, offset: int, length: int, piece: bytes) -> Any:
        begun = self.files.part_length(digest)
        return original(self, digest, begun, length, piece[: length - begun])

    def finish(self: Any, digest: str) -> bool:
        (self._directory / (digest + PART)).replace(self._directory / digest)
        return True

    patch.setattr(Attachments, "_take", take)
    patch.setattr(AttachmentFiles, "finish", finish)


def beginnings_taken_for_the_whole(patch: Planter) -> None:
    """Bytes whose fetching broke off are not fetched any further."""
    original = attachments.begin_arrival

    def begin_arrival(engine: Any, attachment: Any, chunks: str) -> Any:
        blob = original(engine, attachment, chunks)
        if blob.state is BlobState.ARRIVING and blob.stored:
            blob = replace(blob, state=BlobState.WHOLE)
            engine.put_blob(blob)
        return blob

    patch.setattr(attachment_transfers, "begin_arrival", begin_arrival)


def unsent_files_evicted(patch: Planter) -> None:
    """Bytes leave to save room before the server has said that it has them."""

    def evictable_blobs(reader: Any) -> list[Any]:
        return [blob for blob in reader.blobs() if blob.state is BlobState.WHOLE]

    patch.setattr(attachments, "evictable_blobs", evictable_blobs)


def owed_files_collected(patch: Planter) -> None:
    """Bytes that nothing names here are forgotten before they are sent, though others were told of them."""
    patch.setattr(attachments, "_is_owed", lambda blob: False)


def missed_files_not_sent_again(patch: Planter) -> None:
    """A device goes by it for ever that the server has bytes which it once had."""
    patch.setattr(record_answer, "send_again", lambda engine, digests: None)


def broken_puts_kept(patch: Planter) -> None:
    """Nobody looks for bytes of puts that were never finished."""
    original = attachments.collect

    def collect(engine: Any, *, being_put: Any = ()) -> int:
        begun = {blob.name for blob in engine.blobs() if blob.name.startswith(attachments.PUT_PREFIX)}
        return original(engine, being_put={*being_put, *begun})

    patch.setattr(attachment_edits, "collect", collect)


def named_files_dropped_by_the_server(patch: Planter) -> None:
    """The server takes every file for one that nothing names."""

    async def nothing(_: Any) -> set[str]:
        return set()

    patch.setattr(collect_attachments, "_named", nothing)


ATTACHMENT_MUTANTS: tuple[Mutant, ...] = (
    pieces_taken_anywhere,
    beginnings_taken_for_the_whole,
    unsent_files_evicted,
    owed_files_collected,
    missed_files_not_sent_again,
    broken_puts_kept,
    named_files_dropped_by_the_server,
)
