"""One round of sync: send what is pending, take what is new, until nothing is left of either.

The walk: `_exchange` sends one request (changes and a page in one) -> `_record` writes results, conflicts, page and
cursor in one transaction -> again while there is more. While one answer is being written to the disk, the next request is
already on its way; it is written only after the one before it. Every loop is bounded, and an answer that neither settles a
change nor moves the cursor ends the round with an error instead of asking for ever.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from solidb_sync.client.config import SyncConfig
from solidb_sync.client.conflict_handling import ConflictHandling
from solidb_sync.client.conflict_refetch import fetch_again_if_due
from solidb_sync.client.conflicts import public_conflict
from solidb_sync.client.delta_stats import NO_DELTAS
from solidb_sync.client.incarnation import applied_changes, finish_resync, new_incarnation
from solidb_sync.client.known_floors import BELOW_FLOOR, has_sent_below, known_floors
from solidb_sync.client.known_views import (
    KnownView,
    adopt_filters,
    begin_again,
    known_views,
    must_adopt,
    settle_view,
    with_numbers,
)
from solidb_sync.client.news import apply_news
from solidb_sync.client.notifications import Notifications
from solidb_sync.client.pull_progress import PullProgress, SyncProgress
from solidb_sync.client.record_answer import Ask, Recorded, RoundOutcome, checked, record_answer, settles_everything
from solidb_sync.client.scope import NOT_BEGUN, Scope, adopt_scope, begin_backfill, end_backfill, wanted_scope
from solidb_sync.client.server_calls import ServerCalls
from solidb_sync.client.sync_events import SyncEventKind, SyncEvents
from solidb_sync.client.sync_states import SyncStates
from solidb_sync.client.too_large import is_undividable, set_too_large_aside
from solidb_sync.client.wanted_settings import WantedSettings, has_registered, note_registered, wanted_settings
from solidb_sync.errors import ProtocolError, ResyncRequiredError, ServerError, StorageError
from solidb_sync.protocol.client_settings import DEFAULT_SETTINGS
from solidb_sync.protocol.limits import KNOWN_IDS_MAX, PROTOCOL, PULL_CHANGES_DEFAULT
from solidb_sync.protocol.messages import ReceivedAnswer, SyncRequest
from solidb_sync.storage.departures import drop_doubted
from solidb_sync.storage.edits import DocumentChanged
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.inbox import Page
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.outbox import Applied, Batch, has_pending, next_batch
from solidb_sync.storage.pending_change import public_change
from solidb_sync.storage.records import ChangeState, Mark, Replica, StoredChange
from solidb_sync.storage.seen_runs import note_runs

REQUESTS_PER_ROUND_MAX = 100_000
NEW_INCARNATIONS_PER_ROUND_MAX = 3
REGISTRATIONS_PER_ROUND_MAX = 3
VIEWS_BEGUN_AGAIN_MAX = 3
PAYLOAD_TOO_LARGE = 413
NOTHING = Batch([], [], is_last=True)


class _ViewsLost(Exception):  # noqa: N818 - caught in this module
    """The server can't go by the views of these collections."""

    def __init__(self, collections: list[str]) -> None:
        super().__init__(collections)
        self.collections = collections


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a round stands ahead of the store: the cursor it reads from, and the last change it has sent."""

    cursor: int
    sent_upto: int = 0
    whole: bool = False
    has_unrecorded_results: bool = False

    def after(self, ask: Ask, answer: ReceivedAnswer) -> _Position:
        """Return the position after an answer that settled every change of its request."""
        return _Position(
            cursor=answer.cursor if ask.limit else self.cursor,
            sent_upto=ask.batch.changes[-1].id if ask.batch.changes else self.sent_upto,
            whole=self.whole,
            has_unrecorded_results=bool(ask.batch.changes),
        )


@dataclass(frozen=True, slots=True)
class _Recording:
    """An answer on its way to the disk, and what it answers."""

    ask: Ask
    task: asyncio.Future[Recorded]

    async def result(self) -> Recorded:
        """Return what recording did; raises `ProtocolError` when the answer led nowhere."""
        return checked(self.ask, await self.task)


class SyncRound:
    """Runs rounds over one store and one server; never two at a time (the manager sees to that)."""

    def __init__(
        self,
        store: LocalStore,
        server: ServerCalls,
        notifications: Notifications,
        events: SyncEvents,
        conflicts: ConflictHandling,
        *,
        states: SyncStates,
        config: SyncConfig,
    ) -> None:
        self._store = store
        self._server = server
        self._notifications = notifications
        self._events = events
        self._conflicts = conflicts
        self._states = states
        self._config = config
        self._batch_size = config.batch_size
        self._push_size = config.batch_size
        """Fewer after a 413: something on the way takes smaller bodies than the server does."""
        self._carried: Sequence[StoredChange] = ()
        self._configured = config.collections
        self._wanted = WantedSettings(DEFAULT_SETTINGS, "")
        self._scope = Scope(None)
        self._outcome = RoundOutcome()
        self._incarnations = 0
        self._registrations = 0
        self._pushes = 0
        self._views: dict[str, KnownView] = {}
        self._alone = asyncio.Lock()
        self._server_run = ""
        self._floors: dict[str, int] = {}
        self._pulling: PullProgress | None = None
        self.progress: SyncProgress | None = None
        """How far the pull of this round has come, when it takes several pages."""
        self.last_deltas = NO_DELTAS
        """What the last round moved, in fields and in whole documents."""

    async def run(self, outcome: RoundOutcome) -> None:
        """Drain the outbox and pull to the end, adding to `outcome`; raises whatever stopped it, with nothing lost."""
        async with self._alone:
            try:
                await self._run(outcome)
            finally:
                self.progress = self._pulling = None

    async def take_news(self, since: int, answer: ReceivedAnswer) -> bool:
        """Apply a page that came without being asked for, and return whether it was the right one.

        It is when this device had everything up to `since`. While a round runs it is not looked at, because the round's own
        pages begin where this one would.
        """
        if self._alone.locked():
            return False
        async with self._alone:
            wants_facts = self._notifications.has_listeners
            page = Page(since, answer.cursor, answer.server_changes, is_last=True)
            try:
                applied = await self._store.commit(lambda engine: apply_news(engine, page, answer, wants_facts=wants_facts))
            except (StorageError, ProtocolError):
                return False
        if applied is None:
            return False
        self._notifications.publish(applied.facts)
        self._states.look_at_known((change.collection, change.key) for change in answer.server_changes)
        return True

    async def _run(self, outcome: RoundOutcome) -> None:
        self._outcome = outcome
        self.last_deltas = NO_DELTAS
        self._incarnations = self._registrations = 0
        for _ in range(VIEWS_BEGUN_AGAIN_MAX + 1):
            try:
                await self._walk()
            except _ViewsLost as problem:
                await self._store.commit(partial(begin_again, collections=problem.collections))
            else:
                return
        raise ProtocolError(f"the server did not know the views it began {VIEWS_BEGUN_AGAIN_MAX} times in a row")

    async def _walk(self) -> None:
        """Catch up with what is asked for anew, then drain."""
        self._wanted = self.wanted_settings()
        replica, self._scope, backfills = self._store.view(self._standing)
        self._pushes, self._server_run = replica.pushes, replica.run
        self._floors = self._store.view(known_floors)
        if replica.covered != (None if self._scope.names is None else tuple(sorted(self._scope.names))):
            await self._store.commit(lambda engine: adopt_scope(engine, self._scope))
        await self._adopt_filters()
        backfills = self._store.view(lambda reader: reader.backfills())
        if self._must_renew():
            await self._begin_incarnation()
        for collection, cursor in backfills.items():
            await self._catch_up(collection, is_begun=cursor != NOT_BEGUN)
        await self._drain_in_portions()
        if self._store.view(lambda reader: reader.replica().is_resyncing):
            await self._store.commit(finish_resync)
        if self._store.view(lambda reader: reader.has_marks(Mark.DOUBTED)):
            self._notifications.publish(await self._store.commit(drop_doubted))
        await fetch_again_if_due(self._store, self._server)
        self._conflicts.offer_open()

    async def _adopt_filters(self) -> None:
        """Let the views this device goes by follow its filters; those that are new catch up first."""
        filters, scope = self._wanted.settings.filters, self._scope
        if self._store.view(lambda reader: must_adopt(reader, filters)):
            await self._store.commit(lambda engine: adopt_filters(engine, filters, scope))
        self._views = self._store.view(known_views)

    async def check_history(self) -> None:
        """Ask the server whether it still has what this device has seen; raises `ResyncRequiredError` when it has not."""
        self._wanted = self.wanted_settings()
        self._registrations = 0
        replica, self._scope, _ = self._store.view(self._standing)
        self._pushes, self._server_run = replica.pushes, replica.run
        await self._exchange(Ask(NOTHING, b"", replica.cursor, 0))

    def wanted_settings(self) -> WantedSettings:
        """Return what this device asks the server for, as things stand now."""
        return self._store.view(lambda reader: wanted_settings(reader, self._config))

    def _standing(self, reader: EngineReader) -> tuple[Replica, Scope, dict[str, int]]:
        return reader.replica(), wanted_scope(reader, self._configured), reader.backfills()

    async def _catch_up(self, collection: str, *, is_begun: bool) -> None:
        """Bring a collection that joined later up to the cursor of the others."""
        if not is_begun:
            await self._store.commit(lambda engine: begin_backfill(engine, collection))
        for _ in range(REQUESTS_PER_ROUND_MAX):
            cursor = self._store.view(lambda reader: reader.backfills().get(collection, 0))
            ask = Ask(NOTHING, b"", cursor, self._batch_size, whole=True, collection=collection)
            answer = await self._exchange(ask)
            if answer.replica is not None:
                await self._begin_incarnation()  # the answer is empty, which is not the end of the collection
                continue
            if answer.views_lost:
                raise _ViewsLost(answer.views_lost)
            checked(ask, await self._record(ask, answer))
            if not answer.has_more:
                await self._store.commit(lambda engine: _end_catching_up(engine, collection))
                self._views = self._store.view(known_views)
                return
        raise ProtocolError(f"{collection}: more than {REQUESTS_PER_ROUND_MAX} pages")

    async def _drain_in_portions(self) -> None:
        """Drain; a batch that is too large for something on the way goes in halves, and what can't be divided aside."""
        for _ in range(REQUESTS_PER_ROUND_MAX):
            try:
                return await self._drain()
            except ServerError as problem:
                if problem.status != PAYLOAD_TOO_LARGE or not self._carried:
                    raise
                if is_undividable(self._carried):
                    await self._set_too_large_aside(problem)
                else:
                    self._push_size = max(1, len(self._carried) // 2)
        raise ProtocolError(f"a round of more than {REQUESTS_PER_ROUND_MAX} requests")

    async def _set_too_large_aside(self, problem: ServerError) -> None:
        did = RoundOutcome()
        did.rejected = await set_too_large_aside(self._store, self._server, self._carried, problem)
        self._outcome.rejected += did.rejected
        if self._events.has_listeners:
            self._tell(did)

    async def _drain(self) -> None:
        at = _Position(self._cursor())
        recording: _Recording | None = None
        ahead: Ask | None = None
        try:
            for _ in range(REQUESTS_PER_ROUND_MAX):
                ask = ahead or self._next_ask(at)
                if self._must_renew():
                    if recording is not None:
                        await recording.result()
                    await self._begin_incarnation()
                    at, recording, ahead = _Position(self._cursor()), None, None
                    continue
                if recording is not None and ask.limit and at.has_unrecorded_results:
                    await recording.result()  # which echoes the page may leave out depends on what is recorded
                answer, ahead = await self._exchange_and_read_ahead(at, ask)
                page_is_stale = recording is not None and (await recording.result()).needs_whole
                if answer.replica is not None:
                    await self._begin_incarnation()
                    at, recording, ahead = _Position(self._cursor()), None, None
                    continue
                if answer.views_lost:
                    await self._record(dataclasses.replace(ask, limit=0), answer)
                    raise _ViewsLost(answer.views_lost)
                if not page_is_stale and settles_everything(ask, answer):
                    at = at.after(ask, answer)
                    if answer.has_more or not ask.limit or self._has_pending(at.sent_upto):
                        recording = _Recording(ask, asyncio.ensure_future(self._record(ask, answer)))
                        continue
                recorded = checked(ask, await self._record(ask, answer))
                recording, ahead = None, None
                at = _Position(self._cursor(), whole=page_is_stale or recorded.needs_whole)
                if not (at.whole or answer.has_more or not ask.limit or self._has_pending(0)):
                    return
        finally:
            if recording is not None:
                await asyncio.gather(recording.task, return_exceptions=True)
        raise ProtocolError(f"a round of more than {REQUESTS_PER_ROUND_MAX} requests")

    def _next_ask(self, at: _Position) -> Ask:
        """Return the next request."""
        return self._store.view(lambda reader: self._read_ask(reader, at, at.sent_upto))

    async def _exchange_and_read_ahead(self, at: _Position, ask: Ask) -> tuple[ReceivedAnswer, Ask | None]:
        """Send a request; while one that is not the last of a backlog is on its way, read the next."""
        if ask.limit:
            return await self._exchange(ask), None
        return await asyncio.gather(self._exchange(ask), self._ask_ahead(at, ask))

    async def _ask_ahead(self, at: _Position, ask: Ask) -> Ask:
        sent_upto = ask.batch.changes[-1].id
        if not self._store.scans_in_threads:
            return self._store.scan(lambda reader: self._read_ask(reader, at, sent_upto))
        return await asyncio.to_thread(self._store.scan, lambda reader: self._read_ask(reader, at, sent_upto))

    def _read_ask(self, reader: EngineReader, at: _Position, sent_upto: int) -> Ask:
        """Read the changes of the next request; only the one that carries the last of them also asks for a page."""
        covered = self._scope.limits
        policy = self._wanted.delta_policy
        batch = next_batch(reader, count=self._push_size, after=sent_upto, covered=covered, policy=policy)
        return Ask(batch, batch.text(), at.cursor, self._batch_size if batch.is_last else 0, at.whole)

    def _has_pending(self, after: int) -> bool:
        return self._store.view(lambda reader: has_pending(reader, after=after, covered=self._scope.limits))

    def _must_renew(self) -> bool:
        """Return whether something was saved, since the round began, that may not go out under the present actor."""
        return self._store.view(lambda reader: reader.replica().must_renew)

    def _cursor(self) -> int:
        return self._store.view(lambda reader: reader.replica().cursor)

    async def _exchange(self, ask: Ask) -> ReceivedAnswer:
        replica = self._store.view(lambda reader: reader.replica())
        self._carried = ask.batch.changes
        answer = await self._server.sync(self._request(ask, replica), ask.changes)
        while answer.register:
            await self._register()
            answer = await self._server.sync(self._request(ask, replica), ask.changes)
        if replica.epoch and answer.epoch != replica.epoch:
            raise ResyncRequiredError(
                f"the server's database is another one than before (epoch {answer.epoch}, not {replica.epoch})",
                reason="other_database",
            )
        self._server_run = answer.run
        if answer.runs:
            await self._store.commit(partial(note_runs, runs=answer.runs))
        if ask.collection is None and answer.replica is None:
            self._pushes = answer.pushes
        self._views = with_numbers(self._views, answer.views)
        if ask.limit and not ask.cursor:
            self._floors[ask.collection or ""] = answer.floor or 0
            self._check_floor(ask, replica, answer.floor or 0)
        if ask.limit and (answer.cursor < ask.cursor or (answer.has_more and answer.cursor == ask.cursor)):
            raise ProtocolError(f"cursor: {answer.cursor} leads nowhere from {ask.cursor}, the one asked from")
        return answer

    def _check_floor(self, ask: Ask, replica: Replica, floor: int) -> None:
        """Raise when what this device sent, before it first fetched, may have been deleted and forgotten since."""
        if ask.collection is not None or replica.is_resyncing or not floor:
            return
        if self._store.view(partial(has_sent_below, floor=floor)):
            raise ResyncRequiredError(
                f"deletions up to {floor} are forgotten, and this device sent before", reason=BELOW_FLOOR
            )

    def _request(self, ask: Ask, replica: Replica) -> SyncRequest:
        actor = replica.actor
        horizon = max(replica.horizon, replica.cursor)
        request = SyncRequest(
            client_id=replica.client_id,
            protocol=PROTOCOL,
            actor="" if actor == replica.client_id else actor,
            last_counter=replica.counter,
            epoch=replica.epoch,
            version_vector={"server": ask.cursor},
            settled=0 if ask.collection else replica.settled,
            limit=None if ask.limit == PULL_CHANGES_DEFAULT else ask.limit,
            full=ask.whole or replica.is_resyncing,
            caught_up=replica.caught_up,
            pushes=self._pushes if ask.collection is None else None,
            settings=self._wanted.hash,
            run=self._server_run,
            horizon=horizon if horizon > ask.cursor else 0,
            floor=self._floors.get(ask.collection or "", 0) if ask.cursor else 0,
            stable=replica.stable if replica.stable < ask.cursor else None,
            stored=replica.cursor if replica.cursor != ask.cursor and ask.collection is None else None,
        )
        request.views = {name: view.number for name, view in self._views.items() if ask.collection in (None, name)}
        if ask.collection is not None:
            request.collections = [ask.collection]
            request.view_base = self._views[ask.collection].base if ask.collection in self._views else None
        elif self._scope.names is not None:
            request.collections = sorted(replica.covered or ())
        elif self._scope.excluded:
            request.excluded = sorted(self._scope.excluded)
        return request

    async def _record(self, ask: Ask, answer: ReceivedAnswer) -> Recorded:
        """Write an answer to the store: results, conflicts, page and cursor in one transaction."""
        stamp = self._store.stamp()
        wants_facts = self._notifications.has_listeners

        def work(engine: StorageEngine) -> tuple[Recorded, RoundOutcome, list[DocumentChanged]]:
            return record_answer(engine, ask, answer, stamp=stamp, wants_facts=wants_facts)

        recorded, did, facts = await self._store.commit(work)
        self._notifications.publish(facts)
        self._outcome.pulled += did.pulled
        self._outcome.pushed += did.pushed
        self._outcome.conflicts += did.conflicts
        self._conflicts.offer(did.conflicts)
        self._outcome.rejected += did.rejected
        self._outcome.deltas = self.last_deltas = self._outcome.deltas + did.deltas
        self._note_progress(ask, answer, did)
        self._look_at_states(ask, answer, did)
        if self._events.has_listeners:
            self._tell(did)
        return recorded

    def _look_at_states(self, ask: Ask, answer: ReceivedAnswer, did: RoundOutcome) -> None:
        """Have listeners told how the documents stand that an answer was about."""
        if self._states.has_listeners:
            self._states.look_at((change.collection, change.key) for change in (*ask.batch.changes, *did.rejected))
            self._states.look_at((conflict.collection, conflict.key) for conflict in did.conflicts)
            self._states.look_at_known((change.collection, change.key) for change in answer.server_changes)

    def _note_progress(self, ask: Ask, answer: ReceivedAnswer, did: RoundOutcome) -> None:
        """Keep, and tell, how far a pull of several pages has come."""
        if not ask.limit or ask.collection is not None:
            return
        if self._pulling is None:
            if not answer.has_more:
                return
            self._pulling = PullProgress(ask.cursor, self._store.clock.monotonic)
        progress = self._pulling.page(
            cursor=answer.cursor,
            target=max(answer.target_seq, answer.cursor),
            documents=did.pulled,
            content_bytes=did.deltas.delta_size,
        )
        if progress is not None:
            self.progress = progress
            self._events.tell(SyncEventKind.SYNC_PROGRESS, progress=progress)

    def _tell(self, did: RoundOutcome) -> None:
        """Tell of what one answer brought that somebody may have to look at."""
        for conflict in did.conflicts:
            self._events.tell(SyncEventKind.CONFLICT, conflict=public_conflict(conflict))
        for change in did.rejected:
            self._events.tell(SyncEventKind.REJECTED, message=change.reason, change=public_change(change))

    async def _register(self) -> None:
        """Tell the server what this device asks for; it holds something else."""
        self._registrations += 1
        if self._registrations > REGISTRATIONS_PER_ROUND_MAX:
            raise ProtocolError(f"the server did not take the settings it was told {REGISTRATIONS_PER_ROUND_MAX} times")
        wanted = self._wanted
        again = self._store.view(lambda reader: has_registered(reader, wanted))
        await self._server.register(self._store.client_id, settings=wanted.settings, again=again)
        if not again:
            await self._store.commit(lambda engine: note_registered(engine, wanted))

    async def _begin_incarnation(self) -> None:
        """Go on under a new actor: this store's history and the server's have parted (restored or copied store)."""
        self._incarnations += 1
        if self._incarnations > NEW_INCARNATIONS_PER_ROUND_MAX:
            raise ProtocolError(f"the server refused {NEW_INCARNATIONS_PER_ROUND_MAX} new incarnations in a row")
        replica = self._store.view(lambda reader: reader.replica())
        pending = self._store.view(lambda reader: reader.changes(state=ChangeState.PENDING))
        known: dict[str, Applied] = {}
        incarnation = 0
        for start in range(0, len(pending) or 1, KNOWN_IDS_MAX):
            ids = [change.change_id for change in pending[start : start + KNOWN_IDS_MAX]]
            answer = await self._server.register(
                replica.client_id,
                actor=replica.actor,
                reset=start == 0,
                known=ids,
                settings=self._wanted.settings,
            )
            known.update(applied_changes(answer))
            incarnation = max(incarnation, answer.incarnation)
        await self._store.commit(lambda engine: new_incarnation(engine, incarnation, known))
        self._pushes = 0


def _end_catching_up(engine: StorageEngine, collection: str) -> None:
    end_backfill(engine, collection)
    settle_view(engine, collection)
