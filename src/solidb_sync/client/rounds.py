"""Rounds as the manager runs them: one at a time, shared by everybody who asks, with their outcome as a `SyncResult`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from solidb_sync.client.background_loop import RoundReport
from solidb_sync.client.conflict_list import ConflictList
from solidb_sync.client.conflicts import public_conflict
from solidb_sync.client.connectivity import Connectivity
from solidb_sync.client.metrics import RoundTotals
from solidb_sync.client.record_answer import RoundOutcome
from solidb_sync.client.results import SyncProblem, SyncResult
from solidb_sync.client.sync_events import SyncEventKind, SyncEvents
from solidb_sync.clock import Clock
from solidb_sync.errors import (
    AuthError,
    ConnectionError,
    ProtocolError,
    ResyncRequiredError,
    ServerError,
    SoliDBError,
)

RoundBody = Callable[[RoundOutcome], Awaitable[None]]


@dataclass(slots=True)
class RoundHistory:
    """What the rounds so far came to."""

    rounds: int = 0
    failed: int = 0
    skipped: int = 0
    """Asked for by command while offline by hand, and not run."""
    consecutive_failures: int = 0
    last_duration_ms: float | None = None
    last_success_ms: int | None = None
    last_error: str | None = None
    state: str = "idle"


class Rounds:
    """Runs one round at a time; a second caller shares the one that is running."""

    def __init__(self, clock: Clock, events: SyncEvents, connectivity: Connectivity, *, max_retries: int) -> None:
        self._clock = clock
        self._events = events
        self._connectivity = connectivity
        self._max_retries = max_retries
        self._running: asyncio.Task[RoundReport] | None = None
        self.credentials_accepted = asyncio.Event()
        """Not set after a round that failed for want of credentials."""
        self.credentials_accepted.set()
        self.history = RoundHistory()
        self.totals = RoundTotals()

    @property
    def is_running(self) -> bool:
        """True from the beginning of a round to its end."""
        return self._running is not None and not self._running.done()

    async def run(self, body: RoundBody) -> tuple[RoundReport, bool]:
        """Run a round, or wait for the one that runs; returns its report, and whether it was begun by this call."""
        begins = not self.is_running
        if begins:
            self._running = asyncio.get_running_loop().create_task(self._one_round(body))
        assert self._running is not None
        return await asyncio.shield(self._running), begins

    async def run_alone(self, body: RoundBody) -> RoundReport:
        """Run a round of another kind, after the one that runs."""
        while True:
            report, began = await self.run(body)
            if began:
                return report

    async def cancel(self) -> None:
        """Break off the running round where nothing is half done; those who wait for it get its result so far."""
        if self._running is not None and not self._running.done():
            await asyncio.sleep(0)  # one that was only just asked for begins, so that it can say how it ended
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _one_round(self, body: RoundBody) -> RoundReport:
        begun = self._clock.monotonic()
        outcome = RoundOutcome()
        problem: Exception | None = None
        self._events.tell(SyncEventKind.SYNC_STARTED)
        try:
            await body(outcome)
        except asyncio.CancelledError:
            problem = _BrokenOffError("the round was broken off: stopped, or taken offline")
        except (SoliDBError, OSError) as raised:
            problem = raised
        report = _report(outcome, problem)
        needed_credentials = self.history.state == "auth_required"
        self._note(report.result, problem, (self._clock.monotonic() - begun) * 1000)
        if not isinstance(problem, _BrokenOffError):
            self._connectivity.observe(is_reachable=not isinstance(problem, ConnectionError))
        self._tell(report.result, problem, needed_credentials=needed_credentials)
        return report

    def _note(self, result: SyncResult, problem: Exception | None, duration_ms: float) -> None:
        history = self.history
        history.rounds += 1
        history.last_duration_ms = duration_ms
        self.totals.add(result, duration_ms)
        history.state = _state_after(problem)
        history.last_error = None if problem is None else str(problem)
        if isinstance(problem, AuthError):
            self.credentials_accepted.clear()
        elif not isinstance(problem, ConnectionError):
            self.credentials_accepted.set()
        if problem is None:
            history.last_success_ms = self._clock.now_ms()
            history.consecutive_failures = 0
        else:
            history.failed += 1
            if result.pushed or result.pulled:
                history.consecutive_failures = 0  # it got somewhere: this failure is the first of a new row
            history.consecutive_failures += not isinstance(problem, (_BrokenOffError, AuthError))

    def _tell(self, result: SyncResult, problem: Exception | None, *, needed_credentials: bool) -> None:
        if problem is None:
            self._events.tell(SyncEventKind.SYNC_FINISHED, result=result)
            return
        failures = self.history.consecutive_failures
        self._events.tell(
            SyncEventKind.SYNC_FAILED,
            message=str(problem),
            reason=_kind(problem),
            result=result,
            consecutive_failures=failures,
            retries_exhausted=failures > self._max_retries,
        )
        if isinstance(problem, AuthError) and not needed_credentials:
            self._events.tell(SyncEventKind.AUTH_REQUIRED, message=str(problem))


class _BrokenOffError(ConnectionError):
    """A round was ended by hand; that says nothing of the network."""


def _state_after(problem: Exception | None) -> str:
    match problem:
        case None:
            return "idle"
        case AuthError():
            return "auth_required"
        case ResyncRequiredError():
            return "resync_required"
        case ConnectionError():
            return "offline"
        case _:
            return "failing"


def _report(outcome: RoundOutcome, problem: Exception | None) -> RoundReport:
    problems = [
        SyncProblem(
            "ChangeRejected", f"{change.collection}/{change.key}: {change.reason}", False, change.collection, change.key
        )
        for change in outcome.rejected
    ]
    if problem is not None:
        problems.append(
            SyncProblem(
                _kind(problem),
                str(problem),
                is_retryable(problem),
                request_id=problem.request_id if isinstance(problem, SoliDBError) else "",
            )
        )
    result = SyncResult(
        success=not problems,
        pulled=outcome.pulled,
        pushed=outcome.pushed,
        conflicts=ConflictList(public_conflict(conflict) for conflict in outcome.conflicts),
        errors=[problem.message for problem in problems],
        error_details=problems,
    )
    return RoundReport(
        result,
        has_failed=problem is not None,
        is_retryable=problem is not None and is_retryable(problem),
        retry_after_seconds=problem.retry_after_seconds if isinstance(problem, ServerError) else None,
        needs_credentials=isinstance(problem, AuthError),
        is_unreachable=isinstance(problem, ConnectionError),
    )


def _kind(problem: Exception) -> str:
    return ConnectionError.__name__ if isinstance(problem, _BrokenOffError) else type(problem).__name__


def is_retryable(problem: Exception) -> bool:
    """Return whether the same round may succeed a little later without anybody doing anything."""
    if isinstance(problem, ServerError):
        return problem.is_retryable
    return isinstance(problem, (ConnectionError, ProtocolError))
