"""Rounds that help themselves when this replica and the server no longer share a history.

The server proves it with an answer 410 and its reason. *Below the floor*: it has forgotten deletions which this device was
never told of, so everything is fetched again, with unsent edits kept. *Lost history*, or *another database* under the same
name: a backup was restored there, or its files are new. Then this device may hold what exists nowhere else: under a new
incarnation it first offers all it has (`storage/offers`), which the server takes as far as it adds anything, and then
fetches everything again. Each recovery can be broken off anywhere and goes on with the next round.
"""

from __future__ import annotations

import asyncio
import logging

from solidb_sync.client.author import Author
from solidb_sync.client.delta_stats import DeltaStats
from solidb_sync.client.incarnation import new_incarnation
from solidb_sync.client.known_floors import BELOW_FLOOR
from solidb_sync.client.known_views import forget_views
from solidb_sync.client.other_user import OTHER_USER, go_on_as_other_user
from solidb_sync.client.pull_progress import SyncProgress
from solidb_sync.client.record_answer import RoundOutcome
from solidb_sync.client.resync import known_changes, restart
from solidb_sync.client.server_calls import ServerCalls
from solidb_sync.client.sync_events import SyncEventKind, SyncEvents
from solidb_sync.client.sync_round import SyncRound
from solidb_sync.errors import ForbiddenError, OtherUserError, ProtocolError, ResyncRequiredError
from solidb_sync.protocol.limits import CHANGES_PER_BATCH_MAX, PROTOCOL
from solidb_sync.protocol.messages import OfferAnswer, OfferRequest, ReceivedAnswer
from solidb_sync.storage.conflict_log import record_conflicts
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.offers import KeysAhead, OfferPage, begin_offering, next_offers, note_offered
from solidb_sync.storage.records import StoredConflict
from solidb_sync.storage.seen_runs import seen_runs

RECOVERIES_PER_ROUND_MAX = 3
OFFERS_PER_ROUND_MAX = 100_000

_logger = logging.getLogger("solidb_sync")


class RecoveringRound:
    """Runs rounds, and in them whatever recovery the server asks for."""

    def __init__(
        self, store: LocalStore, server: ServerCalls, sync_round: SyncRound, events: SyncEvents, *, author: Author
    ) -> None:
        self._author = author
        self._store = store
        self._events = events
        self._server = server
        self._round = sync_round

    async def run(self, outcome: RoundOutcome) -> None:
        """Run a round to its end, recovering at most so many times; raises whatever stopped it, with nothing lost."""
        for _ in range(RECOVERIES_PER_ROUND_MAX):
            try:
                await self._offer_everything(outcome)
                await self._round.run(outcome)
            except OtherUserError as problem:
                await self._go_on_as_other_user(problem)
            except ResyncRequiredError as problem:
                _logger.warning("%s: recovering (%s): %s", self._store.device_id, problem.reason or "unnamed", problem)
                await self._recover(problem)
            else:
                return
        raise ProtocolError(f"the server asked for {RECOVERIES_PER_ROUND_MAX} recoveries in one round")

    @property
    def progress(self) -> SyncProgress | None:
        """How far the pull of the round has come, when it takes several pages."""
        return self._round.progress

    @property
    def last_deltas(self) -> DeltaStats:
        """What the last round moved, in fields and in whole documents."""
        return self._round.last_deltas

    async def take_news(self, since: int, answer: ReceivedAnswer) -> bool:
        """Apply a page that came with a ring, unless this store is not where it begins; see `SyncRound.take_news`."""
        return await self._round.take_news(since, answer)

    async def full_resync(self, outcome: RoundOutcome, *, discard_local: bool) -> None:
        """Fetch everything again; a server that has lost what is here is offered it first, unless it is to be discarded."""
        if discard_local:
            try:
                await self._restart(discard_local=True)
            except OtherUserError as problem:
                await self._go_on_as_other_user(problem)
                await self._restart(discard_local=True)
        else:
            try:
                if self._store.view(lambda reader: reader.replica()).epoch:
                    await self._round.check_history()
            except ResyncRequiredError as problem:
                await self._recover(problem)
            except OtherUserError as problem:
                await self._go_on_as_other_user(problem)
            else:
                await self._restart(discard_local=False)
        await self.run(outcome)

    async def _restart(self, *, discard_local: bool) -> None:
        """Forget the cursor and begin anew."""
        settings = self._round.wanted_settings().settings
        await restart(self._store, self._server, settings, discard_local=discard_local)

    async def _recover(self, problem: ResyncRequiredError) -> None:
        if problem.reason == BELOW_FLOOR:
            await self._restart(discard_local=False)
            self._tell(problem)
            return
        settings = self._round.wanted_settings().settings
        answer, known = await known_changes(self._store, self._server, settings, with_held=True)

        def work(engine: StorageEngine) -> None:
            begin_offering(engine, known, epoch=answer.epoch)
            new_incarnation(engine, answer.incarnation, known, has_server_lost=True)
            forget_views(engine)

        await self._store.commit(work)
        self._tell(problem)

    async def _go_on_as_other_user(self, problem: OtherUserError) -> None:
        settings, author = self._round.wanted_settings().settings, self._author.name
        told = await go_on_as_other_user(self._store, self._server, settings, problem, author=author)
        _logger.warning("%s: %s", self._store.device_id, told)
        self._events.tell(SyncEventKind.RESYNC, reason=OTHER_USER, message=told)

    def _tell(self, problem: ResyncRequiredError) -> None:
        self._events.tell(SyncEventKind.RESYNC, reason=problem.reason, message=str(problem))

    async def _offer_everything(self, outcome: RoundOutcome) -> None:
        """Offer what is left to offer; nothing when no offering has been begun."""
        ahead = KeysAhead()
        for _ in range(OFFERS_PER_ROUND_MAX):
            if not self._store.view(lambda reader: reader.replica()).offered:
                return
            page = await self._next_page(ahead)
            try:
                answer = await self._offer(page)
            except OtherUserError:
                raise
            except ForbiddenError:  # a key that may only read: nothing of this device's own can be missing there
                replica = self._store.view(lambda reader: reader.replica())
                answer = OfferAnswer(0, [], replica.epoch, replica.run, replica.horizon, "")
                page = OfferPage([], page.upto, is_last=True)
            outcome.conflicts += await self._note(page, answer)
        raise ProtocolError(f"more than {OFFERS_PER_ROUND_MAX} pages were offered")

    async def _next_page(self, ahead: KeysAhead) -> OfferPage:
        def read(reader: EngineReader) -> OfferPage:
            return next_offers(reader, ahead, count=CHANGES_PER_BATCH_MAX)

        if not self._store.scans_in_threads:
            return self._store.scan(read)
        return await asyncio.to_thread(self._store.scan, read)

    async def _offer(self, page: OfferPage) -> OfferAnswer:
        replica = self._store.view(lambda reader: reader.replica())
        actor = replica.actor
        return await self._server.offer(
            OfferRequest(
                client_id=replica.client_id,
                protocol=PROTOCOL,
                actor="" if actor == replica.client_id else actor,
                epoch=replica.epoch,
                run=replica.run,
                horizon=replica.horizon,
                runs=self._store.view(seen_runs),
                documents=page.documents,
            )
        )

    async def _note(self, page: OfferPage, answer: OfferAnswer) -> list[StoredConflict]:
        stamp = self._store.stamp()

        def work(engine: StorageEngine) -> list[StoredConflict]:
            conflicts = record_conflicts(engine, answer.conflicts, stamp)
            note_offered(engine, page, run=answer.run, newest=answer.newest)
            return conflicts

        return await self._store.commit(work)
