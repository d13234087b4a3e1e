"""Apply a page from the server: documents and cursor in the caller's transaction.

A page counts only onto the cursor it was asked from; any other is an old answer and changes nothing, and so does what comes
with a page that leads nowhere. Documents without changes of this device take the server's version as it is; the others
get it as their base copy, and their visible row is made anew.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from solidb_sync.errors import ProtocolError
from solidb_sync.json_value import JsonDocument, decode, encode
from solidb_sync.model.attachment import MARKER_BYTES
from solidb_sync.model.crdt.field_states import read_states, states_text
from solidb_sync.model.delta import MissingParentError, apply_delta
from solidb_sync.protocol.messages import ServerChange
from solidb_sync.storage.departures import REASON, drop_clean_rows, stays, take_away
from solidb_sync.storage.edits import DocumentChanged
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.known_versions import stable_at
from solidb_sync.storage.outbox import is_included
from solidb_sync.storage.overlay import base_copy, forget_base, rebuild
from solidb_sync.storage.records import ChangeState, DocumentRow, Mark, StoredBase, StoredRow, StoredStates
from solidb_sync.storage.rows_ahead import ROWS_AT_ONCE_MAX, Place, rows_at
from solidb_sync.storage.text_forms import parse_delta, parse_vector


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a pull: asked from one cursor, leading to the next; `is_last` when nothing was left to pull.

    `collection` set: a backfill of that one.
    """

    from_cursor: int
    cursor: int
    changes: list[ServerChange]
    is_last: bool
    collection: str | None = None
    resets: tuple[str, ...] = ()
    """Collections of which everything from before this page is gone at the server."""


@dataclass(slots=True)
class PageApplied:
    """What a page did. `needs_whole`: a delta had no base copy here, nothing was applied, ask for whole documents.

    `sent_bytes`: of fields and documents as they came; `full_bytes`: of the whole documents they stand for.
    """

    pulled: int = 0
    sent_bytes: int = 0
    full_bytes: int = 0
    needs_whole: bool = False
    facts: list[DocumentChanged] = field(default_factory=list)


class _NoBase(Exception):  # noqa: N818 - caught in this module
    """A delta came for a document that is not here."""


def apply_page(engine: StorageEngine, page: Page, *, wants_facts: bool) -> PageApplied:
    """Apply a page and move the cursor; return how many documents changed, and how when `wants_facts`."""
    applied = PageApplied()
    if page.from_cursor != _cursor(engine, page.collection):
        return applied
    if page.cursor == page.from_cursor:
        # nothing lies between the two, so what it brings is from an old answer, perhaps to another filter
        page = dataclasses.replace(page, changes=[], resets=())
    come = {(change.collection, change.key) for change in page.changes} if page.resets else set()
    upto = page.cursor
    gone = [fact for collection in page.resets for fact in drop_clean_rows(engine, collection, but=come, upto=upto)]
    for change in page.changes:
        if mentions_attachment(change):
            engine.mark(Mark.ATTACHED, change.collection, change.key)
    if not wants_facts and not page.resets and _apply_quickly(engine, page):
        applied.pulled = len(page.changes)
        applied.sent_bytes = applied.full_bytes = sum(map(_sent_bytes, page.changes))
        return applied
    try:
        prepared = _all_prepared(engine, page.changes)
    except (_NoBase, MissingParentError):
        applied.needs_whole = True
        return applied
    before = _visible(engine, page.changes) if wants_facts else []
    _write(engine, page.changes, prepared)
    _move_cursor(engine, page)
    applied.pulled = len(page.changes)
    applied.sent_bytes = sum(map(_sent_bytes, page.changes))
    applied.full_bytes = sum(len(body.encode()) for body in prepared if body is not None)
    if wants_facts:
        applied.facts = [*gone, *_facts(engine, page.changes, before)]
    return applied


def keep_fetched(engine: StorageEngine, change: ServerChange) -> None:
    """Keep one whole document that was asked for by itself; the caller has seen that no page can be older than it."""
    _write(engine, [change], [_prepared(engine, change)])
    if mentions_attachment(change):
        engine.mark(Mark.ATTACHED, change.collection, change.key)


