"""The changes on their way to the server: what is sent next, what an answer means, and new dots for unsent ones.

Everything here runs inside the caller's transaction. A change leaves the outbox only by an outcome: `applied` lets the
base copy move up to it, `merged` and `conflict` hold it until a pull brings the result, `rejected` sets it and what
follows it in the same document aside. Nothing else forgets a change.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass, field, replace
from enum import Enum

import msgspec

from solidb_sync.errors import ProtocolError
from solidb_sync.json_value import encode
from solidb_sync.protocol.messages import ChangeResult
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.overlay import base_copy, fold, rebuild
from solidb_sync.storage.records import ChangeState, StoredBase, StoredChange
from solidb_sync.storage.text_forms import decode_change, encode_change, vector_text

PUSH_BYTES_MAX = 4 * 1024 * 1024
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


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes to send in one request, and the JSON text of each."""

    changes: list[StoredChange]
    wires: list[str]


@dataclass(slots=True)
class Settled:
    """What the answer to a batch did: how many changes were acknowledged, and which were set aside."""

    acknowledged: int = 0
    asked_in_full: int = 0
    rejected: list[StoredChange] = field(default_factory=list)


def next_batch(engine: EngineReader, *, count: int, after: int = 0, covered: Container[str] | None = None) -> Batch:
    """Return the oldest pending changes after the id `after` that fit in one request; transactions stay whole.

    A transaction may be longer than `count`: it can't be divided. `covered` limits the collections, None is all.
    """
    batch = Batch([], [])
    size = 0
    for group in _groups(engine, count, after, covered):
        wires = [_wire_to_send(engine, change) for change in group]
        group_size = sum(len(wire) for wire in wires)
        if batch.changes and (len(batch.changes) + len(group) > count or size + group_size > PUSH_BYTES_MAX):
            break
        batch.changes.extend(group)
        batch.wires.extend(wires)
        size += group_size
        if len(batch.changes) >= count:
            break
    return batch


def _groups(engine: EngineReader, count: int, after: int, covered: Container[str] | None) -> Iterable[list[StoredChange]]:
    """Yield pending changes one by one, and those of a transaction together."""
    group: list[StoredChange] = []
    while True:
        page = engine.changes(state=ChangeState.PENDING, after=after, limit=count)
        for change in page:
            if covered is not None and change.collection not in covered:
                continue
            if group and (not change.transaction or change.transaction != group[0].transaction):
                yield group
                group = []
            group.append(change)
        if len(page) < count:
            break
        after = page[-1].id
    if group:
        yield group


def _wire_to_send(engine: EngineReader, change: StoredChange) -> str:
    if not change.needs_full:
        return change.wire
    upto = [known for known in engine.changes_of(change.collection, change.key) if known.id <= change.id]
    document, _, _ = fold(engine.base(change.collection, change.key), upto)
    wire = decode_change(change.wire)
    wire.document = msgspec.Raw(encode(document or {}))
    return encode_change(wire)


def settle(engine: StorageEngine, sent: list[StoredChange], results: list[ChangeResult]) -> Settled:
    """Record the server's answer to a batch: one result for each change, in order."""
    settled = Settled()
    by_document: dict[Place, list[tuple[StoredChange, Outcome, str]]] = {}
    for change, result in zip(sent, _checked(sent, results), strict=True):
        outcome = _outcome(result)
        reason = "" if result.error is None else f"{result.error.type}: {result.error.message}"
        by_document.setdefault((change.collection, change.key), []).append((change, outcome, reason))
        settled.acknowledged += outcome in (Outcome.DONE, Outcome.HELD)
        settled.asked_in_full += outcome is Outcome.NEEDS_FULL and not change.needs_full
    _settle_finished(engine, by_document)
    for place, answered in by_document.items():
        _settle_document(engine, place, answered, settled)
    _note_settled(engine, sent)
    return settled


def _checked(sent: list[StoredChange], results: list[ChangeResult]) -> list[ChangeResult]:
    if [result.change_id for result in results] != [change.change_id for change in sent]:
        raise ProtocolError(
            f"results: expected one for each of the {len(sent)} changes sent, in order; found {len(results)}"
        )
    return results


