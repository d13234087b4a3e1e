"""Who answers for attached bytes: this device, until the server has said that it has them.

What the server says holds for one incarnation of this device. It may still lose them later (nothing named them for the
retention time, a disk, a backup without them), and then says what it misses: so who has them sends them again.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.records import PROMISED, UNCONFIRMED, BlobState, StoredBlob


def confirm(engine: StorageEngine, digest: str) -> None:
    """Take note that the server has bytes."""
    blob = engine.blob(digest)
    if blob is not None:
        engine.put_blob(replace(blob, confirmed=engine.replica().incarnation))


def promise(engine: StorageEngine, digests: Iterable[str]) -> None:
    """Take note that the server has taken an edit that names bytes: others may see it, so they have to come after it."""
    for digest in digests:
        blob = engine.blob(digest)
        if blob is not None and blob.confirmed == UNCONFIRMED:
            engine.put_blob(replace(blob, confirmed=PROMISED))


def release(engine: StorageEngine, digest: str) -> None:
    """Owe bytes to nobody any more, because the server takes none that are so long."""
    blob = engine.blob(digest)
    if blob is not None and blob.confirmed == PROMISED:
        engine.put_blob(replace(blob, confirmed=UNCONFIRMED))


def doubt(engine: StorageEngine, blob: StoredBlob) -> None:
    """Go by what the server once said of bytes no longer: it is asked again, and sent them when it has not got them."""
    if blob.confirmed > UNCONFIRMED:
        engine.put_blob(replace(blob, confirmed=UNCONFIRMED))


def send_again(engine: StorageEngine, digests: Iterable[str]) -> None:
    """Let bytes that the server misses be sent again, those of them that are here."""
    for digest in digests:
        blob = engine.blob(digest)
        if blob is not None and blob.state is BlobState.WHOLE:
            doubt(engine, blob)
