"""Attached bytes in the local store: put in pieces, kept once for equal content, dropped when nothing names them.

All functions run in the caller's transaction. Bytes that are being put stand under a name of the store's own until their
digest is known; they become visible in one transaction with the edit that names them, so that a crash leaves either nothing
to be seen, or all. What it leaves behind is found by `collect`.

Each chunk is kept behind its own SHA-256: one that was damaged or cut short on the disk is noticed when it is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from solidb_sync.errors import StorageCorruptError, StorageError
from solidb_sync.json_value import decode
from solidb_sync.model.attachment import MARKER, Attachment, attachments_in, digests_in
from solidb_sync.storage.attachment_custody import doubt
from solidb_sync.storage.conflict_log import is_own
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.other_users import changes_put_away
from solidb_sync.storage.records import PROMISED, UNCONFIRMED, BlobState, Mark, StoredBlob

PUT_PREFIX = "put-"
DIGEST_BYTES = 32
COLLECTED_AT_ONCE_MAX = 100
"""How many blobs one transaction forgets, so that saves need not wait long."""


@dataclass(frozen=True, slots=True)
class AttachmentUsage:
    """How many attached files are here, how many bytes they take, and how many of those could be evicted."""

    files: int
    bytes_here: int
    bytes_evictable: int


# putting and fetching


def begin_put(engine: StorageEngine, chunks: str) -> str:
    """Begin to put bytes whose digest is not known yet; return their name until then."""
    name = PUT_PREFIX + chunks
    engine.put_blob(StoredBlob(name, chunks, 0, 0, BlobState.ARRIVING))
    return name


def begin_arrival(engine: StorageEngine, attachment: Attachment, chunks: str) -> StoredBlob:
    """Begin to fetch bytes, or go on where it was left; return what is here of them."""
    found = engine.blob(attachment.digest)
    if found is not None and found.state is not BlobState.EVICTED:
        return found
    begun = StoredBlob(attachment.digest, chunks, attachment.length, 0, BlobState.ARRIVING)
    engine.put_blob(begun)
    return begun


def add_chunks(engine: StorageEngine, name: str, first: int, pieces: Sequence[bytes]) -> None:
    """Keep the next chunks; raises `StorageError` unless they go on where the last ones ended."""
    blob = engine.blob(name)
    if blob is None or blob.state is not BlobState.ARRIVING or blob.stored != first:
        raise StorageError(f"attachment {name[:16]}: somebody else has written to it; begin again")
    for number, piece in enumerate(pieces, first):
        engine.put_chunk(blob.chunks, number, hashlib.sha256(piece).digest() + piece)
    engine.put_blob(replace(blob, stored=first + len(pieces)))


def finish_put(engine: StorageEngine, name: str, attachment: Attachment) -> None:
    """Give bytes that were put their digest; content that is here already is not kept twice."""
    put = engine.blob(name)
    if put is None or put.stored != attachment.chunks:
        raise StorageError(f"attachment {attachment.name!r}: its bytes are no longer all here; put it again")
    engine.drop_blob(name)
    known = engine.blob(attachment.digest)
    if known is not None and known.state is BlobState.WHOLE:
        engine.drop_chunks(put.chunks, put.stored)
        doubt(engine, known)  # the server may have dropped it meanwhile: it is asked again
        return
    confirmed = UNCONFIRMED
    if known is not None:
        engine.drop_chunks(known.chunks, known.stored)
        confirmed = min(known.confirmed, UNCONFIRMED)
    engine.put_blob(StoredBlob(attachment.digest, put.chunks, attachment.length, put.stored, BlobState.WHOLE, confirmed))


def finish_arrival(engine: StorageEngine, digest: str) -> None:
    """Take note that fetched bytes are all here, and were right."""
    blob = engine.blob(digest)
    if blob is not None and blob.state is BlobState.ARRIVING:
        engine.put_blob(replace(blob, state=BlobState.WHOLE, confirmed=engine.replica().incarnation))


def forget(engine: StorageEngine, name: str) -> None:
    """Forget bytes and all that is known of them."""
    blob = engine.blob(name)
    if blob is not None:
        engine.drop_chunks(blob.chunks, blob.stored)
        engine.drop_blob(name)


def read_chunk(reader: EngineReader, blob: StoredBlob, number: int) -> bytes:
    """Return one chunk; raises `StorageCorruptError` for one that is missing, cut short or damaged."""
    content = reader.chunk(blob.chunks, number)
    if content is None:
        raise StorageCorruptError(f"attachment {blob.name}: chunk {number} of {blob.stored} is missing")
    piece = content[DIGEST_BYTES:]
    if hashlib.sha256(piece).digest() != content[:DIGEST_BYTES]:
        raise StorageCorruptError(f"attachment {blob.name}: chunk {number} of {blob.stored} is damaged")
    return piece


def damaged_blobs(reader: EngineReader) -> Iterator[tuple[str, str]]:
    """Yield the attached bytes that are here, each with what is wrong with them, empty for nothing."""
    for blob in reader.blobs():
        try:
            whole = hashlib.sha256()
            for number in range(blob.stored):
                whole.update(read_chunk(reader, blob, number))
            is_other = blob.state is BlobState.WHOLE and whole.hexdigest() != blob.name
            yield blob.name, "its content is not what its digest says" if is_other else ""
        except StorageCorruptError as problem:
            yield blob.name, str(problem)


# what names them


def attached(reader: EngineReader, collection: str, key: str) -> dict[str, Attachment] | None:
    """Return the attachments of a document by name, None when there is no document."""
    row = reader.row(collection, key)
    if row is None or row.body is None:
        return None
    return attachments_in(decode(row.body)) if MARKER in row.body else {}


def wanted(reader: EngineReader) -> dict[str, Attachment]:
    """Return the attachments that documents of this device name, by digest."""
    found: dict[str, Attachment] = {}
    for place in reader.marked(Mark.ATTACHED):
        for attachment in (attached(reader, *place) or {}).values():
            found.setdefault(attachment.digest, attachment)
    return found


def unsent(reader: EngineReader) -> list[StoredBlob]:
    """Return the bytes that are here and that the server has not said it has, but for those only others' edits name."""
    incarnation = reader.replica().incarnation
    found = [blob for blob in reader.blobs() if blob.state is BlobState.WHOLE and blob.confirmed != incarnation]
    of_others = _put_away(reader) if found else set()
    own = _named(reader, with_others=False) if of_others else set()
    return [blob for blob in found if blob.name not in of_others or blob.name in own]


