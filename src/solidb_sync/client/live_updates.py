"""Listen for the server's doorbell: a stream that says "news up to 17"; the data always comes by pull.

A broken stream is opened again after a jittered delay. Each time it opens, one ring is given, because news may have come
while nobody listened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from solidb_sync.client.retry import Backoff
from solidb_sync.client.transport.transport import Transport
from solidb_sync.errors import SoliDBError
from solidb_sync.json_value import decode
from solidb_sync.protocol import endpoints


async def listen_for_news(
    transport: Transport, database: str, client_id: str, *, ring: Callable[[int | None], None], backoff: Backoff
) -> None:
    """Call `ring` with the sequence of every piece of news (None: unknown), for ever; ends only by cancellation."""
    failures = 0
    while True:
        try:
            async for line in transport.listen(endpoints.path_for(endpoints.STREAM, database), {"client_id": client_id}):
                if line.startswith("data:"):
                    failures = 0
                    ring(_sequence(line))
        except SoliDBError:
            pass
        failures += 1
        await asyncio.sleep(backoff.delay_seconds(failures))
        ring(None)


def _sequence(line: str) -> int | None:
    """Return the number a ring carries, None when it can't be read: then the pull will tell."""
    try:
        return int(decode(line.removeprefix("data:"))["seq"])
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return None
