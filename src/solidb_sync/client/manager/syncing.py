"""Syncing by hand: rounds, the way to the server, being online, and which collections are synced."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from solidb_sync.client.background_loop import RoundReport
from solidb_sync.client.config import check_interval
from solidb_sync.client.live_updates import Ring, listen_for_news
from solidb_sync.client.manager.parts import ManagerParts, check_collection
from solidb_sync.client.record_answer import RoundOutcome
from solidb_sync.client.results import SyncProblem, SyncResult
from solidb_sync.client.rounds import RoundBody
from solidb_sync.client.scope import exclude, purge, subscribe_to
from solidb_sync.client.sync_events import SyncEventKind
from solidb_sync.errors import AuthError, ConnectionError, ServerError, SoliDBError
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.inbox import mentions_attachment
from solidb_sync.storage.records import ChangeState, Subscription
from solidb_sync.storage.subscriptions import checked_subscription

DOORBELL = "sync doorbell"
RESYNC_ASKED_FOR = "asked_for"
OFFLINE_BY_HAND = "offline: set_online(True) takes it online again"


class SyncMethods(ManagerParts):
    """Rounds, now and then, and what they are about."""

    async def sync_now(self) -> SyncResult:
        """Push and pull until nothing is left; concurrent callers share one round.

        Being offline is not an exception: the result says `success=False` and why, and nothing is lost.
        """
        if not self._connectivity.is_on:
            return _offline_by_hand()
        report, began = await self._rounds.run(self._one_round)
        if not began and report.result.success and self._view(lambda reader: reader.count_changes(ChangeState.PENDING)):
            report, _ = await self._rounds.run(self._one_round)  # saved too late for the round that was shared
        self._round_has_ended(has_failed=report.has_failed)
        if self._loop is not None and not report.has_failed:
            self._loop.note_success()
        return report.result

    sync = sync_now

    async def _run_round(self) -> RoundReport:
        report, _ = await self._rounds.run(self._one_round)
        self._round_has_ended(has_failed=report.has_failed)
        return report

    async def _one_round(self, outcome: RoundOutcome) -> None:
        await self._and_listen(self._round.run, outcome)

    async def _and_listen(self, body: RoundBody, outcome: RoundOutcome) -> None:
        """Run a round; when it found another user's credentials, nothing more is heard in the name of the one before."""
        listening_as = self._store.client_id
        try:
            await body(outcome)
        finally:
            if self._store.client_id != listening_as:
                self._states.look_at_all()
                if self._stop_listening():
                    self._listen()

    async def full_resync(self, *, discard_local: bool = False) -> SyncResult:
        """Fetch everything again, for a store that is suspected to differ from the server.

        Unsent edits are kept and sent, unless `discard_local` drops them for good. Rows stay readable meanwhile, and what
        the server does not have any more goes at the end. It does not raise for want of a server: the result has
        `success=False` and `errors`. Broken off, by a crash too, it goes on with the next round once the server was reached.
        """
        if not self._connectivity.is_on:
            return _offline_by_hand()
        self._events.tell(SyncEventKind.RESYNC, reason=RESYNC_ASKED_FOR)
        resync = partial(self._round.full_resync, discard_local=discard_local)
        report = await self._rounds.run_alone(partial(self._and_listen, resync))
        self._round_has_ended(has_failed=report.has_failed)
        return report.result

    async def ping(self) -> float:
        """Return the milliseconds a request takes there and back; raises `ConnectionError`, also while offline by hand.

        What it finds is what `is_online` says from then on; a server that answers with an error can be reached.
        """
        if not self._connectivity.is_on:
            raise ConnectionError(OFFLINE_BY_HAND)
        begun = self._store.clock.monotonic()
        try:
            await self._server.health()
        except ConnectionError:
            self._connectivity.observe(is_reachable=False)
            raise
        except (ServerError, AuthError):
            self._connectivity.observe(is_reachable=True)
            raise
        self._connectivity.observe(is_reachable=True)
        return (self._store.clock.monotonic() - begun) * 1000

    async def _probe(self) -> bool:
        try:
            await self.ping()
        except SoliDBError:
            return False
        return True

    async def set_sync_interval(self, seconds: float) -> None:
        """Let this many seconds pass between rounds from now on, until the manager ends."""
        check_interval("seconds", seconds)
        self._interval_seconds = seconds
        if self._loop is not None:
            self._loop.set_interval(seconds)

    def is_syncing(self) -> bool:
        """Return whether a round is running."""
        return self._rounds.is_running

    def is_online(self) -> bool:
        """Return whether the manager is online: not taken offline by hand, and the server was reachable last time."""
        return self._connectivity.is_online

    async def set_online(self, online: bool) -> None:
        """Go offline (no network at all; a running round is broken off at a safe point) or online (syncs at once)."""
        was_on = self._connectivity.is_on
        self._connectivity.switch(is_on=online)
        if not online:
            self._stop_listening()
            await self._rounds.cancel()
            await self._lane.cancel()
        elif self._loop is not None and self._config.auto_sync:
            self._loop.wake_now()
            self._lane.wake_now()
            if not was_on:
                self._listen()

    def _stop_listening(self) -> bool:
        """Hang up the doorbell; returns whether there was one."""
        doorbells = [task for task in self._tasks if task.get_name() == DOORBELL]
        self._tasks = [task for task in self._tasks if task not in doorbells]
        for task in doorbells:
            task.cancel()
        return bool(doorbells)

    def _listen(self) -> None:
        if self._config.live and self._connectivity.is_on and self._loop is not None:
            listening = listen_for_news(
                self._transport,
                self._server.database,
                self._store.client_id,
                ring=self._ring,
                backoff=self._backoff,
                accepted=self._rounds.credentials_accepted,
            )
            self._tasks.append(asyncio.create_task(listening, name=DOORBELL))

    async def _ring(self, ring: Ring) -> None:
        """Take the news if it came along and is all there is; otherwise let the loop ask for it."""
        if ring.page is not None and await self._round.take_news(ring.since, ring.page):
            if any(map(mentions_attachment, ring.page.server_changes)):
                self._lane.wake()
            return
        if self._loop is None:
            return
        if ring.seq is None and not self._connectivity.is_reachable:
            self._loop.wake_now()  # what made the last round fail is over
        elif ring.seq is None or ring.seq > self._view(lambda reader: reader.replica().cursor):
            self._loop.wake()

    async def subscribe(self, col: str, filter: str | None = None, bind_vars: dict[str, Any] | None = None) -> None:
        """Sync a collection from the next round on: the documents that match a filter, or all.

        `filter` is a bare predicate (`status == 'active'`) or a query `FOR x IN col FILTER ... RETURN x`; it takes the place
        of the one before. Raises `FilterError` saying why a text can't be a filter.
        """
        check_collection(col)
        await self._subscribe_to([checked_subscription(col, filter, bind_vars)])

    async def _subscribe_to(self, subscriptions: Sequence[Subscription], *, lift_others: bool = False) -> None:
        """Take subscriptions into the store, all or none; the next round follows."""
        await self._store.commit(lambda engine: subscribe_to(engine, subscriptions, lift_others=lift_others))
        self._something_was_saved()

    async def unsubscribe(self, col: str, *, purge: bool = False) -> None:
        """Stop syncing a collection. Its documents stay; `purge=True` drops those without unsent changes."""
        check_collection(col)
        await self._store.commit(lambda engine: _unsubscribe(engine, col, purge_rows=purge))


def _offline_by_hand() -> SyncResult:
    problem = SyncProblem(ConnectionError.__name__, OFFLINE_BY_HAND, is_retryable=True)
    return SyncResult(success=False, errors=[problem.message], error_details=[problem])


def _unsubscribe(engine: StorageEngine, collection: str, *, purge_rows: bool) -> None:
    exclude(engine, collection)
    if purge_rows:
        purge(engine, collection)
