"""The one background task: runs a round when the time has come, a command asks, the doorbell rings, or something was saved.

After a failed round it waits a jittered, doubling delay and tries again, up to `max_retries` times; after that the normal
interval holds. Nothing but success, `SyncNow` or going online shortens a wait that a failure began, so that saving a
thousand documents against a dead server makes no thousand requests. A round that failed for want of credentials uses up no
retry: it is tried again at the normal interval.

Where the interval is longer than a minute, an unreachable server is looked for in between, by a request that costs it
nothing; when it is there again a round runs at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from solidb_sync.client.results import SyncResult
from solidb_sync.client.retry import CAP_SECONDS, Backoff

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
    is_unreachable: bool = False


class BackgroundLoop:
    """Decides when rounds run. `probe` looks whether the server can be reached."""

    def __init__(
        self,
        run_round: Callable[[], Awaitable[RoundReport]],
        *,
        interval_seconds: float,
        max_retries: int,
        backoff: Backoff,
        is_online_by_hand: Callable[[], bool],
        probe: Callable[[], Awaitable[bool]],
    ) -> None:
        self._run_round = run_round
        self._interval = interval_seconds
        self._max_retries = max_retries
        self._backoff = backoff
        self._is_online_by_hand = is_online_by_hand
        self._probe = probe
        self._changed = asyncio.Event()
        self._is_wanted = False
        self.consecutive_failures = 0
        self._ended = -FOREVER
        self._pause = 0.0
        """How long after the end of the last round nothing may be sent, whatever the interval."""
        self._is_patient = True
        """Whether the next round waits for the interval; not between quick retries."""
        self._has_failed = False
        self._probe_at = FOREVER

    def wake(self) -> None:
        """Run a round soon, unless a failure's delay is running."""
        self._is_wanted = True
        self._changed.set()

    def wake_now(self) -> None:
        """Run a round soon, whatever failed before, and count failures from the beginning."""
        self._start_afresh(-FOREVER)

    def note_success(self) -> None:
        """Go on at the normal interval from now: a round that was asked for by hand has succeeded."""
        self._start_afresh(asyncio.get_running_loop().time())

    def set_interval(self, seconds: float) -> None:
        """Take another interval; the wait that is running is counted from its beginning."""
        self._interval = seconds
        self._changed.set()

    async def run(self) -> None:
        """Run rounds for ever; ends by cancellation."""
        clock = asyncio.get_running_loop()
        while True:
            await self._wait()
            self._changed.clear()
            if not self._is_online_by_hand():
                continue
            is_wanted, self._is_wanted = self._is_wanted, False
            if clock.time() >= self._due() or (is_wanted and not self._has_failed):
                self._plan_after(await self._run_round())
            elif clock.time() >= self._probe_at:
                await self._look_for_the_server()

    def _due(self) -> float:
        return self._ended + (max(self._pause, self._interval) if self._is_patient else self._pause)

    async def _wait(self) -> None:
        due = min(self._due(), self._probe_at) if self._is_online_by_hand() else FOREVER
        delay = max(0.0, due - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(None if delay == FOREVER else delay):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _start_afresh(self, ended: float) -> None:
        self._ended, self._pause, self._is_patient = ended, 0.0, True
        self.consecutive_failures, self._has_failed, self._probe_at = 0, False, FOREVER
        self._changed.set()

    def _plan_after(self, report: RoundReport) -> None:
        now = asyncio.get_running_loop().time()
        if not report.has_failed:
            self._start_afresh(now)
            return
        if report.result.pushed or report.result.pulled:
            self.consecutive_failures = 0  # it got somewhere: this failure is the first of a new row
        self.consecutive_failures += not report.needs_credentials
        self._ended, self._has_failed = now, True
        self._is_patient = self.consecutive_failures > self._max_retries or not report.is_retryable
        failures = 0 if self._is_patient else self.consecutive_failures
        self._pause = self._backoff.delay_seconds(failures, report.retry_after_seconds)
        self._plan_probe(is_needed=self._is_patient and report.is_unreachable)

    def _plan_probe(self, *, is_needed: bool) -> None:
        is_needed = is_needed and self._interval > CAP_SECONDS
        now = asyncio.get_running_loop().time()
        self._probe_at = now + self._backoff.probe_delay_seconds() if is_needed else FOREVER

    async def _look_for_the_server(self) -> None:
        self._plan_probe(is_needed=True)
        if await self._probe():
            self.wake_now()
