"""Judge one change of a push by the rules of the protocol, in their order.

The verdict of a change has its effect on the working set at once; recording it is left to the caller, who may have to
take back the effect of a whole transaction first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from solidb_sync.json_value import DEPTH_MAX, DOCUMENT_BYTES_MAX, decode, depth_exceeds, encode
from solidb_sync.model.crdt.field_states import FieldProblem, states_text
from solidb_sync.model.delta import path_text
from solidb_sync.model.field_dots import SERVER_ACTOR
from solidb_sync.model.hybrid_clock import clamped, stamp_text
from solidb_sync.model.version_vector import COUNTER_MAX, Dot, VersionVector
from solidb_sync.protocol.messages import ChangeError
from solidb_sync.reconcile.crdt_merge import Stamp, put_fields_in, take_fields_out
from solidb_sync.reconcile.decision import Decision, Edit, Operation, Version, decide
from solidb_sync.reconcile.strategy import Strategy
from solidb_sync.server.conflict_records import conflict_record
from solidb_sync.server.former_dots import counted_as
from solidb_sync.server.proposed_change import ProposedChange, too_large_text
from solidb_sync.server.refusals import bad_request
from solidb_sync.server.storage.records import ConflictRecord
from solidb_sync.server.working_set import UNSETTLED_STATUSES, WorkingSet


class CounterReused(Exception):  # noqa: N818 - an outcome that stops the request
    """A counter came a second time for another change: two stores count under one name."""


@dataclass(slots=True)
class Verdict:
    """What becomes of one change; a duplicate has the recorded status in `original` and is not recorded again."""

    change: ProposedChange
    dot: Dot
    status: str
    seq: int = 0
    original: str = ""
    error: ChangeError | None = None
    conflict: ConflictRecord | None = None
    merged: tuple[str, ...] = ()
    """What the edit wrote beside the paths of its conflict, and is in the document."""


def judge_change(working: WorkingSet, change: ProposedChange, *, own_entry: int) -> Verdict:
    """Return the verdict on a change, with its effect on the working set.

    `own_entry` is the highest counter the request says its actor has used. Raises `CounterReused`, before any effect.
    """
    known = working.known.get(change.id)
    if known is not None:
        working.highest = max(working.highest, change.counter)
        dot = Dot(known.actor, known.counter)
        if change.counter:
            working.note_alias(change.name, Dot(working.actor, change.counter), dot)
        if known.status not in UNSETTLED_STATUSES:
            error = decode_error(known.detail)
            return Verdict(change, dot, "duplicate", seq=known.seq, original=known.status, error=error)
    else:
        dot = Dot(working.actor, _take_counter(working, change, own_entry))
    if change.error is not None:
        return Verdict(change, dot, "rejected", error=change.error)
    if working.was_dropped(change.name[0]):
        text = f"changes[{change.at}].collection: {change.name[0]!r} was dropped after this device last synced"
        return Verdict(change, dot, "rejected", error=ChangeError("CollectionDropped", text))
    if change.name in working.blocked or working.must_wait(change):
        return Verdict(change, dot, "skipped")
    return decide_change(working, change, dot)


def _take_counter(working: WorkingSet, change: ProposedChange, own_entry: int) -> int:
    counter = change.counter
    if not counter:
        working.highest = max(working.highest, own_entry)
        counter = working.highest + 1
    if counter > COUNTER_MAX:
        raise bad_request(f"version_vector.{working.actor}: there is no counter after {COUNTER_MAX}")
    if counter <= working.highest:
        raise CounterReused(f"counter {counter} of {working.actor!r} was used before, for another change than {change.id!r}")
    working.highest = counter
    return counter


def decide_change(working: WorkingSet, change: ProposedChange, dot: Dot) -> Verdict:
    """Return what becomes of a change that nothing speaks against, with its effect on the working set."""
    current, current_ms = working.current(change.name)
    strategy = working.strategy(change.name[0])
    current = current or working.collected(change)
    edit = _edit(working, change, dot, strategy)
    counted = counted_as(working, change, edit, current)
    edit, known = counted.edit, edit.base
    if change.base_seq:  # whatever stands in the vectors by now, the author had the versions up to here
        edit = replace(edit, base=known.with_dot(Dot(SERVER_ACTOR, change.base_seq)))
    seq = working.newest + 1
    try:
        states = working.crdt_states(change.name)
        fields = take_fields_out(edit, current, states, counted.operations)
        decision = decide(current, fields.edit, seq=seq, trusted_base=_trusted(working, current, known), strategy=strategy)
        if decision is None:
            return Verdict(change, dot, "need_full")
        crdt = ""
        if states or counted.operations:
            stamp = clamped(change.stamp or stamp_text(working.now_ms), now_ms=working.now_ms)
            authors = Stamp(stamp, stamp == change.stamp)
            done = put_fields_in(decision, fields, current, states, stamp=authors, seq=seq, dot=counted.dot)
            decision, states = done.decision, done.states
            crdt = states_text(states) if fields.operations else ""
    except FieldProblem as problem:
        return Verdict(change, dot, "rejected", error=ChangeError(problem.kind, f"changes[{change.at}].crdt.{problem}"))
    if counted.is_former:
        decision = _with_former(decision, counted.dot)
    if decision.is_fast_forward and (
        _differs(current, known) or working.stands_on_overruled(change) or working.stands_on_reset(change)
    ):
        decision = replace(decision, is_fast_forward=False)
    body = None if decision.version.document is None else encode(decision.version.document).decode()
    error = None if edit.only_closes else _result_error(change, decision, body)  # that makes nothing larger
    if error is not None:
        return Verdict(change, dot, "rejected", error=error)
    if change.stamp or edit.stamp:
        working.note_stamp(edit.stamp or clamped(change.stamp, now_ms=working.now_ms))
    working.put(change.name, decision.version, dot, body=body, is_applied=decision.is_fast_forward, crdt=crdt)
    if crdt:
        working.note_states(change.name, states)
    if decision.clash is None:
        return Verdict(change, dot, "applied" if decision.is_fast_forward else "merged", seq=seq)
    shown = decision.clash.arrived if edit.document is None or fields.overruled else edit.document
    conflict = conflict_record(
        change,
        replace(edit, base=known),
        replace(decision.clash, arrived=shown),
        strategy=strategy,
        seq=seq,
        client_id=working.client_id,
        times=(current_ms or working.now_ms, working.now_ms),
    )
    merged = tuple(path_text(path) for path in decision.clash.merged)
    return Verdict(change, dot, "conflict", seq=seq, conflict=conflict, merged=merged)


def _trusted(working: WorkingSet, current: Version | None, known: VersionVector) -> VersionVector:
    """Return what of a base enters the vector: of a compacted version, not those whose entries it has become one for."""
    trusted = working.trusted(known)
    if current is None or SERVER_ACTOR not in current.vector or known.includes(current.vector):
        return trusted
    return VersionVector({actor: count for actor, count in trusted.items() if actor in current.vector})


def _with_former(decision: Decision, dot: Dot) -> Decision:
    """Return a decision whose version includes a change under the dot of an earlier life too, which its author is told."""
    version = replace(decision.version, vector=decision.version.vector.with_dot(dot))
    return replace(decision, version=version, is_fast_forward=False)


def _differs(current: Version | None, known: VersionVector) -> bool:
    """Return whether author and server write the vector of one version differently, since the server compacted its own."""
    return current is not None and not known.includes(current.vector)


def _edit(working: WorkingSet, change: ProposedChange, dot: Dot, strategy: Strategy) -> Edit:
    """Return what is to be judged, with its stamp when the strategy goes by stamps."""
    edit = change.edit(dot)
    stamp = ""
    if strategy is Strategy.LAST_STAMP_WINS:
        stamp = clamped(change.stamp or stamp_text(working.now_ms), now_ms=working.now_ms)
    closes = bool(change.resolves)
    only_closes = closes and edit.delta is not None and not (edit.delta or change.operations)
    base = working.known_base(change.name, edit.base)
    if base is edit.base and not (stamp or closes):
        return edit
    return replace(edit, base=base, stamp=stamp, closes=closes, only_closes=only_closes)


def _result_error(change: ProposedChange, decision: Decision, body: str | None) -> ChangeError | None:
    """Return why the document that would come out can't be kept; a whole document was measured when it came in."""
    if body is None or (change.operation is Operation.INSERT and decision.created and not change.operations):
        return None
    size = len(body.encode())
    if size > DOCUMENT_BYTES_MAX:
        return ChangeError("DocumentTooLarge", f"changes[{change.at}].delta: makes a document of {too_large_text(size)}")
    if depth_exceeds(decision.version.document, DEPTH_MAX):
        return ChangeError("DocumentTooDeep", f"changes[{change.at}].delta: makes a document deeper than {DEPTH_MAX} levels")
    return None


def encode_error(error: ChangeError | None) -> str:
    """Return the stored form of an error."""
    return "" if error is None else encode(error).decode()


def decode_error(detail: str) -> ChangeError | None:
    """Return the error of a stored outcome."""
    return ChangeError(**decode(detail)) if detail else None
