"""Clean up now and then: what has expired leaves, the log of conflicts is shortened, the file gives back unused pages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from solidb_sync.errors import StorageError

FIRST_AFTER_SECONDS_MAX = 60.0
"""The first cleanup does not wait for a whole interval: many apps run for minutes at a time."""

_logger = logging.getLogger("solidb_sync")


async def clean_up_for_ever(clean_up: Callable[[], Awaitable[object]], *, interval_seconds: float) -> None:
    """Call `clean_up` a little after the start and then at its interval; one that fails is tried again the next time."""
    pause = min(interval_seconds, FIRST_AFTER_SECONDS_MAX)
    while True:
        await asyncio.sleep(pause)
        pause = interval_seconds
        try:
            await clean_up()
        except StorageError as problem:
            _logger.warning("cleaning up failed and is tried again in %s s: %s", interval_seconds, problem)
