"""How long to wait before trying again: full jitter, doubling, bounded.

The delay before attempt `n` is random between zero and `min(cap, base * 2**n)`. Source: M. Brooker, "Exponential Backoff
And Jitter", 2015, "full jitter"; fixed or equal delays were turned down because many devices that lose one server at
once come back at once. A server that says `Retry-After` is never asked sooner.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

BASE_SECONDS = 0.5
CAP_SECONDS = 60.0
RETRY_AFTER_SECONDS_MAX = 3600.0
_DOUBLINGS_MAX = 30


@dataclass(frozen=True, slots=True)
class Backoff:
    """The rule of delays; `random_source` is passed in, so that a run can be repeated."""

    random_source: random.Random
    base_seconds: float = BASE_SECONDS
    cap_seconds: float = CAP_SECONDS

    def delay_seconds(self, failures: int, retry_after_seconds: float | None = None) -> float:
        """Return the wait after the `failures`-th failure in a row (1 for the first; after none, what the server asks)."""
        ceiling = min(self.cap_seconds, self.base_seconds * 2 ** min(failures - 1, _DOUBLINGS_MAX))
        delay = self.random_source.uniform(0, ceiling) if failures else 0.0
        if retry_after_seconds is None:
            return delay
        return max(delay, min(retry_after_seconds, RETRY_AFTER_SECONDS_MAX))

    def probe_delay_seconds(self) -> float:
        """Return the wait before an unreachable server is looked for: between half the cap and the cap."""
        return self.random_source.uniform(self.cap_seconds / 2, self.cap_seconds)
