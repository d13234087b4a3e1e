"""Judge the replicated fields of an edit, around the judgement of the rest: before it and after it.

Before: plain writes that touch a field with a state are taken out of the edit. When the author had seen everything they are
translated into operations; otherwise they are overruled, field by field, and the caller logs that as a conflict. After: the
operations are applied, whatever became of the plain part. Operations never conflict with each other, and none is lost: on a
document that is deleted, or stays so, they go into the states that are kept under the tombstone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from solidb_sync.json_value import JsonDocument
from solidb_sync.model.crdt.authorship import Authorship
from solidb_sync.model.crdt.field_states import (
    FieldProblem,
    FieldStates,
    Operations,
    apply_operations,
    join_states,
    needs_stamp,
    read_states,
    states_text,
    with_shown_values,
    with_value,
)
from solidb_sync.model.crdt.plain_writes import Separated, separate, translate
from solidb_sync.model.delta import Delta, Path, value_at
from solidb_sync.model.version_vector import Dot, VersionVector
from solidb_sync.reconcile.decision import Clash, Decision, Edit, Operation, Version, Winner


@dataclass(frozen=True, slots=True)
class FieldEdit:
    """An edit with its plain part free of replicated fields, and what is to be done to those.

    `overruled` are plain values that give way to a state their author had not seen.
    """

    edit: Edit
    operations: Operations
    overruled: Mapping[Path, Any] = field(default_factory=dict)
    was_translated: bool = False


@dataclass(frozen=True, slots=True)
class Stamp:
    """The stamp of an edit, and whether it is the one its author gave it."""

    text: str
    is_authors: bool = True


@dataclass(frozen=True, slots=True)
class FieldDecision:
    """The version after an edit and its operations, and the states that go with it."""

    decision: Decision
    states: FieldStates


def take_fields_out(edit: Edit, current: Version | None, states: FieldStates, operations: Operations) -> FieldEdit:
    """Return an edit whose plain part touches no field with a state; raises `FieldProblem` for what can't be translated."""
    if current is None or not states or edit.operation is Operation.DELETE:
        return FieldEdit(edit, operations)
    knows_all = edit.base.includes(current.vector)
    plain, separated = _separated(edit, current, states, knows_all=knows_all)
    translated = translate(separated.wanted, states)
    if knows_all:
        for path in (*separated.buried, *translated.problems):
            why = translated.problems.get(path, "the write leaves no place for a field of its own type")
            raise FieldProblem("CrdtTypeError", path, why)
        return FieldEdit(plain, {**translated.operations, **operations}, was_translated=bool(translated.operations))
    paths = {*translated.operations, *translated.problems, *separated.buried} - operations.keys()
    return FieldEdit(plain, operations, {path: separated.wanted.get(path) for path in sorted(paths)})


def _separated(edit: Edit, current: Version, states: FieldStates, *, knows_all: bool) -> tuple[Edit, Separated]:
    """Return the edit without plain writes that touch a field, and what those were."""
    before = with_shown_values(current.document or {}, states)
    if edit.delta is not None:
        separated = separate(edit.delta, before, states)
        return replace(edit, delta=separated.delta), separated
    assert edit.document is not None
    document, separated = edit.document, Separated(Delta())
    is_whole = knows_all or current.document is None
    for path in states:
        is_written, value = value_at(document, path)
        if is_written:
            separated.wanted[path] = value
        elif not is_whole and path[0] not in document:
            continue
        try:
            document = with_value(document, path, value_at(before, path)[1])
        except FieldProblem:
            separated.buried.add(path)
            document = {**document, path[0]: before[path[0]]}
    return replace(edit, document=document), separated


def put_fields_in(
    decision: Decision,
    fields: FieldEdit,
    current: Version | None,
    states: FieldStates,
    *,
    stamp: Stamp,
    seq: int,
    dot: Dot | None = None,
) -> FieldDecision:
    """Return the version and the states after the operations of an edit; raises `FieldProblem`.

    `dot` is the one under which the operations count, when it is not the edit's.
    """
    edit, version = fields.edit, decision.version
    document = version.document
    if document is not None and (current is None or current.document is None):
        document = with_shown_values(document, states)
    author = Authorship(dot or edit.dot, edit.base, stamp.text)
    applied = apply_operations(document, states, fields.operations, author, lambda path: version.dots.write_at(path).dot)
    is_known = stamp.is_authors or not needs_stamp(fields.operations)
    if current is None and edit.base and fields.operations:
        is_known = False  # a tombstone that is forgotten here may have had states that its author still has
    dots = version.dots.written(fields.operations, edit.dot, seq) if document is not None else version.dots
    return FieldDecision(
        replace(
            decision,
            version=Version(applied.document, version.vector, dots),
            is_fast_forward=decision.is_fast_forward and not (applied.has_converted or fields.was_translated) and is_known,
            clash=_clash(decision, fields, current),
        ),
        applied.states,
    )


def _clash(decision: Decision, fields: FieldEdit, current: Version | None) -> Clash | None:
    """Return what the conflict is about, the plain values that gave way to fields included.

    They are in the arrived document as they were: nowhere else any more.
    """
    clash = decision.clash
    if not fields.overruled or current is None:
        return clash
    gave_way = tuple(fields.overruled)
    arrived = (clash.arrived if clash else None) or decision.version.document or current.document
    if arrived is not None:
        for path, value in fields.overruled.items():
            arrived = with_value(arrived, path, value)
    if clash is None:
        return Clash(current, arrived, Winner.PRESENT, gave_way, gave_way)
    if not clash.paths:
        return clash
    winner = Winner.BOTH if clash.winner is Winner.ARRIVED else clash.winner
    lost = (*clash.lost, *gave_way) if winner is Winner.BOTH else ()
    return Clash(current, arrived, winner, (*clash.paths, *gave_way), (*clash.written, *gave_way), lost)


def join_offered(
    document: JsonDocument | None, *, states: str, seen: VersionVector, offered: str, offered_seen: VersionVector
) -> tuple[JsonDocument | None, str]:
    """Return a document with the joined states of two replicas shown in it, and those states.

    `states` and `offered` are stored forms, `seen` and `offered_seen` the vectors of the versions they belong to: an entry
    that one of them lacks although it has seen its dot was removed. For a server that has lost a part of its history.
    """
    joined = join_states(read_states(states, seen), read_states(offered, offered_seen))
    return (document if document is None else with_shown_values(document, joined)), states_text(joined)
