"""The visible row of a document: the server's version with this device's unconfirmed changes laid over it.

The *base copy* is the server's last known version. It is kept apart only while changes lie over it; without changes the
visible row is the base copy. A change whose dot the base copy's vector includes is in it already and is not laid over
again, unless the server refused it: later edits of its document may have raised the vector past it. The vector of the
visible row is what the device has seen: the base copy's, and every change's base and dot.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec import UNSET, Raw
from msgspec.structs import replace

from solidb_sync.json_value import JsonDocument, decode, encode
from solidb_sync.model.crdt.authorship import Authorship
from solidb_sync.model.crdt.field_states import (
    NO_STATES,
    FieldStates,
    Operations,
    apply_those_that_fit,
    read_operations,
    read_states,
    states_text,
    with_shown_values,
)
from solidb_sync.model.delta import Delta, MissingParentError, apply_delta
from solidb_sync.model.version_vector import EMPTY_VECTOR, Dot, VersionVector
from solidb_sync.protocol.messages import WireChange
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.records import ChangeState, StoredBase, StoredChange, StoredRow, StoredStates
from solidb_sync.storage.text_forms import decode_change, parse_vector, vector_text, wire_delta, wire_document


def base_copy(engine: EngineReader, collection: str, key: str) -> StoredBase | None:
    """Return the server's last known version, wherever it is kept; None when this device knows of none."""
    if engine.has_changes_of(collection, key):
        return engine.base(collection, key)
    row = engine.row(collection, key)
    return None if row is None else StoredBase(row.body, row.body is None, row.vector, row.stamp)


def keep_base_apart(engine: StorageEngine, collection: str, key: str, row: StoredRow | None) -> None:
    """Keep the visible row as base copy, before the first change is laid over it."""
    if row is not None and not engine.has_changes_of(collection, key):
        engine.put_base(collection, key, StoredBase(row.body, row.body is None, row.vector, row.stamp))


def without_refused(engine: EngineReader, place: tuple[str, str], refused: list[StoredChange]) -> StoredRow | None:
    """Return the visible row as it would be without the changes the server refused."""
    base = engine.base(*place)
    kept = [change for change in engine.changes_of(*place) if change not in refused]
    if base is None and not kept:
        return None
    document, vector, stamp, _ = fold(base, kept, base_states(engine, *place))
    return StoredRow(None if document is None else encode(document).decode(), vector_text(vector), stamp)


def rebuild(engine: StorageEngine, collection: str, key: str) -> None:
    """Make the visible row from the base copy and the changes that are kept; with neither it is right already."""
    base = engine.base(collection, key)
    changes = engine.changes_of(collection, key)
    if not changes:
        if base is not None:
            _show_base(engine, collection, key, base)
        _show_states(engine, collection, key, None)
        return
    document, vector, stamp, states = fold(base, changes, base_states(engine, collection, key))
    _show_states(engine, collection, key, states)
    body = None if document is None else encode(document).decode()
    engine.put_row(collection, key, StoredRow(body, vector_text(vector), stamp))


def _show_base(engine: StorageEngine, collection: str, key: str, base: StoredBase) -> None:
    engine.put_row(collection, key, StoredRow(None if base.is_deleted else base.body, base.vector, base.stamp))
    engine.drop_base(collection, key)


def forget_base(engine: StorageEngine, collection: str, key: str) -> None:
    """Keep no base copy apart any more: the visible row is going to be the server's version."""
    engine.drop_base(collection, key)
    _show_states(engine, collection, key, None)


def forget_what_went(engine: StorageEngine, place: tuple[str, str]) -> None:
    """Let the server's version of a document be nothing: it went from there with its whole collection.

    Its vector stays, for that is what has been seen here, and its body, for edits that are sent with all of it.
    """
    base, states = engine.base(*place), engine.states(*place)
    if base is not None:
        engine.put_base(*place, replace(base, is_deleted=True))
    if states is not None:
        engine.put_states(*place, replace(states, base=""))


