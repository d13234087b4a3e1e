"""Run maintenance now and then while the server runs, over one database after the other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from solidb_sync.errors import StorageError
from solidb_sync.server.collect_attachments import collect_attachments
from solidb_sync.server.http.context import ServerContext
from solidb_sync.server.maintenance import maintain

_logger = logging.getLogger("solidb_sync.server")


async def maintain_all(context: ServerContext) -> None:
    """Run maintenance over every database; one that fails is left for the next time."""
    for name in context.backend.database_names():
        database = context.databases.find(name, create=False)
        if database is None:
            continue
        try:
            did = await maintain(database, now_ms=context.clock.now_ms, retention_ms=context.config.retention_ms)
            await collect_attachments(
                database,
                context.attachments.of(database),
                now_ms=context.clock.now_ms,
                retention_ms=context.config.retention_ms,
            )
        except StorageError as problem:
            _logger.warning("maintenance of %s: %s", name, problem)
            continue
        if did.tombstones_collected or did.vectors_compacted:
            _logger.info(
                "maintenance of %s: %d tombstones collected, %d vectors compacted, up to %d",
                name,
                did.tombstones_collected,
                did.vectors_compacted,
                did.stable,
            )


@contextlib.asynccontextmanager
async def maintained(context: ServerContext) -> AsyncIterator[None]:
    """Run maintenance at its interval inside this context."""
    seconds = context.config.maintenance_seconds
    if not seconds:
        yield
        return
    task = asyncio.create_task(_for_ever(context, seconds))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _for_ever(context: ServerContext, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        await maintain_all(context)
