"""One round with a device: take its changes, tell the others, send what is new to it."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from msgspec import UNSET, UnsetType

from solidb_sync.clock import Clock, iso_text
from solidb_sync.model.delta_policy import DeltaPolicy
from solidb_sync.protocol.limits import RUNS_KEPT
from solidb_sync.protocol.messages import Replica, SentAnswer, SyncAnswer
from solidb_sync.server.apply_changes import PushOutcome, apply_changes, replica_reset
from solidb_sync.server.client_settings import delta_policy, must_register
from solidb_sync.server.collect_changes import Page, PullQuery, collect_changes
from solidb_sync.server.collection_resets import may_hold_something, resets_for
from solidb_sync.server.conflict_records import conflict_id, wire_conflicts
from solidb_sync.server.databases import SMALL_READ_ENTRIES, Database
from solidb_sync.server.history import check_history
from solidb_sync.server.live.doorbell import Doorbell, News
from solidb_sync.server.news_page import NEWS_ENTRIES_MAX, news_page
from solidb_sync.server.storage.backend import ReadSession
from solidb_sync.server.storage.records import ActorState, Echo, Head
from solidb_sync.server.sync_request import SyncCall
from solidb_sync.server.views.commits import commit_of
from solidb_sync.server.views.pull import Pulled, pull_selected, view_call
from solidb_sync.server.views.selection import ViewCall

NO_ECHO = Echo("", 0)


async def sync_round(
    database: Database, call: SyncCall, *, clock: Clock, doorbell: Doorbell, can_pull: bool = True
) -> SentAnswer:
    """Push, then pull; each is left out when there is nothing to do for it."""
    outcome = PushOutcome([])
    if call.changes:
        outcome = await database.write(lambda session: apply_changes(session, call, clock.now_ms()))
        if outcome.is_news:
            news = await _news(database, outcome, doorbell, clock)
            commit = None
            if doorbell.is_selective(database.name):
                commit = await database.read(lambda session: commit_of(session, outcome.newest_before))
            doorbell.ring(database.name, news, call.client_id, commit)
            if database.backend.reads_in_threads:
                await asyncio.sleep(0)  # the listeners go first: the author's answer can wait for their few bytes
    limit = call.limit if can_pull else 0
    is_inline = not database.backend.reads_in_threads
    standing, query, plain = await database.read(
        lambda session: _stand_and_pull(session, call, outcome, limit=limit, is_inline=is_inline)
    )
    head, replica = standing.head, outcome.replica or standing.replica
    if outcome.must_register or standing.must_register:
        return _asking_to_register(call, head, clock)
    if not call.changes and standing.actor is not None:
        outcome.highest, outcome.pushes = standing.actor.highest, standing.actor.pushes
    if replica is not None:
        return _answer(call, head, Page([], call.cursor, False, head.newest), outcome, replica, clock)
    if plain is not None:
        pulled, (resolved, resets) = Pulled(plain[0]), plain[1]
    else:
        pulled = await _pull(database, call, query, standing, clock.now_ms())
        resolved, resets = await _read_events(database, call, pulled.page.cursor)
    database.notes.note(call)
    await database.write_notes_when_due()
    answer = _answer(call, head, pulled.page, outcome, None, clock)
    answer.views, answer.views_lost, answer.resolved = pulled.views, pulled.lost, resolved
    answer.resets, answer.runs = resets, standing.runs
    return answer


_Events = tuple[list[str], list[str] | UnsetType]
"""The conflicts settled, and the collections reset, in the stretch of the log which a device's page is about."""


def _stand_and_pull(
    session: ReadSession, call: SyncCall, outcome: PushOutcome, *, limit: int, is_inline: bool
) -> tuple[_Standing, PullQuery, tuple[Page, _Events] | None]:
    """Return where a device stands and what it asks for; and the page at once, on the same snapshot, where it is plain.

    It is not when the answer has none, when it goes by views, or when it is long and can be read beside the event loop.
    """
    standing = _standing(session, call)
    query = _query(call, standing, outcome, limit)
    has_page = not (outcome.must_register or standing.must_register or outcome.replica or standing.replica)
    is_plain = not limit or (standing.views is None and (standing.is_small or is_inline))
    if not (has_page and is_plain):
        return standing, query, None
    page = collect_changes(session, query)
    return standing, query, (page, _events(session, call, page.cursor))


