"""Stamps of a hybrid logical clock: near the time of day, and greater than every stamp their author has seen.

A stamp is text that sorts as stamps are ordered: milliseconds since 1970 in 12 hexadecimal digits, a dash, and a counter in
4 for what happens within one millisecond, or while a clock stands behind what was seen. Nothing here reads a clock.

>>> first = next_stamp(now_ms=1_000)
>>> next_stamp(now_ms=900, seen=first) > first
True
>>> clamped(next_stamp(now_ms=10**12), now_ms=1_000, ahead_ms_max=500) == next_stamp(now_ms=1_500)
True

Source: S. Kulkarni, M. Demirbas et al., "Logical Physical Clocks", OPODIS 2014.
"""

from __future__ import annotations

import re

MILLISECONDS_MAX = 2**48 - 1
LOGICAL_MAX = 2**16 - 1
AHEAD_MS_MAX = 5 * 60 * 1000
"""How far ahead of its own clock a server takes a stamp; one beyond is set back to there."""

_STAMP = re.compile(r"[0-9a-f]{12}-[0-9a-f]{4}")


def stamp_text(milliseconds: int, logical: int = 0) -> str:
    """Return the text of a stamp."""
    return f"{min(max(milliseconds, 0), MILLISECONDS_MAX):012x}-{logical:04x}"


def is_stamp(text: str) -> bool:
    """Return whether a text is a stamp."""
    return _STAMP.fullmatch(text) is not None


def next_stamp(*, now_ms: int, seen: str = "") -> str:
    """Return the next stamp: of now, or just after the greatest one `seen` where the clock stands behind that.

    After the very last stamp there is none: it comes again.
    """
    now = stamp_text(now_ms)
    if not seen or now > seen:
        return now
    milliseconds, logical = int(seen[:12], 16), int(seen[13:], 16)
    if logical < LOGICAL_MAX:
        return stamp_text(milliseconds, logical + 1)
    return stamp_text(milliseconds + 1) if milliseconds < MILLISECONDS_MAX else seen


def clamped(stamp: str, *, now_ms: int, ahead_ms_max: int = AHEAD_MS_MAX) -> str:
    """Return a stamp that is not further ahead of `now_ms` than allowed; one of the past stays as it is."""
    return min(stamp, stamp_text(now_ms + ahead_ms_max))
