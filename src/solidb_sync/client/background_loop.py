"""The one background task: runs a round when the time has come, a command asks, the doorbell rings, or something was saved.

After a failed round it waits a jittered, doubling delay and tries again, up to `max_retries` times; after that the normal
interval holds. A round that was refused for its credentials is tried again at the normal interval, and counts as no attempt.
Nothing but success, `SyncNow` or going online shortens a wait that a failure began, so that saving a
thousand documents against a dead server makes no thousand requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from solidb_sync.client.results import SyncResult
from solidb_sync.client.retry import Backoff

FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class RoundReport:
    """What the loop needs to know of a round. A round with refused changes has errors but has not failed.

    `needs_credentials`: only somebody with other credentials can mend it; that is no failed attempt.
    """

    result: SyncResult
    has_failed: bool
    is_retryable: bool
    retry_after_seconds: float | None
    needs_credentials: bool = False


class BackgroundLoop:
    """Decides when rounds run."""

    def __init__(
        self,
        run_round: Callable[[], Awaitable[RoundReport]],
        *,
        interval_seconds: float,
        max_retries: int,
        backoff: Backoff,
        is_online_by_hand: Callable[[], bool],
    ) -> None:
        self._run_round = run_round
        self._interval = interval_seconds
        self._max_retries = max_retries
        self._backoff = backoff
        self._is_online_by_hand = is_online_by_hand
        self._wake = asyncio.Event()
        self._not_before = 0.0
        self._is_asked = False
        self._is_rescheduled = False
        self.consecutive_failures = 0

    def wake(self) -> None:
        """Run a round soon, unless a failure's delay is running."""
        self._is_asked = True
        self._wake.set()

    def wake_now(self) -> None:
        """Run a round soon, whatever failed before."""
        self._not_before = 0.0
        self.wake()

    def set_interval(self, seconds: float) -> None:
        """Run rounds at another interval, counted from the last one."""
        self._interval = seconds
        self._is_rescheduled = True
        self._wake.set()

    async def run(self) -> None:
        """Run rounds for ever; ends by cancellation."""
        clock = asyncio.get_running_loop()
        due, ended = clock.time(), clock.time()
        while True:
            await self._wait_until(due)
            self._wake.clear()
            is_rescheduled, is_asked = self._is_rescheduled, self._is_asked
            self._is_rescheduled = self._is_asked = False
            if is_rescheduled and not is_asked:
                due = max(ended + self._interval, self._not_before)
                continue
            if not self._is_online_by_hand():
                due = FOREVER
                continue
            if clock.time() < self._not_before:
                due = self._not_before
                continue
            report = await self._run_round()
            ended = clock.time()
            due = ended + self._delay_after(report)

    async def _wait_until(self, due: float) -> None:
        delay = max(0.0, due - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(None if delay == FOREVER else delay):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _delay_after(self, report: RoundReport) -> float:
        if not report.has_failed:
            self.consecutive_failures = 0
            self._not_before = 0.0
            return self._interval
        if report.result.pushed or report.result.pulled:
            self.consecutive_failures = 0  # it got somewhere: this failure is the first of a new row
        if report.needs_credentials:
            self._not_before = asyncio.get_running_loop().time() + self._interval
            return self._interval
        self.consecutive_failures += 1
        delay = self._backoff.delay_seconds(self.consecutive_failures, report.retry_after_seconds)
        if self.consecutive_failures > self._max_retries or not report.is_retryable:
            delay = max(delay, self._interval)
        self._not_before = asyncio.get_running_loop().time() + delay
        return delay
