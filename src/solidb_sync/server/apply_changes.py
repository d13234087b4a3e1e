"""Apply the changes of one request to a database, inside one transaction.

The rules are those of docs/PROTOCOL.md, in their order. Everything is judged in memory over a `WorkingSet` and written
in bulk at the end; whatever raises leaves nothing behind, because the caller's transaction is taken back. Nothing here
outlives the request: another request may share the commit, and sees the outcome through the database only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby

from solidb_sync.protocol.limits import PROTOCOL
from solidb_sync.protocol.messages import ChangeError, ChangeResult, Replica
from solidb_sync.server.client_settings import must_register
from solidb_sync.server.collection_resets import dropped_since
from solidb_sync.server.history import check_history
from solidb_sync.server.judge_change import CounterReused, Verdict, encode_error, judge_change
from solidb_sync.server.plain_batch import PlainBatch
from solidb_sync.server.proposed_change import ProposedChange
from solidb_sync.server.storage.backend import WriteSession
from solidb_sync.server.storage.records import ActorState, ConflictRecord, Head
from solidb_sync.server.strategy_choice import StrategyChoice
from solidb_sync.server.sync_request import SyncCall, proposed_changes
from solidb_sync.server.views.selection import take_into_views
from solidb_sync.server.working_set import APPLIED_STATUSES, UNSETTLED_STATUSES, WorkingSet

ANSWERS_LOST_MAX = 2
"""How many answers a device can have lost at once: it sends the next push while it writes down the answer to the last."""


@dataclass(slots=True)
class PushOutcome:
    """What became of the changes, in their order; `highest` is the actor's highest counter taken afterwards.

    `reported` are the first and the last counter that this outcome reports as applied: their author knows those versions.
    """

    results: list[ChangeResult]
    conflicts: list[ConflictRecord] = field(default_factory=list)
    replica: Replica | None = None
    highest: int = 0
    reported: tuple[int, int] = (0, 0)
    newest: int = 0
    newest_before: int = 0
    pushes: int = 0
    is_news: bool = False
    """True when a document changed."""
    must_register: bool = False
    """True when nothing was done, because the device names other settings than the server holds of it."""


def apply_changes(session: WriteSession, call: SyncCall, now_ms: int) -> PushOutcome:
    """Judge and write every change of a request; raises `RequestRefused` when the histories differ, with no effect."""
    head = session.head()
    actor = session.actor(call.actor) or ActorState(call.actor, call.client_id, 0, False)
    check_history(session, call, head, actor)
    if must_register(session, call):
        return PushOutcome([], must_register=True)
    if isinstance(call.changes, PlainBatch):
        outcome = _apply_plain(session, call, call.changes, head=head, actor=actor, now_ms=now_ms)
        if outcome is not None:
            take_into_views(session, call.client_id, after=head.newest)
            return outcome
        changes = proposed_changes(call.changes.wires, call.client_id)
    else:
        changes = call.changes
    working = WorkingSet(session, head, actor, now_ms, stored=call.stored, settings_hash=call.named_settings)
    working.load(changes)
    sending = _sending(working, call, changes)
    replica = replica_reset(call, actor, is_sent_again=sending is not Sending.NEW)
    if replica is None and actor.is_fenced and not all(change.id in working.known for change in changes):
        replica = Replica("fenced", f"{call.actor!r} has used one counter for two changes")
    if replica is not None:
        return PushOutcome(
            _skipped(changes), replica=replica, highest=actor.highest, newest=head.newest, pushes=actor.pushes
        )
    outcome = _apply_in_order(working, changes, call.acknowledged)
    working.finish(call.client_id)
    outcome.conflicts = _conflicts_in_order(session, outcome)
    outcome.highest, outcome.newest, outcome.pushes = working.highest, working.newest, working.pushes
    if sending is Sending.PART_AGAIN and call.pushes is not None:
        outcome.pushes = min(call.pushes, working.pushes)
    outcome.newest_before = head.newest
    outcome.is_news = working.newest > head.newest
    if outcome.is_news:
        take_into_views(session, call.client_id, after=head.newest)
    return outcome


def _conflicts_in_order(session: WriteSession, outcome: PushOutcome) -> list[ConflictRecord]:
    """Return the conflicts of a push as they stand after it, those met in an earlier sending too, in the order of changes.

    A later one about the same document takes the place of an earlier one: in another order, its device would take the
    wrong one for open.
    """
    again = [result.change_id for result in outcome.results if result.original == "conflict"]
    if not again:
        return outcome.conflicts
    known = {record.change_id: record for record in [*outcome.conflicts, *session.conflicts_of(again)]}
    return [known[result.change_id] for result in outcome.results if result.change_id in known]


def _apply_plain(
    session: WriteSession, call: SyncCall, batch: PlainBatch, *, head: Head, actor: ActorState, now_ms: int
) -> PushOutcome | None:
    """Write a batch of new documents as a whole; None, with no effect, when any of it has to be looked at singly."""
    if (
        actor.is_fenced
        or batch.first_counter <= actor.highest
        or replica_reset(call, actor)
        or session.unsettled(call.actor)
        or not dropped_since(session, call.stored).isdisjoint(batch.collections)
        or StrategyChoice.of(session, call.client_id, call.named_settings).goes_by_stamps(batch.collections)
    ):
        return None
    if not session.add_new_documents(batch.text, batch.collections, actor=call.actor, newest=head.newest, now_ms=now_ms):
        return None
    newest, pushes = head.newest + len(batch.ids), actor.pushes + 1
    session.save_newest(newest)
    session.save_actor(ActorState(call.actor, call.client_id, batch.last_counter, False, pushes))
    return PushOutcome(
        [ChangeResult(change_id, "applied", seq) for seq, change_id in enumerate(batch.ids, start=head.newest + 1)],
        highest=batch.last_counter,
        reported=(batch.first_counter, batch.last_counter),
        newest=newest,
        newest_before=head.newest,
        pushes=pushes,
        is_news=True,
    )


class Sending(Enum):
    """What a push shows of what its device knows to have been sent.

    AGAIN: its answer was lost, it has the newest change that was taken. PART_AGAIN: so it seems, but that one is not in it.
    """

    NEW = 0
    PART_AGAIN = 1
    AGAIN = 2


def _sending(working: WorkingSet, call: SyncCall, changes: list[ProposedChange]) -> Sending:
    """Return whether a push is sent again: it begins with a change taken under the dot it is sent with.

    Under another dot it proves nothing: a restored store also gives new dots to what it had not sent when it was copied. And
    what goes on behind the newest change that was taken has that one, too: a copy of the store that has changes of its own
    behind the common ones has not. A part of what was sent is told apart by what follows it, so until then the device is not
    told of pushes that may be its twin's.
    """

    def is_taken(change: ProposedChange) -> bool:
        known = working.known.get(change.id)
        return known is not None and (known.actor, known.counter) == (call.actor, change.counter)

    if not changes or not is_taken(changes[0]):
        return Sending.NEW
    if any(change.counter == working.highest and is_taken(change) for change in changes):
        return Sending.AGAIN
    goes_on = any(change.counter > working.highest for change in changes)
    return Sending.NEW if goes_on else Sending.PART_AGAIN


def replica_reset(call: SyncCall, actor: ActorState | None, *, is_sent_again: bool = False) -> Replica | None:
    """Return why this life of the store has to end when the server has seen more of it than it knows of itself.

    That is so when it knows a higher counter, or more pushes than the device knows to have been taken. A push whose
    answer was lost is not that: it is sent again, and so the request begins with a change the server knows.
    """
    if call.protocol < PROTOCOL or actor is None:
        return None
    known = max(actor.highest, actor.seen)
    if call.last_counter < known:
        return Replica(
            "rolled_back",
            f"the server knows of {known} changes of {call.actor!r}, the device of {call.last_counter}",
        )
    behind = 0 if call.pushes is None else actor.pushes - call.pushes
    if behind > 0 and not (is_sent_again and behind <= ANSWERS_LOST_MAX):
        return Replica("rolled_back", f"the server has taken {behind} pushes of {call.actor!r} the device knows nothing of")
    return None


def _apply_in_order(working: WorkingSet, changes: list[ProposedChange], own_entry: int) -> PushOutcome:
    outcome = PushOutcome([])
    scattered = scattered_transactions(changes)
    for unit in units(changes):
        if _take_plain(working, unit[0], outcome):
            continue
        try:
            verdicts = _judge_unit(working, unit, own_entry, scattered)
        except CounterReused as reused:
            working.is_fenced = True
            outcome.replica = Replica("reused", str(reused))
            outcome.results += _skipped(changes[len(outcome.results) :])
            break
        for verdict in verdicts:
            _record(working, verdict, outcome)
        working.flush_when_full()
    return outcome


def _take_plain(working: WorkingSet, change: ProposedChange, outcome: PushOutcome) -> bool:
    """Take a change that need not be judged, if it is one: of a new document, or of the version that its author knew."""
    if change.is_plain_update:
        seq = working.take_known_edit(change)
    elif change.is_plain_insert:
        seq = working.take_new_document(change)
    else:
        return False
    if not seq:
        return False
    outcome.reported = (outcome.reported[0] or change.counter, change.counter)
    outcome.results.append(ChangeResult(change.id, "applied", seq))
    working.flush_when_full()
    return True


def units(changes: Sequence[ProposedChange]) -> Iterator[Sequence[ProposedChange]]:
    """Yield the changes that stand or fall together: neighbours of one transaction, and every other change alone."""
    if not any(change.transaction for change in changes):
        yield from ((change,) for change in changes)
        return
    for transaction, members in groupby(changes, key=lambda change: change.transaction):
        if transaction:
            yield list(members)
        else:
            yield from ((change,) for change in members)


def scattered_transactions(changes: Sequence[ProposedChange]) -> set[str]:
    """Return the transactions whose changes do not all stand together."""
    runs = [transaction for transaction, _ in groupby(changes, key=lambda change: change.transaction) if transaction]
    return {transaction for transaction, count in Counter(runs).items() if count > 1}


def _judge_unit(
    working: WorkingSet, unit: Sequence[ProposedChange], own_entry: int, scattered: set[str]
) -> Sequence[Verdict]:
    if not unit[0].transaction:
        return (judge_change(working, unit[0], own_entry=own_entry),)
    return _judge_transaction(working, unit, own_entry, _transaction_problem(unit, scattered))


def _transaction_problem(unit: Sequence[ProposedChange], scattered: set[str]) -> str | None:
    if unit[0].transaction in scattered:
        return "its changes do not stand together in the request"
    if any(change.transaction_size not in (0, len(unit)) for change in unit):
        sizes = sorted({change.transaction_size for change in unit} - {0})
        return f"{len(unit)} of its changes are in this request, it has {' or '.join(map(str, sizes))}"
    return None


def _judge_member(working: WorkingSet, change: ProposedChange, own_entry: int) -> Verdict:
    verdict = judge_change(working, change, own_entry=own_entry)
    if verdict.status in APPLIED_STATUSES:
        working.note_passed(change)
    return verdict


def _judge_transaction(
    working: WorkingSet, unit: Sequence[ProposedChange], own_entry: int, problem: str | None
) -> Sequence[Verdict]:
    """Judge changes that are all applied or none. A transaction that is not a whole one is rejected change by change."""
    working.begin_group()
    keep = False
    try:
        verdicts = [_judge_member(working, change, own_entry) for change in unit]
        fresh = [verdict for verdict in verdicts if verdict.status != "duplicate"]
        failed = next((verdict for verdict in fresh if verdict.status == "rejected"), None)
        waits = any(verdict.status in UNSETTLED_STATUSES for verdict in fresh)
        keep = problem is None and failed is None and not waits
    finally:
        working.end_group(keep=keep)
    if problem is not None or failed is not None:
        at = unit[0].at if failed is None else failed.change.at
        reason = problem or f"changes[{at}] of the same transaction was rejected"
        _reject_together(fresh, f"transaction {unit[0].transaction!r}: {reason}")
    elif waits:
        _skip_together(fresh)
    return verdicts


def _reject_together(verdicts: Sequence[Verdict], reason: str) -> None:
    for verdict in verdicts:
        if verdict.status != "rejected":
            verdict.error = ChangeError("TransactionRejected", f"changes[{verdict.change.at}]: {reason}")
        verdict.status, verdict.seq, verdict.conflict = "rejected", 0, None


def _skip_together(verdicts: Sequence[Verdict]) -> None:
    for verdict in verdicts:
        if verdict.status != "need_full":
            verdict.status, verdict.seq, verdict.conflict = "skipped", 0, None


def _record(working: WorkingSet, verdict: Verdict, outcome: PushOutcome) -> None:
    change, status = verdict.change, verdict.status
    if status == "duplicate":
        is_rejected = verdict.original == "rejected"
    else:
        working.record(change, verdict.dot, status, verdict.seq, encode_error(verdict.error))
        is_rejected = status == "rejected"
    if is_rejected:
        working.blocked.add(change.name)
        working.refused.add(change.name)
    if change.resolves and status in APPLIED_STATUSES:
        working.resolve_conflicts(change, verdict.seq)
    if verdict.conflict is not None:
        outcome.conflicts.append(working.add_conflict(verdict.conflict, verdict.merged))
    if "applied" in (status, verdict.original) and verdict.dot.actor == working.actor:
        first, last = outcome.reported
        counter = verdict.dot.counter
        outcome.reported = (min(first or counter, counter), max(last, counter))
    result = ChangeResult(change.id, status, verdict.seq, verdict.original, error=verdict.error)
    if status == "duplicate" or verdict.dot != (working.actor, change.counter or verdict.dot.counter):
        result.actor, result.counter = verdict.dot  # the device holds the change under this dot, whatever it came with
    outcome.results.append(result)


def _skipped(changes: Sequence[ProposedChange]) -> list[ChangeResult]:
    return [ChangeResult(change.id, "skipped") for change in changes]
