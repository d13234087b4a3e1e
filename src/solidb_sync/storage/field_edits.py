"""Plan an edit that touches replicated fields: operations of the app, and plain saves over such fields.

A plan says what is sent and what is seen afterwards; recording it is the same as for any other edit. What a plain save asks
of a replicated field becomes an operation in the same change, so that it merges as the field's type does.
"""

from __future__ import annotations

from datetime import datetime
from typing import NoReturn

import msgspec
from msgspec import Struct

from solidb_sync.errors import CrdtBoundError, CrdtTypeError, InvalidDocumentError
from solidb_sync.json_value import JsonDocument, decode, encode
from solidb_sync.model.crdt.authorship import Authorship
from solidb_sync.model.crdt.bounded_counter import BoundedCounterOperation
from solidb_sync.model.crdt.field_states import (
    NO_STATES,
    FieldProblem,
    FieldStates,
    Operations,
    apply_operations,
    greatest_stamp,
    needs_stamp,
    operations_text,
    read_states,
    states_text,
    with_shown_values,
)
from solidb_sync.model.crdt.plain_writes import separate, translate
from solidb_sync.model.crdt.registry import same_content
from solidb_sync.model.delta import Delta, apply_delta, diff
from solidb_sync.model.hybrid_clock import next_stamp
from solidb_sync.model.version_vector import Dot, VersionVector
from solidb_sync.protocol.messages import WireChange
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.overlay import base_states, fold
from solidb_sync.storage.records import StoredChange, StoredRow
from solidb_sync.storage.refused_fields import NO_REFUSED_FIELDS, RefusedFields, refused_fields
from solidb_sync.storage.text_forms import delta_fields, vector_text

Place = tuple[str, str]


class Ground(Struct, frozen=True):
    """What an edit is made on: a document's row and states, without changes the server refused."""

    place: Place
    row: StoredRow | None
    states: FieldStates
    refused: RefusedFields = NO_REFUSED_FIELDS
    """What refused changes had made of replicated fields, which a save takes over."""

    @property
    def document(self) -> JsonDocument | None:
        """The document, None when it is not there."""
        return None if self.row is None or self.row.body is None else decode(self.row.body)

    @property
    def begun(self) -> JsonDocument:
        """The document, or what it begins with when it comes back: the fields whose states outlived it."""
        document = self.document
        return with_shown_values({}, self.states) if document is None else document


class Plan(Struct, frozen=True):
    """An edit to record: the change to send, the document and the states to show; nothing to do when there is no change."""

    change: WireChange | None
    document: JsonDocument
    states: str


def ground(engine: EngineReader, place: Place, row: StoredRow | None, refused: list[StoredChange]) -> Ground:
    """Return what an edit is made on."""
    if not refused:
        known = engine.states(*place) if engine.has_states() else None
        return Ground(place, row, {} if known is None else read_states(known.visible))
    base = engine.base(*place)
    kept = [change for change in engine.changes_of(*place) if change not in refused]
    document, vector, stamp, states = fold(base, kept, base_states(engine, *place))
    known = engine.states(*place) if engine.has_states() else None
    shown = NO_STATES if known is None else read_states(known.visible)
    fields = refused_fields(shown, states, document)
    if base is None and not kept:
        return Ground(place, None, states, fields)
    body = None if document is None else encode(document).decode()
    return Ground(place, StoredRow(body, vector_text(vector), stamp), states, fields)


def plan_operations(engine: EngineReader, on: Ground, operations: Operations, stamp: str) -> Plan:
    """Return the plan of operations; the document is made when it is not there.

    Raises `CrdtTypeError`, `CrdtBoundError`, or `InvalidDocumentError` for what is too large.
    """
    change = WireChange(*on.place, "crdt")
    if on.document is None:
        change = WireChange(*on.place, "insert", document=msgspec.Raw(b"{}"))
    return _planned(engine, on, change, on.begun, operations, stamp)


def plan_save(engine: EngineReader, on: Ground, wanted: JsonDocument, stamp: str) -> Plan:
    """Return the plan of a plain save that leaves `wanted`; replicated fields that it leaves out stay. Raises the same.

    So what refused operations had made of a field goes out as operations again, once, and not as a plain value.
    """
    before = with_shown_values(on.begun, on.refused.begun)
    fields = {**on.states, **on.refused.begun}
    separated = separate(diff(before, on.refused.kept_in(wanted)), before, fields)
    translated = translate(separated.wanted, fields)
    for path in (*separated.buried, *translated.problems):
        why = translated.problems.get(path, "the save leaves no place for a field of its own type")
        _refuse(on.place, FieldProblem("CrdtTypeError", path, why))
    plain = apply_delta(before, separated.delta)
    operations = {**on.refused.empty, **translated.operations}
    change = WireChange(*on.place, "crdt")
    if on.document is None:
        document = apply_delta(plain, Delta(removed=tuple(fields)))
        change = WireChange(*on.place, "insert", document=msgspec.Raw(encode(document)))
    elif separated.delta:
        values, unset = delta_fields(separated.delta)
        change = WireChange(*on.place, "update", delta=values, unset=unset)
    return _planned(engine, on, change, plain, operations, stamp)


def _planned(
    engine: EngineReader, on: Ground, change: WireChange, plain: JsonDocument, operations: Operations, stamp: str
) -> Plan:
    replica = engine.replica()
    dot = Dot(replica.actor, replica.counter + 1)  # the one it will be recorded under
    base = VersionVector(decode(on.row.vector)) if on.row is not None else VersionVector()
    if needs_stamp(operations):
        change.hlc = next_stamp(now_ms=_milliseconds(stamp), seen=greatest_stamp(on.states, operations))
    try:
        applied = apply_operations(plain, on.states, operations, Authorship(dot, base, change.hlc, is_final=False))
        text = states_text(applied.states)
    except FieldProblem as problem:
        _refuse(on.place, problem)
    assert applied.document is not None
    if operations:
        change.crdt = msgspec.Raw(operations_text(operations))
    is_idle = change.operation == "crdt" and not any(
        _does_something(path, on.states, applied.states, operations) for path in operations
    )
    return Plan(None if is_idle else change, applied.document, text)


def _does_something(path: tuple[str, ...], before: FieldStates, after: FieldStates, operations: Operations) -> bool:
    operation = operations[path]
    if isinstance(operation, BoundedCounterOperation) and operation.reserve:
        return True  # what is granted is known only when the server has done it
    return path not in before or not same_content(before[path], after[path])


ERRORS: dict[str, type[Exception]] = {
    "CrdtTypeError": CrdtTypeError,
    "CrdtBoundError": CrdtBoundError,
    "CrdtTooLarge": InvalidDocumentError,
}


def _refuse(place: Place, problem: FieldProblem) -> NoReturn:
    raise ERRORS[problem.kind](f"{place[0]}/{place[1]}: {problem}") from problem


def _milliseconds(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).timestamp() * 1000)
