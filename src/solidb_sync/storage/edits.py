"""Record one edit of the app: document, pending change, counter and base copy, all in the caller's transaction."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from solidb_sync.errors import DocumentEvictedError, StorageFullError
from solidb_sync.json_value import Canonical, JsonDocument, check_size, decode, encode
from solidb_sync.model.attachment import MARKER
from solidb_sync.model.crdt.field_states import Operations
from solidb_sync.model.delta import diff
from solidb_sync.protocol.messages import WireChange
from solidb_sync.storage.conflict_log import reopen_conflicts
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.field_edits import Ground, Plan, ground, plan_operations, plan_save
from solidb_sync.storage.known_versions import base_seq
from solidb_sync.storage.overlay import forget_what_went, keep_base_apart, rebuild, without_refused
from solidb_sync.storage.records import ChangeState, Mark, StoredChange, StoredRow, StoredStates
from solidb_sync.storage.text_forms import delta_fields, encode_change, text_with_dot


class Minted(Struct, frozen=True, gc=False):
    """What the outside gives to an edit: its change id, the time, the transaction it belongs to, and who makes it."""

    change_id: str
    stamp: str
    transaction: str = ""
    transaction_size: int = 0
    hlc: str = ""


class DocumentChanged(Struct, frozen=True):
    """A document is not what it was: the fact that listeners are told.

    `document` None is a deletion, or, with a `reason`, that it has left this device.
    """

    collection: str
    key: str
    document: JsonDocument | None
    old_document: JsonDocument | None
    vector: str
    source: str
    reason: str = ""


def record_save(
    engine: StorageEngine, minted: Minted, place: tuple[str, str], document: Canonical, *, merge: bool
) -> DocumentChanged | None:
    """Insert or update a document; None when it changes nothing."""
    collection, key = place
    row = engine.row(collection, key)
    refused = _to_take_over(engine, place)
    if engine.has_states() and engine.states(collection, key) is not None:
        return _save_over_fields(engine, minted, place, row, document, merge=merge, refused=refused)
    if refused:
        return _save_over_refused(engine, minted, row, document, merge=merge, refused=refused)
    if row is None or row.body is None:
        change = WireChange(collection, key, "insert", document=msgspec.Raw(document.text))
        return _record(engine, minted, row, change, _Sides(None, document.value, document.text.decode()))
    before: JsonDocument = decode(row.body)
    after = {**before, **document.value} if merge else document.value
    delta = diff(before, after)
    if not delta:
        return None
    text = encode(after)
    check_size(len(text), "document")
    values, unset = delta_fields(delta)
    change = WireChange(collection, key, "update", delta=values, unset=unset)
    return _record(engine, minted, row, change, _Sides(before, after, text.decode()))


def record_delete(engine: StorageEngine, minted: Minted, place: tuple[str, str]) -> DocumentChanged | None:
    """Delete a document; None when it is not there."""
    collection, key = place
    row = engine.row(collection, key)
    check_is_here(engine, place, "delete it")
    if row is None or row.body is None:
        return None
    refused = _to_take_over(engine, place)
    under = without_refused(engine, place, refused) if refused else row
    change = WireChange(collection, key, "delete")
    fact = _record(engine, minted, under, change, _Sides(decode(row.body), None, None))
    _take_over(engine, refused)
    if refused and engine.has_states():
        rebuild(engine, *place)
    return fact


def _to_take_over(engine: StorageEngine, place: tuple[str, str]) -> list[StoredChange]:
    """Return the refused changes of a document whose place a new edit is about to take.

    When it went from the server with its whole collection, nothing of it is left under them there: the edit brings all back.
    """
    refused = engine.rejected_of(*place)
    if refused and engine.is_marked(Mark.EMPTIED, *place) and len(engine.changes_of(*place)) == len(refused):
        forget_what_went(engine, place)
    return refused


def check_is_here(engine: StorageEngine, place: tuple[str, str], then: str) -> None:
    """Raise `DocumentEvictedError` for a document that is on the server only: what is not seen can't be decided on."""
    if engine.has_marks(Mark.EVICTED) and engine.is_marked(Mark.EVICTED, *place) and engine.row(*place) is None:
        where = "/".join(place)
        raise DocumentEvictedError(f"{where}: evicted from this device; get it while online, then {then}")


