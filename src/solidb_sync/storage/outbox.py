"""The changes on their way to the server: what is sent next, what an answer means, and new dots for unsent ones.

Everything here runs inside the caller's transaction. A change leaves the outbox only by an outcome: `applied` lets the
base copy move up to it, `merged` and `conflict` hold it until a pull brings the result, `rejected` sets it and what
follows it in the same document aside. Nothing else forgets a change.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from msgspec.structs import replace

from solidb_sync.errors import ProtocolError
from solidb_sync.json_value import encode
from solidb_sync.model.attachment import MARKER, digests_in
from solidb_sync.model.crdt.field_states import states_text
from solidb_sync.model.delta_policy import DeltaPolicy
from solidb_sync.model.version_vector import Dot, VersionVector
from solidb_sync.protocol.messages import ChangeResult
from solidb_sync.storage.attachment_custody import promise
from solidb_sync.storage.dependants import dependants
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.overlay import base_states, fold, rebuild
from solidb_sync.storage.records import ChangeState, Mark, StoredBase, StoredChange, StoredStates
from solidb_sync.storage.sent_form import SentForm, as_recorded, sent_forms
from solidb_sync.storage.text_forms import decode_change, encode_change, parse_vector, vector_text

PUSH_BYTES_MAX = 4 * 1024 * 1024
FIELDS_WHERE_SHORTER = DeltaPolicy(1.0)
Place = tuple[str, str]


class Outcome(Enum):
    """What an answer means for a change of ours."""

    DONE = "done"
    HELD = "held"
    REJECTED = "rejected"
    NEEDS_FULL = "needs full"
    AGAIN = "again"


OUTCOMES = {
    "applied": Outcome.DONE,
    "merged": Outcome.HELD,
    "conflict": Outcome.HELD,
    "rejected": Outcome.REJECTED,
    "need_full": Outcome.NEEDS_FULL,
    "skipped": Outcome.AGAIN,
}


@dataclass(slots=True)
class Batch:
    """Changes to send in one request, each with its form; `is_last` when nothing is left to send after them."""

    changes: list[StoredChange]
    forms: list[SentForm]
    is_last: bool = False

    @property
    def texts(self) -> list[str]:
        """The JSON of each change as it is sent."""
        return [form.text for form in self.forms]

    def text(self) -> bytes:
        """Return the changes as one text, with commas between."""
        return ",".join(self.texts).encode()


@dataclass(slots=True)
class Settled:
    """What the answer to a batch did: how many changes were acknowledged, and which were set aside."""

    acknowledged: int = 0
    asked_in_full: int = 0
    rejected: list[StoredChange] = field(default_factory=list)


def next_batch(
    engine: EngineReader,
    *,
    count: int,
    after: int = 0,
    covered: Container[str] | None = None,
    policy: DeltaPolicy = FIELDS_WHERE_SHORTER,
) -> Batch:
    """Return the oldest pending changes after the id `after` that fit in one request; transactions stay whole.

    A transaction may be longer than `count`: it can't be divided. `covered` limits the collections, None is all.
    """
    batch = Batch([], [])
    size = 0
    if covered is None and (page := _plain_page(engine, count, after, policy)) is not None:
        page.is_last = len(page.changes) < count or not has_pending(engine, after=page.changes[-1].id)
        return page
    for group in _groups(engine, count, after, covered):
        forms = _group_forms(engine, group, policy)
        group_size = sum(form.sent_bytes for form in forms)
        if batch.changes and (len(batch.changes) + len(group) > count or size + group_size > PUSH_BYTES_MAX):
            break
        batch.changes.extend(group)
        batch.forms.extend(forms)
        size += group_size
        if len(batch.changes) >= count:
            batch.is_last = not has_pending(engine, after=batch.changes[-1].id, covered=covered)
            break
    else:
        batch.is_last = True
    return batch


def _plain_page(engine: EngineReader, count: int, after: int, policy: DeltaPolicy) -> Batch | None:
    """Return the next pending changes as they are when no transaction is among them and they are not too long together."""
    page = engine.changes(state=ChangeState.PENDING, after=after, limit=count)
    if any(change.transaction for change in page):
        return None
    forms = sent_forms(engine, page, policy)
    return Batch(page, forms) if sum(form.sent_bytes for form in forms) <= PUSH_BYTES_MAX else None


def _group_forms(engine: EngineReader, group: list[StoredChange], policy: DeltaPolicy) -> list[SentForm]:
    """Return the forms of changes that go together; a transaction too long with whole documents goes as it was recorded."""
    forms = sent_forms(engine, group, policy)
    if len(group) > 1 and sum(form.sent_bytes for form in forms) > PUSH_BYTES_MAX:
        return [form if change.needs_full else as_recorded(change) for change, form in zip(group, forms, strict=True)]
    return forms


def has_pending(engine: EngineReader, *, after: int = 0, covered: Container[str] | None = None) -> bool:
    """Return whether there is anything to send after the id `after`."""
    return any(True for _ in _groups(engine, 1, after, covered))


def _groups(engine: EngineReader, count: int, after: int, covered: Container[str] | None) -> Iterable[list[StoredChange]]:
    """Yield what may be sent: pending changes one by one, and those of a transaction together.

    What reaches into a collection that is not covered waits, and with it whatever came later to the same documents.
    """
    if covered is None:
        yield from _together(_pending(engine, count, after))
        return
    waiting: set[Place] = set()
    for group in _together(_pending(engine, count, 0)):
        places = {(change.collection, change.key) for change in group}
        if waiting.isdisjoint(places) and all(collection in covered for collection, _ in places):
            if group[0].id > after:
                yield group
        else:
            waiting |= places


def _together(changes: Iterable[StoredChange]) -> Iterable[list[StoredChange]]:
    """Yield neighbours of one transaction together, and every other change alone."""
    group: list[StoredChange] = []
    for change in changes:
        if group and change.transaction != group[0].transaction:
            yield group
            group = []
        if change.transaction:
            group.append(change)
        else:
            yield [change]
    if group:
        yield group


def _pending(engine: EngineReader, count: int, after: int) -> Iterable[StoredChange]:
    """Yield the pending changes, read in pages."""
    while True:
        page = engine.changes(state=ChangeState.PENDING, after=after, limit=count)
        yield from page
        if len(page) < count:
            return
        after = page[-1].id


def settle(engine: StorageEngine, sent: list[StoredChange], results: list[ChangeResult]) -> Settled:
    """Record the server's answer to a batch: one result for each change, in order."""
    if engine.replica().is_resyncing:
        _mark_seen(engine, sent, results)
    if engine.has_marks(Mark.EMPTIED) or engine.has_marks(Mark.LEAVING):
        _note_made_anew(engine, sent, results)
    _note_promised(engine, sent, results)
    if _settle_quickly(engine, sent, _checked(sent, results)):
        return Settled(acknowledged=len(sent))
    settled = Settled()
    by_document: dict[Place, list[_Answered]] = {}
    for change, result in zip(sent, results, strict=True):
        answered = _answered(change, result)
        by_document.setdefault((change.collection, change.key), []).append(answered)
        settled.acknowledged += answered.outcome in (Outcome.DONE, Outcome.HELD)
        settled.asked_in_full += answered.outcome is Outcome.NEEDS_FULL and not change.needs_full
    answers_of_all = [answered for answers in by_document.values() for answered in answers]
    has_parted = any(_is_known_from_another_life(answered) for answered in answers_of_all)
    _settle_finished(engine, by_document)
    for place, answers in by_document.items():
        _settle_document(engine, place, answers, settled)
    _note_settled(engine, sent)
    if has_parted:
        engine.save_replica(replace(engine.replica(), must_renew=True))
    return settled