def _put_away(reader: EngineReader) -> set[str]:
    """Return the digests in changes of users who are not signed in."""
    return {digest for change in changes_put_away(reader) for digest in digests_in(change.wire)}


def _in_changes(reader: EngineReader) -> set[str]:
    """Return the digests in changes of this device that are not settled."""
    return {digest for change in reader.changes(state=None) for digest in digests_in(change.wire)}


def _named(reader: EngineReader, *, with_others: bool = True) -> set[str]:
    """Return every digest that a document, a base copy, a change or a conflict names; also what is kept for other users."""
    found = _in_changes(reader) if reader.has_changes() else set()
    for collection, key in reader.marked(Mark.ATTACHED):
        row, base = reader.row(collection, key), reader.base(collection, key)
        for kept in (row, base):
            if kept is not None and kept.body is not None:
                found.update(digests_in(kept.body))
    if with_others:
        found |= _put_away(reader)
    for conflict in reader.conflicts():
        if not with_others and not is_own(conflict):
            continue
        for side in (conflict.local, conflict.remote, conflict.base):
            found.update(digests_in(side))
    return found


# room


def usage(reader: EngineReader) -> AttachmentUsage:
    """Return how many attached bytes are here, and how many could be evicted."""
    here = [blob for blob in reader.blobs() if blob.state is not BlobState.EVICTED]
    evictable = sum(blob.length for blob in evictable_blobs(reader))
    return AttachmentUsage(len(here), sum(blob.length for blob in here), evictable)


def evictable_blobs(reader: EngineReader) -> list[StoredBlob]:
    """Return the bytes that may go, oldest first: the server has them, and no unsent change names them."""
    incarnation = reader.replica().incarnation
    found = [blob for blob in reader.blobs() if blob.state is BlobState.WHOLE and blob.confirmed == incarnation]
    if not found:
        return []
    unsettled = _in_changes(reader) | _put_away(reader)
    return sorted((blob for blob in found if blob.name not in unsettled), key=lambda blob: blob.chunks)


def evict(engine: StorageEngine, digest: str) -> int:
    """Drop the bytes of a blob that may go; return how many there were. They are fetched again when somebody opens them."""
    for blob in evictable_blobs(engine):
        if blob.name == digest:
            engine.drop_chunks(blob.chunks, blob.stored)
            engine.put_blob(replace(blob, stored=0, state=BlobState.EVICTED))
            return blob.length
    return 0


def evict_oldest(engine: StorageEngine, bytes_wanted: int) -> int:
    """Drop attached bytes, the oldest first, until so many are free or none may go any more; return how many are."""
    freed = 0
    for blob in evictable_blobs(engine):
        if freed >= bytes_wanted:
            break
        engine.drop_chunks(blob.chunks, blob.stored)
        engine.put_blob(replace(blob, stored=0, state=BlobState.EVICTED))
        freed += blob.length
    return freed


def collect(engine: StorageEngine, *, being_put: Collection[str] = ()) -> int:
    """Forget bytes that nothing names, and puts that were never finished; return how many were forgotten.

    But for those that were promised and have yet to be sent: another device may have seen the edit that named them, and
    bring it back. At most `COLLECTED_AT_ONCE_MAX`; ask again until none was.
    """
    blobs = engine.blobs()
    if not blobs:
        return 0
    named = _named(engine)
    unused = [blob.name for blob in blobs if blob.name not in named and blob.name not in being_put and not _is_owed(blob)]
    for name in unused[:COLLECTED_AT_ONCE_MAX]:
        forget(engine, name)
    return len(unused[:COLLECTED_AT_ONCE_MAX])


def _is_owed(blob: StoredBlob) -> bool:
    return blob.state is BlobState.WHOLE and blob.confirmed == PROMISED