def base_states(engine: EngineReader, collection: str, key: str) -> FieldStates:
    """Return the server's last known states of a document's replicated fields."""
    known = engine.states(collection, key) if engine.has_states() else None
    return NO_STATES if known is None else read_states(known.base)


def _show_states(engine: StorageEngine, collection: str, key: str, states: FieldStates | None) -> None:
    """Keep the states that the visible row shows; None for the server's own."""
    known = engine.states(collection, key) if engine.has_states() else None
    base = "" if known is None else known.base
    visible = base if states is None else states_text(states)
    if base or visible:
        engine.put_states(collection, key, StoredStates(base, visible))
    elif known is not None:
        engine.put_states(collection, key, None)


class Folded(NamedTuple):
    """What a base copy with changes laid over it comes to; `document` None is a deletion."""

    document: JsonDocument | None
    vector: VersionVector
    stamp: str
    states: FieldStates


def fold(
    base: StoredBase | None, changes: list[StoredChange], states: FieldStates = NO_STATES, *, is_final: bool = False
) -> Folded:
    """Return a base copy and its states with changes laid over them, oldest first.

    `is_final`: the server has applied them exactly so. Otherwise an operation that a field can't take is passed over: the
    server will refuse it, or has done so.
    """
    vector = EMPTY_VECTOR if base is None else parse_vector(base.vector)
    in_base = vector
    document: JsonDocument | None = None
    last_body: JsonDocument | None = None
    if base is not None and base.body is not None:
        last_body = decode(base.body)
        document = None if base.is_deleted else last_body
    stamp = "" if base is None else base.stamp
    for change in changes:
        dot = Dot(change.actor, change.counter)
        if in_base.covers(dot) and change.state is not ChangeState.REJECTED:
            continue
        wire = decode_change(change.wire)
        document = lay_change_over(document, last_body, wire)
        if isinstance(wire.crdt, Raw) and not _is_in(in_base, wire):
            author = Authorship(dot, VersionVector(wire.base_version), wire.hlc, is_final)
            document, states = _operated(document, states, read_operations(decode(bytes(wire.crdt))), author)
        last_body = document if document is not None else last_body
        vector = vector.merge(VersionVector(wire.base_version)).with_dot(dot)
        stamp = wire.timestamp or stamp
    if states and document is not None:
        document = with_shown_values(document, states)
    return Folded(document, vector, stamp, states)


def _is_in(seen: VersionVector, wire: WireChange) -> bool:
    """Return whether a version has a change's operations under the dot they had before the server lost its past."""
    return wire.former is not UNSET and seen.covers(Dot(wire.former.actor, wire.former.counter))


def _operated(
    document: JsonDocument | None, states: FieldStates, operations: Operations, author: Authorship
) -> tuple[JsonDocument | None, FieldStates]:
    """Return document and states after operations; values of fields that have a state are left for the end."""
    if document is None or operations.keys() <= states.keys():
        return document, apply_those_that_fit(None, states, operations, author).states
    applied = apply_those_that_fit(document, states, operations, author)
    return applied.document, applied.states


def lay_change_over(document: JsonDocument | None, last_body: JsonDocument | None, wire: WireChange) -> JsonDocument | None:
    """Return what one change makes of a document; an edit of a deleted one starts from its last body."""
    match wire.operation:
        case "delete":
            return None
        case "insert":
            return {**(document or {}), **wire_document(wire)}
        case _ if wire.resolves and not wire_delta(wire):
            return document  # it only closes a conflict
        case _:
            return _laid_over(document or last_body or {}, wire_delta(wire))


def _laid_over(document: JsonDocument, delta: Delta) -> JsonDocument:
    for _ in range(len(delta.values) + 1):
        try:
            return apply_delta(document, delta)
        except MissingParentError as missing:
            document = apply_delta(document, Delta({missing.path: {}}))
    raise AssertionError("a delta has more missing parents than paths")