def record_operations(
    engine: StorageEngine, minted: Minted, place: tuple[str, str], operations: Operations
) -> DocumentChanged | None:
    """Record operations on replicated fields; None when they change nothing. The first one makes document and field.

    The document of what is returned may be the same as before. Raises `CrdtTypeError`, `CrdtBoundError`, and
    `InvalidDocumentError` for what becomes too large; nothing is recorded then.
    """
    row, refused = engine.row(*place), engine.rejected_of(*place)
    on = ground(engine, place, row, refused)
    plan = plan_operations(engine, on, operations, minted.stamp)
    before = None if row is None or row.body is None else decode(row.body)
    fact = _record_plan(engine, minted, on, plan, before)
    return fact if fact is None or not refused else _shown_again(engine, fact)


def _shown_again(engine: StorageEngine, fact: DocumentChanged) -> DocumentChanged:
    """Lay all that is kept over the base copy again, refused changes too; returns the fact with what is shown then."""
    rebuild(engine, fact.collection, fact.key)
    row = engine.row(fact.collection, fact.key)
    assert row is not None, "a document that was just written has a row"
    return replace(fact, document=None if row.body is None else decode(row.body), vector=row.vector)


def _save_over_fields(
    engine: StorageEngine,
    minted: Minted,
    place: tuple[str, str],
    row: StoredRow | None,
    document: Canonical,
    *,
    merge: bool,
    refused: list[StoredChange],
) -> DocumentChanged | None:
    """Save a document with replicated fields; what the server refused before is taken over."""
    before: JsonDocument | None = None if row is None or row.body is None else decode(row.body)
    wanted = {**(before or {}), **document.value} if merge else document.value
    on = ground(engine, place, row, refused)
    fact = _record_plan(engine, minted, on, plan_save(engine, on, wanted, minted.stamp), before)
    if refused:
        _take_over(engine, refused)
        rebuild(engine, *place)
    return fact


def _record_plan(
    engine: StorageEngine, minted: Minted, on: Ground, plan: Plan, before: JsonDocument | None
) -> DocumentChanged | None:
    if plan.change is None:
        return None
    text = encode(plan.document)
    check_size(len(text), "document")
    fact = _record(engine, minted, on.row, plan.change, _Sides(before, plan.document, text.decode()))
    known = engine.states(*on.place)
    engine.put_states(*on.place, StoredStates("" if known is None else known.base, plan.states))
    return fact


def record_target(
    engine: StorageEngine, minted: Minted, place: tuple[str, str], target: JsonDocument | None, resolves: list[str]
) -> DocumentChanged | None:
    """Make a document what it is to be (None: deleted), settling conflicts with it.

    With nothing to settle, an edit that changes nothing is not recorded. Otherwise it is, because it says that the conflict
    is closed; nothing is told of it then, and None returned. What the server refused before is taken over, as by a save.
    """
    row, refused = engine.row(*place), _to_take_over(engine, place)
    before: JsonDocument | None = None if row is None or row.body is None else decode(row.body)
    if target is not None and engine.states(*place) is not None:
        on = ground(engine, place, row, refused)
        plan = plan_save(engine, on, target, minted.stamp)
        if plan.change is not None:
            plan.change.resolves = resolves
            fact = _record_plan(engine, minted, on, plan, before)
            if refused:
                _take_over(engine, refused)
                rebuild(engine, *place)
            return fact
        target = on.document
    under = without_refused(engine, place, refused) if refused else row
    change = _target_change(place, under, target)
    body = None if target is None else encode(target).decode()
    if change is not None or resolves:
        change = change or WireChange(*place, "update", delta=msgspec.Raw(b"{}"))
        change.resolves = resolves
        fact = _record(engine, minted, under, change, _Sides(before, target, body))
        _take_over(engine, refused)
        if refused and engine.has_states():
            rebuild(engine, *place)
        return fact if before != target else None
    if refused:
        _take_over(engine, refused)
        rebuild(engine, *place)
    if before == target:
        return None
    return DocumentChanged(*place, target, before, "{}" if under is None else under.vector, "local")