def _query(call: SyncCall, standing: _Standing, outcome: PushOutcome, limit: int) -> PullQuery:
    return PullQuery(
        cursor=call.cursor,
        limit=limit,
        collections=call.collections,
        echo=NO_ECHO if standing.has_resets else Echo(call.actor, call.acknowledged, *outcome.reported),
        since=call.deltas_since,
        excluded=call.excluded,
        wants_both=not call.protocol,
        policy=standing.policy,
        has_resets=standing.has_resets,
    )


def _events(session: ReadSession, call: SyncCall, upto: int) -> _Events:
    if upto <= call.cursor:
        return [], UNSET
    settled = session.settled_since(call.client_id, after=call.cursor, upto=upto)
    return [conflict_id(change_id) for change_id in settled], resets_for(session, call, upto)


async def _read_events(database: Database, call: SyncCall, upto: int) -> _Events:
    if upto <= call.cursor:
        return [], UNSET
    return await database.read(lambda session: _events(session, call, upto))


async def _news(database: Database, outcome: PushOutcome, doorbell: Doorbell, clock: Clock) -> News:
    """Return what to tell the others: short news to those who can use it at once, instead of another request by each."""
    is_short = outcome.newest - outcome.newest_before <= NEWS_ENTRIES_MAX
    if not is_short or not doorbell.wants_pages(database.name):
        return News(outcome.newest)
    return await database.read(lambda session: news_page(session, outcome.newest_before, clock.now_ms()))


async def _pull(database: Database, call: SyncCall, query: PullQuery, standing: _Standing, now_ms: int) -> Pulled:
    """Read what goes by views, or is long, beside whatever else the server does."""
    if standing.views is not None:
        return await pull_selected(database, standing.views, query, caught_up=call.caught_up, now_ms=now_ms)
    page = await database.ahead.page(
        call.client_id,
        query,
        newest=standing.head.newest,
        read=lambda wanted: database.read(lambda session: collect_changes(session, wanted), is_small=False),
    )
    return Pulled(page)


class _Standing(NamedTuple):
    """Where database and device stand before a pull; `is_small`: little has happened since the device's cursor."""

    head: Head
    actor: ActorState | None
    replica: Replica | None
    is_small: bool
    must_register: bool
    policy: DeltaPolicy
    has_resets: bool
    """Whether the device may be about to drop a whole collection, and with it versions of its own that it knew."""
    views: ViewCall | None = None
    runs: list[str] | UnsetType = UNSET
    """The last runs, for a device that comes from another one."""


def _standing(session: ReadSession, call: SyncCall) -> _Standing:
    """Return where database and device stand; what a push has looked at already is not looked at again."""
    head = session.head()
    actor = session.actor(call.actor)
    check_history(session, call, head, actor)
    is_small = head.newest - call.cursor <= SMALL_READ_ENTRIES or call.limit <= SMALL_READ_ENTRIES // 4
    policy = delta_policy(session, call)
    has_resets = may_hold_something(call) and bool(session.resets_after(min(call.caught_up, call.cursor)))
    views = view_call(session, call)
    runs = session.last_runs(RUNS_KEPT) if call.protocol and call.run != head.run else UNSET
    if call.changes:
        return _Standing(head, actor, None, is_small, False, policy, has_resets, views, runs)
    replica, must = replica_reset(call, actor), must_register(session, call)
    return _Standing(head, actor, replica, is_small, must, policy, has_resets, views, runs)


def _asking_to_register(call: SyncCall, head: Head, clock: Clock) -> SentAnswer:
    """Return the answer to a request that names other settings than the server holds of its device."""
    answer = _answer(call, head, Page([], call.cursor, False, head.newest), PushOutcome([]), None, clock)
    answer.register = True
    return answer


def _answer(
    call: SyncCall, head: Head, page: Page, outcome: PushOutcome, replica: Replica | None, clock: Clock
) -> SentAnswer:
    version = {**page.authors, "server": page.cursor}
    if outcome.highest:
        version[call.actor] = outcome.highest
    return SyncAnswer(
        server_version=version,
        server_changes=page.changes,
        conflicts=wire_conflicts(outcome.conflicts),
        results=outcome.results,
        cursor=page.cursor,
        has_more=page.has_more,
        target_seq=page.target_seq,
        epoch=head.epoch,
        run=head.run,
        server_time=iso_text(clock.now_ms()),
        pushes=outcome.pushes,
        replica=replica,
        floor=head.floor or UNSET,
        hlc=head.stamp,
    )
