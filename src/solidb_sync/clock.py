"""The two clocks a program reads, behind one protocol so that tests and simulations can turn them by hand.

Wall time is for people (`last_sync`, timestamps); monotonic time is for measuring. No decision about which edit wins
depends on either.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

_EPOCH = datetime(1970, 1, 1)


class Clock(Protocol):
    """What time it is."""

    def now_ms(self) -> int:
        """Return the wall time in milliseconds since 1970-01-01 UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""


class SystemClock:
    """The clocks of the operating system."""

    def now_ms(self) -> int:
        """Return the wall time in milliseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()


@lru_cache(maxsize=256)
def milliseconds_of(text: str) -> int | None:
    """Return the moment an ISO-8601 text names, None when it is none; without an offset it is in UTC.

    >>> milliseconds_of("2024-01-15T10:30:00.000Z")
    1705314600000
    >>> milliseconds_of("soon") is None
    True
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


@lru_cache(maxsize=256)
def iso_text(milliseconds: int) -> str:
    """Return a moment as ISO-8601 text in UTC, to the millisecond.

    >>> iso_text(1705314600000)
    '2024-01-15T10:30:00.000Z'
    """
    return f"{(_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec='milliseconds')}Z"