def mentions_attachment(change: ServerChange) -> bool:
    """Return whether a change brings a document or fields that name an attachment."""
    content = change.delta if change.operation == "update" else change.document
    return isinstance(content, msgspec.Raw) and MARKER_BYTES in bytes(content)


def _apply_quickly(engine: StorageEngine, page: Page) -> bool:
    """Apply a page of whole documents to a store without changes of its own: the same, with fewer steps a document."""
    if engine.has_changes() or engine.has_states() or engine.replica().is_resyncing or _has_doubts(engine):
        return False
    documents: dict[str, list[DocumentRow]] = {}
    for change in page.changes:
        if change.operation != "insert" or not isinstance(change.document, msgspec.Raw) or change.crdt is not msgspec.UNSET:
            return False
        row = (change.key, change.document, change.version_vector, change.timestamp)
        documents.setdefault(change.collection, []).append(row)
    for collection, rows in documents.items():
        engine.put_documents(collection, rows)
    _move_cursor(engine, page)
    return True


def _sent_bytes(change: ServerChange) -> int:
    """Return the bytes of a change's content as it came."""
    content = change.delta if change.operation == "update" else change.document
    size = memoryview(content).nbytes if isinstance(content, msgspec.Raw) else 0
    return size + sum(len(text.encode()) for text in change.unset)


def _has_doubts(engine: StorageEngine) -> bool:
    """Return whether the coming of a row may mean that it stays after all."""
    return any(engine.has_marks(mark) for mark in (Mark.LEAVING, Mark.DOUBTED, Mark.EVICTED, Mark.EMPTIED))


def _cursor(engine: StorageEngine, collection: str | None) -> int:
    if collection is None:
        return engine.replica().cursor
    return engine.backfills().get(collection, -1)


def _move_cursor(engine: StorageEngine, page: Page) -> None:
    replica = engine.replica()
    # The rest of a transaction comes with a page, though it may lie beyond the page's end.
    horizon = max(page.cursor, replica.horizon, *(change.seq for change in page.changes))
    if page.collection is not None:
        engine.put_backfill(page.collection, page.cursor)
        if horizon > replica.horizon:
            engine.save_replica(replace(replica, horizon=horizon))
        return
    caught_up = page.cursor if page.is_last else replica.caught_up
    if (page.cursor, caught_up) != (replica.cursor, replica.caught_up):
        stable = stable_at(engine, page.cursor)
        moved = replace(replica, cursor=page.cursor, caught_up=caught_up, horizon=horizon, stable=stable)
        engine.save_replica(moved)


def _all_prepared(engine: StorageEngine, changes: list[ServerChange]) -> list[str | None]:
    """Return the texts of the documents that these changes leave behind; rows that are base copies are read together."""
    if engine.has_changes():
        return [_prepared(engine, change) for change in changes]
    prepared: list[str | None] = []
    for begin in range(0, len(changes), ROWS_AT_ONCE_MAX):
        part = changes[begin : begin + ROWS_AT_ONCE_MAX]
        rows = rows_at(engine, [(change.collection, change.key) for change in part if change.operation == "update"])
        prepared += [_prepared(engine, change, rows) for change in part]
    return prepared


def _prepared(engine: StorageEngine, change: ServerChange, rows: Mapping[Place, StoredRow] | None = None) -> str | None:
    """Return the text of the document a change leaves behind, None for a tombstone; `rows`: base copies read ahead."""
    match change.operation:
        case "delete" | "remove":
            return None
        case "insert":
            if not isinstance(change.document, msgspec.Raw):
                raise ProtocolError(f"server_changes: {change.collection}/{change.key} has no document")
            return bytes(change.document).decode()
        case "update":
            place = change.collection, change.key
            return _patched(change, base_copy(engine, *place) if rows is None else rows.get(place))
        case unknown:
            raise ProtocolError(f"server_changes: unknown operation {unknown!r}")


