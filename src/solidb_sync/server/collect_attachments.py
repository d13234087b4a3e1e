"""Forget attached bytes that nothing names: no document, and no side of a conflict.

What is found unused is marked with the time, and dropped when it was so at every look for the retention time. Whoever asks
for it or sends it takes the mark away. So an upload whose document has not come yet stays, and so do the bytes of a document
that was deleted, for as long as a device that was away may bring it back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from solidb_sync.model.attachment import digests_in
from solidb_sync.server.attachments import Attachments
from solidb_sync.server.databases import Database
from solidb_sync.server.storage.attachment_files import PART

DOCUMENTS_AT_ONCE = 1_000


async def collect_attachments(
    database: Database, attachments: Attachments, *, now_ms: Callable[[], int], retention_ms: int
) -> int:
    """Mark what is unused and drop what has been so for long; return how many files were dropped.

    What is named and is not here is asked for. A database that has never had an attachment is not read through.
    """
    names = await asyncio.to_thread(attachments.files.names)
    if names is None:
        return 0
    named = await _named(database)
    attachments.miss_only(sorted(named.difference(names)))
    dropped = 0
    for name in names:
        async with attachments.alone(name.removesuffix(PART)):
            dropped += await _look_at(attachments, name, named, now_ms=now_ms(), retention_ms=retention_ms)
    return dropped


async def _look_at(attachments: Attachments, name: str, named: set[str], *, now_ms: int, retention_ms: int) -> bool:
    """Mark, unmark or drop one file; return whether it was dropped."""
    if name in named:
        await asyncio.to_thread(attachments.files.unmark, name)
        return False
    since = await asyncio.to_thread(attachments.files.unused_since, name)
    if since is None:
        await asyncio.to_thread(attachments.files.mark_unused, name, now_ms)
        return False
    if now_ms - since < retention_ms:
        return False
    await attachments.drop(name)
    return True


async def _named(database: Database) -> set[str]:
    """Return every digest that a document or a conflict names, in reads that are short."""
    found: set[str] = set()
    for text in await database.read(lambda session: session.attachments_in_conflicts(), is_small=False):
        found |= digests_in(text)
    for collection in await database.read(lambda session: session.collection_ids(None)):
        after: int | None = 0
        while after is not None:
            texts, after = await database.read(
                lambda session, at=(collection, after): session.attachments_after(*at, limit=DOCUMENTS_AT_ONCE),  # type: ignore[misc]
                is_small=False,
            )
            for text in texts:
                found |= digests_in(text)
    return found