def _outcome(result: ChangeResult) -> Outcome:
    status = result.original if result.status == "duplicate" else result.status
    if status not in OUTCOMES:
        raise ProtocolError(f"results: unknown status {status!r} for change {result.change_id}")
    return OUTCOMES[status]


def _settle_finished(engine: StorageEngine, by_document: dict[Place, list[tuple[StoredChange, Outcome, str]]]) -> None:
    """Settle the documents whose every change was applied: the visible row is the server's version now."""
    finished = {
        place: [change for change, _, _ in answered]
        for place, answered in by_document.items()
        if all(outcome is Outcome.DONE for _, outcome, _ in answered)
    }
    bases = {place: engine.base(*place) for place in finished}
    engine.drop_changes(change.id for changes in finished.values() for change in changes)
    for place, changes in finished.items():
        del by_document[place]
        if not engine.has_changes_of(*place):
            if bases[place] is not None:
                engine.drop_base(*place)
        else:
            _raise_base(engine, place, bases[place], changes)


def _raise_base(engine: StorageEngine, place: Place, base: StoredBase | None, applied: list[StoredChange]) -> None:
    """Move the base copy up to changes the server applied; the visible row stays what it is."""
    document, vector, stamp = fold(base, applied)
    last_body = encode(document).decode() if document is not None else (base.body if base else None)
    engine.put_base(*place, StoredBase(last_body, document is None, vector_text(vector), stamp))


def _settle_document(
    engine: StorageEngine, place: Place, answered: list[tuple[StoredChange, Outcome, str]], settled: Settled
) -> None:
    is_first = True
    for change, outcome, reason in answered:
        match outcome:
            case Outcome.DONE if is_first and _is_oldest(engine, place, change):
                _raise_base(engine, place, engine.base(*place), [change])
                engine.drop_changes([change.id])
                continue
            case Outcome.DONE | Outcome.HELD:
                engine.replace_change(replace(change, state=ChangeState.HELD))
            case Outcome.NEEDS_FULL:
                engine.replace_change(replace(change, needs_full=True))
            case Outcome.REJECTED:
                settled.rejected.extend(_set_aside(engine, place, change, reason))
                return
            case Outcome.AGAIN:
                pass
        is_first = False


def _is_oldest(engine: EngineReader, place: Place, change: StoredChange) -> bool:
    return engine.changes_of(*place)[0].id == change.id


def _set_aside(engine: StorageEngine, place: Place, refused: StoredChange, reason: str) -> list[StoredChange]:
    """Reject a change and the pending ones of its document that were made on top of it."""
    aside = []
    for change in engine.changes_of(*place):
        if change.id < refused.id or change.state is not ChangeState.PENDING:
            continue
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


def readdress(engine: StorageEngine, changes: list[StoredChange], *, known: Collection[str] = ()) -> None:
    """Give pending changes new dots of the current incarnation, their ids unchanged; the `known` ones are held instead.

    `known` are the ids the server has applied already: those keep the dot they were applied under.
    """
    places: dict[Place, None] = {}
    for change in changes:
        places[change.collection, change.key] = None
        if change.change_id in known:
            engine.replace_change(replace(change, state=ChangeState.HELD))
    for place in places:
        _readdress_document(engine, place, {change.id for change in changes if change.change_id not in known})


def _readdress_document(engine: StorageEngine, place: Place, moving: set[int]) -> None:
    base = base_copy(engine, *place)
    kept: list[StoredChange] = []
    for change in engine.changes_of(*place):
        if change.id in moving:
            _, vector, _ = fold(base, kept)
            wire = decode_change(change.wire)
            dot = engine.next_dot()
            wire.counter, wire.base_version = dot.counter, dict(vector)
            change = replace(change, actor=dot.actor, counter=dot.counter, wire=encode_change(wire))
            engine.replace_change(change)
        kept.append(change)
    rebuild(engine, *place)