def _patched(change: ServerChange, base: StoredBase | StoredRow | None) -> str:
    if base is None or base.body is None or (isinstance(base, StoredBase) and base.is_deleted):
        raise _NoBase
    values = decode(bytes(change.delta)) if isinstance(change.delta, msgspec.Raw) else {}
    return encode(apply_delta(decode(base.body), parse_delta(values, change.unset))).decode()


def _write(engine: StorageEngine, changes: list[ServerChange], prepared: list[str | None]) -> None:
    anything_kept = engine.has_changes()
    is_resyncing, has_doubts = engine.replica().is_resyncing, _has_doubts(engine)
    documents: dict[str, list[DocumentRow]] = {}
    for change, body in zip(changes, prepared, strict=True):
        vector = bytes(change.version_vector).decode()
        if has_doubts:
            stays(engine, change.collection, change.key)
        if change.operation != "remove" and (change.crdt is not msgspec.UNSET or engine.has_states()):
            _take_states(engine, change)
        if change.operation == "remove":
            take_away(engine, change)
        elif anything_kept and _is_edited_beyond(engine, change, vector):
            _rebase(engine, change, body, vector)
        elif body is None:
            engine.put_row(change.collection, change.key, StoredRow(None, vector, change.timestamp))
        else:
            documents.setdefault(change.collection, []).append(
                (change.key, msgspec.Raw(body.encode()), change.version_vector, change.timestamp)
            )
        if is_resyncing:
            engine.mark_seen(change.collection, change.key)
    for collection, rows in documents.items():
        engine.put_documents(collection, rows)


def _take_states(engine: StorageEngine, change: ServerChange) -> None:
    """Keep the states of a document's replicated fields as the server has them; those of an update join the others."""
    place = change.collection, change.key
    known = engine.states(*place)
    brought = decode(bytes(change.crdt)) if isinstance(change.crdt, msgspec.Raw) else {}
    if change.operation == "update":
        if not brought:
            return
        brought = {**(decode(known.base) if known and known.base else {}), **brought}
    text = states_text(read_states(encode(brought))) if brought else ""
    if text or known is not None:
        engine.put_states(*place, StoredStates(text, text) if text else None)


def _rebase(engine: StorageEngine, change: ServerChange, body: str | None, vector: str) -> None:
    """Give a document with changes of ours a new base copy, and show the result."""
    place = (change.collection, change.key)
    before = engine.base(*place)
    last_body = body if body is not None else (before.body if before else None)
    engine.put_base(*place, StoredBase(last_body, body is None, vector, change.timestamp))
    rebuild(engine, *place)


def _is_edited_beyond(engine: StorageEngine, change: ServerChange, vector: str) -> bool:
    """Forget the held changes that a document's new version includes; return whether others are left, to lie over it."""
    place = (change.collection, change.key)
    kept = engine.changes_of(*place)
    if not kept:
        return False
    seen = parse_vector(vector)
    included = [one.id for one in kept if one.state is ChangeState.HELD and is_included(one, seen, change.seq)]
    engine.drop_changes(included)
    if len(included) < len(kept):
        return True
    forget_base(engine, *place)
    return False


def _visible(engine: StorageEngine, changes: list[ServerChange]) -> list[StoredRow | None]:
    return [engine.row(change.collection, change.key) for change in changes]


def _facts(engine: StorageEngine, changes: list[ServerChange], before: list[StoredRow | None]) -> Iterable[DocumentChanged]:
    for change, old in zip(changes, before, strict=True):
        new = engine.row(change.collection, change.key)
        old_body = old.body if old else None
        new_body = new.body if new else None
        if old_body != new_body:
            vector = new.vector if new else "{}"
            reason = REASON if change.operation == "remove" else ""
            sides = _document(new_body), _document(old_body)
            yield DocumentChanged(change.collection, change.key, *sides, vector, "remote", reason)


def _document(body: str | None) -> JsonDocument | None:
    return None if body is None else decode(body)