def _target_change(place: tuple[str, str], under: StoredRow | None, target: JsonDocument | None) -> WireChange | None:
    """Return the change that makes a document what it is to be, None when it is that."""
    current: JsonDocument | None = None if under is None or under.body is None else decode(under.body)
    if current is None:
        return None if target is None else WireChange(*place, "insert", document=msgspec.Raw(encode(target)))
    if target is None:
        return WireChange(*place, "delete")
    delta = diff(current, target)
    if not delta:
        return None
    check_size(len(encode(target)), "document")
    values, unset = delta_fields(delta)
    return WireChange(*place, "update", delta=values, unset=unset)


def _save_over_refused(
    engine: StorageEngine,
    minted: Minted,
    row: StoredRow | None,
    document: Canonical,
    *,
    merge: bool,
    refused: list[StoredChange],
) -> DocumentChanged | None:
    """Save over refused changes: the new edit is all that differs from what the server may have, and takes them over."""
    collection, key = place = refused[0].collection, refused[0].key
    before: JsonDocument | None = None if row is None or row.body is None else decode(row.body)
    after = {**(before or {}), **document.value} if merge else document.value
    if before is not None and not diff(before, after):
        return None
    text = encode(after)
    check_size(len(text), "document")
    under = without_refused(engine, place, refused)
    if under is None or under.body is None:
        change = WireChange(collection, key, "insert", document=msgspec.Raw(text))
    elif delta := diff(decode(under.body), after):
        values, unset = delta_fields(delta)
        change = WireChange(collection, key, "update", delta=values, unset=unset)
    else:
        _take_over(engine, refused)
        rebuild(engine, collection, key)
        return DocumentChanged(collection, key, after, before, under.vector, "local")
    fact = _record(engine, minted, under, change, _Sides(before, after, text.decode()))
    _take_over(engine, refused)
    return fact


def _take_over(engine: StorageEngine, refused: list[StoredChange]) -> None:
    """Forget refused changes whose place a new edit has taken; a decision among them is to be made anew."""
    engine.drop_changes(taken.id for taken in refused)
    reopen_conflicts(engine, refused)


class _Sides(Struct, frozen=True):
    before: JsonDocument | None
    after: JsonDocument | None
    body: str | None


def _record(
    engine: StorageEngine, minted: Minted, row: StoredRow | None, change: WireChange, sides: _Sides
) -> DocumentChanged:
    collection, key = change.collection, change.key
    base = "{}" if row is None else row.vector
    if row is None and engine.is_marked(Mark.GHOST, collection, key):
        engine.save_replica(replace(engine.replica(), must_renew=True))  # its vector would claim the edits of its old self
    dot = engine.next_dot()
    change.id = minted.change_id
    change.counter = dot.counter
    change.base_version = decode(base)
    change.base_seq = 0 if row is None else base_seq(engine, collection, key)
    change.timestamp = minted.stamp
    change.hlc = change.hlc or minted.hlc
    change.transaction = minted.transaction
    change.transaction_size = minted.transaction_size
    vector = text_with_dot(base, dot)
    keep_base_apart(engine, collection, key, row)
    engine.put_row(collection, key, StoredRow(sides.body, vector, minted.stamp))
    if sides.body is not None and MARKER in sides.body:
        engine.mark(Mark.ATTACHED, collection, key)
    engine.add_change(pending_change(change, dot.actor, document_bytes=_bytes_left(change, sides.body)))
    return DocumentChanged(collection, key, sides.after, sides.before, vector, "local")


def _bytes_left(change: WireChange, body: str | None) -> int:
    if body is None or change.operation != "update" or change.crdt is not msgspec.UNSET:
        return 0
    return len(body) if body.isascii() else len(body.encode())


def pending_change(change: WireChange, actor: str, *, document_bytes: int = 0) -> StoredChange:
    """Return the record of a change that waits to be sent."""
    return StoredChange(
        id=0,
        collection=change.collection,
        key=change.key,
        state=ChangeState.PENDING,
        change_id=change.id,
        actor=actor,
        counter=change.counter,
        transaction=change.transaction,
        needs_full=False,
        wire=encode_change(change),
        reason="",
        document_bytes=document_bytes,
    )


def check_room(engine: StorageEngine, pending_max: int | None) -> None:
    """Raise `StorageFullError` when no further change may wait."""
    if pending_max is not None and engine.count_changes(ChangeState.PENDING) >= pending_max:
        raise StorageFullError(f"max_pending_changes: {pending_max} changes wait for the server already; nothing was saved")