def _is_known_from_another_life(answered: _Answered) -> bool:
    """Return whether the server has a change of ours under another actor: a copy of this store has sent it before us.

    Then the same copy, or another, may have used our counters as well: what the server has under them need not be ours, and
    must not be passed over as known. The next request begins a new incarnation.
    """
    return answered.dot is not None and answered.dot.actor != answered.change.actor


def _note_made_anew(engine: StorageEngine, sent: list[StoredChange], results: list[ChangeResult]) -> None:
    """Note that documents the server did not have any more are there again, because it has taken edits of them.

    What was applied just as it was made need not come back with a page. Where it is outside a filter, the server says so.
    """
    for change, result in zip(sent, results, strict=False):
        outcome = OUTCOMES.get(result.original or result.status)
        if outcome is Outcome.DONE and engine.is_marked(Mark.EMPTIED, change.collection, change.key):
            _forget_what_went(engine, change)
        if outcome in (Outcome.DONE, Outcome.HELD):
            engine.unmark(Mark.EMPTIED, change.collection, change.key)
        if result.status == "applied":  # now, not before the page that told it to leave
            engine.unmark(Mark.LEAVING, change.collection, change.key)


def _note_promised(engine: StorageEngine, sent: list[StoredChange], results: list[ChangeResult]) -> None:
    """Note which attached bytes others may have been told of."""
    for change, result in zip(sent, results, strict=False):
        if MARKER in change.wire and OUTCOMES.get(result.original or result.status) in (Outcome.DONE, Outcome.HELD):
            promise(engine, digests_in(change.wire))


def _forget_what_went(engine: StorageEngine, applied: StoredChange) -> None:
    """Let the server's version be nothing when an edit, made without knowing it, was applied all the same: it had gone.

    Its body stays, for edits that were sent with all of it.
    """
    place = (applied.collection, applied.key)
    base = engine.base(*place)
    known = VersionVector(decode_change(applied.wire).base_version).with_dot(Dot(applied.actor, applied.counter))
    if base is not None and not known.includes(parse_vector(base.vector)):
        engine.put_base(*place, replace(base, is_deleted=True, vector="{}"))
        engine.put_states(*place, None)
        rebuild(engine, *place)


def _mark_seen(engine: StorageEngine, sent: list[StoredChange], results: list[ChangeResult]) -> None:
    """Note that the server has these documents: it does not send back what was applied as it was made."""
    for change, result in zip(sent, results, strict=False):
        if (result.original or result.status) == "applied":
            engine.mark_seen(change.collection, change.key)


def _settle_quickly(engine: StorageEngine, sent: list[StoredChange], results: list[ChangeResult]) -> bool:
    """Settle a batch of which every change was applied as it was sent, and nothing else is kept of any of its documents.

    It comes to the same as settling document by document. It only costs less, and most batches are like that.
    """
    if not sent or any(result.status != "applied" or result.actor for result in results):
        return False
    first, last = sent[0].id, sent[-1].id
    if any(map(has_operations, sent)):
        return False
    if engine.count_range(first, last) != len(sent) or engine.documents_shared_beyond(first, last):
        return False
    if engine.has_bases():
        for place in {(change.collection, change.key) for change in sent}:
            engine.drop_base(*place)
    engine.drop_range(first, last)
    _note_settled(engine, sent)
    return True


class Applied(NamedTuple):
    """Under which dot, and with which sequence, the server has taken a change."""

    dot: Dot
    seq: int = 0


class _Answered(NamedTuple):
    """A change with what was answered; `dot` is the one the server recorded, if that is not the change's own."""

    change: StoredChange
    outcome: Outcome
    reason: str
    dot: Dot | None
    seq: int


def has_operations(change: StoredChange) -> bool:
    """Return whether a change may have operations on replicated fields; quick, and never wrong when it says no."""
    return '"crdt":' in change.wire


def _checked(sent: list[StoredChange], results: list[ChangeResult]) -> list[ChangeResult]:
    if [result.change_id for result in results] != [change.change_id for change in sent]:
        raise ProtocolError(
            f"results: expected one for each of the {len(sent)} changes sent, in order; found {len(results)}"
        )
    return results


def _answered(change: StoredChange, result: ChangeResult) -> _Answered:
    status = result.original if result.status == "duplicate" else result.status
    outcome = OUTCOMES.get(status)
    if outcome is None:
        raise ProtocolError(f"results: unknown status {status!r} for change {result.change_id}")
    reason = "" if result.error is None else f"{result.error.type}: {result.error.message}"
    dot = Dot(result.actor, result.counter) if result.actor else None
    return _Answered(change, outcome, reason, None if dot == (change.actor, change.counter) else dot, result.seq)


def _settle_finished(engine: StorageEngine, by_document: dict[Place, list[_Answered]]) -> None:
    """Settle the documents with no change left but those just applied: the visible row is the server's version now."""
    finished = {
        place: [answered.change for answered in answers]
        for place, answers in by_document.items()
        if all(answered.outcome is Outcome.DONE and answered.dot is None for answered in answers)
    }
    has_bases = engine.has_bases()
    engine.drop_changes(change.id for changes in finished.values() for change in changes)
    for place, changes in finished.items():
        if engine.has_changes_of(*place) or any(map(has_operations, changes)):
            _absorb(engine, place, changes)
        elif has_bases:
            engine.drop_base(*place)
        del by_document[place]


def _absorb(engine: StorageEngine, place: Place, applied: list[StoredChange]) -> None:
    """Move the base copy up to changes that the server applied exactly as they were made, and forget them.

    Older changes that were held are in the server's version too, because it was made on top of them.
    """
    newest = max(change.id for change in applied)
    held = [change for change in engine.changes_of(*place) if change.state is ChangeState.HELD and change.id < newest]
    base = engine.base(*place)
    laid = sorted([*held, *applied], key=lambda change: change.id)
    document, vector, stamp, states = fold(base, laid, base_states(engine, *place), is_final=True)
    if states:
        engine.put_states(*place, StoredStates(states_text(states)))
    last_body = encode(document).decode() if document is not None else (base.body if base else None)
    engine.put_base(*place, StoredBase(last_body, document is None, vector_text(vector), stamp))
    engine.drop_changes(change.id for change in [*held, *applied])
    rebuild(engine, *place)


def _settle_document(engine: StorageEngine, place: Place, answers: list[_Answered], settled: Settled) -> None:
    has_exchanged = False
    for answered, outcome, reason, dot, seq in answers:
        change = _as_kept(engine, answered) if has_exchanged or settled.rejected else answered
        recorded = replace(change, answered=seq)
        if dot is not None:
            recorded = replace(recorded, actor=dot.actor, counter=dot.counter)
            _exchange_dot(engine, change, dot)
            has_exchanged = True
        match outcome:
            case Outcome.DONE if not _has_older_pending(engine, place, change):
                _absorb(engine, place, [recorded])
            case Outcome.DONE | Outcome.HELD:
                hold(engine, recorded, shows_the_same=dot is None)
            case Outcome.NEEDS_FULL:
                engine.replace_change(replace(change, needs_full=True))
            case Outcome.REJECTED:
                settled.rejected.extend(set_aside(engine, change, reason))
                return
            case Outcome.AGAIN:
                pass


def _as_kept(engine: EngineReader, answered: StoredChange) -> StoredChange:
    """Return a change as it is kept now: an earlier answer may have exchanged a dot in its base, or set it aside."""
    for change in engine.changes_of(answered.collection, answered.key):
        if change.id == answered.id:
            return change
    return answered


def _exchange_dot(engine: StorageEngine, change: StoredChange, dot: Dot) -> None:
    """Let later edits of the document stand on `dot`, which a change is recorded under, not on the one it was sent with."""
    before = decode_change(change.wire).base_version.get(change.actor, 0)
    for later in engine.changes_of(change.collection, change.key):
        if later.id > change.id and later.state is ChangeState.PENDING:
            wire = decode_change(later.wire)
            base = VersionVector(wire.base_version).exchanged(Dot(change.actor, change.counter), dot, before=before)
            wire.base_version = dict(base)
            engine.replace_change(replace(later, wire=encode_change(wire)))


def _has_older_pending(engine: EngineReader, place: Place, change: StoredChange) -> bool:
    return any(older.id < change.id and older.state is ChangeState.PENDING for older in engine.changes_of(*place))


def hold(engine: StorageEngine, change: StoredChange, *, shows_the_same: bool = False) -> None:
    """Keep a change that the server has taken over the document until a pull brings it; forget it when one has.

    `shows_the_same`: it is the change that was laid over the document before, under the same dot.
    """
    base = engine.base(change.collection, change.key)
    if base is not None and parse_vector(base.vector).covers(Dot(change.actor, change.counter)):
        engine.drop_changes([change.id])
    else:
        engine.replace_change(replace(change, state=ChangeState.HELD))
        if shows_the_same:
            return
    rebuild(engine, change.collection, change.key)


def is_included(held: StoredChange, seen: VersionVector, seq: int) -> bool:
    """Return whether a version of a document, with this vector and sequence, includes a change the server has taken.

    A vector that was compacted says no more whose edits it includes, but the order of the versions does.
    """
    return seen.covers(Dot(held.actor, held.counter)) or 0 < held.answered <= seq


def settle_by_hand(engine: StorageEngine, number: int) -> bool:
    """Treat one pending change as applied; False when there is none with this id."""
    for change in engine.changes(state=ChangeState.PENDING, after=number - 1, limit=1):
        if change.id == number:
            _absorb(engine, (change.collection, change.key), [change])
            return True
    return False


def set_aside(engine: StorageEngine, refused: StoredChange, reason: str) -> list[StoredChange]:
    """Reject a change and the pending ones that depend on it: made on top of it, or of one transaction with such a one."""
    if refused.state is not ChangeState.PENDING:
        return []
    aside = []
    for change in dependants(engine, refused):
        why = reason if change.id == refused.id else f"follows the rejected change {refused.change_id}"
        rejected = replace(change, state=ChangeState.REJECTED, reason=why)
        engine.replace_change(rejected)
        aside.append(rejected)
    return aside


def _note_settled(engine: StorageEngine, sent: list[StoredChange]) -> None:
    replica = engine.replica()
    highest = max((change.counter for change in sent), default=0)
    if highest > replica.settled:
        engine.save_replica(replace(replica, settled=highest))
