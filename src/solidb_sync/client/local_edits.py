"""The app's edits: checked, recorded with their pending change in one transaction, then made known."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from solidb_sync.client import field_operations as operations
from solidb_sync.client.author import Author
from solidb_sync.client.events import with_identity
from solidb_sync.client.field_operations import value_in
from solidb_sync.client.notifications import Notifications
from solidb_sync.client.storage_room import StorageRoom
from solidb_sync.client.strategies import Strategies
from solidb_sync.client.sync_states import SyncStates
from solidb_sync.errors import InvalidDocumentError, StorageFullError, SyncError
from solidb_sync.json_value import Canonical, JsonDocument, canonical, decode
from solidb_sync.model.crdt.authorship import Authorship
from solidb_sync.model.crdt.field_states import (
    FieldStates,
    Operations,
    apply_those_that_fit,
    read_states,
    with_shown_values,
)
from solidb_sync.model.crdt.registry import Operation
from solidb_sync.model.delta import Path, same_value
from solidb_sync.model.version_vector import Dot
from solidb_sync.protocol.limits import CHANGES_PER_BATCH_MAX
from solidb_sync.storage.edits import DocumentChanged, Minted, check_room, record_delete, record_operations, record_save
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.field_path import SYSTEM_FIELDS
from solidb_sync.storage.hybrid_stamps import next_device_stamp
from solidb_sync.storage.local_indexes import check_unique
from solidb_sync.storage.local_store import LocalStore, check_place
from solidb_sync.storage.outbox import PUSH_BYTES_MAX
from solidb_sync.storage.records import ChangeState
from solidb_sync.storage.text_forms import decode_change, encode_change


class _Edit(Struct, frozen=True):
    """One edit of a transaction: operations on replicated fields, or a document to save; with neither it deletes."""

    collection: str
    key: str
    document: Canonical | None = None
    merge: bool = True
    operations: Operations | None = None
    rewrite: Callable[[StorageEngine], Canonical] | None = None
    """Makes the whole document in the transaction of the edit."""


class Operated(NamedTuple):
    """What an operation on the field at `path` did: the document before, and the field's value now."""

    path: Path
    before: JsonDocument | None
    value: Any
    has_changed: bool


class LocalEdits:
    """Records edits in a store and tells listeners."""

    def __init__(
        self,
        store: LocalStore,
        notifications: Notifications,
        strategies: Strategies,
        room: StorageRoom,
        *,
        pending_max: int | None,
        author: Author | None = None,
        states: SyncStates | None = None,
    ) -> None:
        self._store = store
        self._notifications = notifications
        self._strategies = strategies
        self._room = room
        self._pending_max = pending_max
        self._states = states or SyncStates(store)
        self.author = author or Author(lambda: "")

    async def save(self, collection: str, key: str, document: JsonDocument, *, merge: bool) -> bool:
        """Insert or update; returns whether anything changed."""
        edit = _Edit(collection, key, checked_document(collection, key, document), merge)
        return bool(await self._record([edit]))

    async def operate(self, collection: str, key: str, path: Path, operation: Operation) -> Operated:
        """Record an operation on a replicated field."""
        check_place(collection, key)
        facts = await self._record([_Edit(collection, key, operations={path: operation})])
        if facts:
            return Operated(path, facts[0].old_document, value_in(facts[0].document, path), True)
        row = self._store.view(lambda reader: reader.row(collection, key))
        document = None if row is None or row.body is None else decode(row.body)
        return Operated(path, document, value_in(document, path), False)

    async def rewrite(self, collection: str, key: str, rewrite: Callable[[StorageEngine], Canonical]) -> bool:
        """Replace a document by what `rewrite` makes of it in the same transaction; returns whether anything changed."""
        return bool(await self._record([_Edit(collection, key, rewrite=rewrite)]))

    async def delete(self, collection: str, key: str) -> bool:
        """Delete; returns whether it was there."""
        check_place(collection, key)
        return bool(await self._record([_Edit(collection, key)]))

    async def record_together(self, edits: list[_Edit]) -> bool:
        """Record the edits of a transaction, all or none."""
        if len(edits) > CHANGES_PER_BATCH_MAX:
            raise SyncError(f"a transaction has at most {CHANGES_PER_BATCH_MAX} edits, found {len(edits)}")
        size = sum(len(edit.document.text) for edit in edits if edit.document is not None)
        if size > PUSH_BYTES_MAX:
            raise SyncError(f"a transaction has at most {PUSH_BYTES_MAX} bytes of documents, found {size}")
        return bool(await self._record(edits, transaction=self._store.mint_id() if len(edits) > 1 else ""))

    async def _record(self, edits: list[_Edit], transaction: str = "") -> list[DocumentChanged]:
        stamp = self._store.stamp()
        minted = [Minted(self._store.mint_id(), stamp, transaction, len(edits) if transaction else 0) for _ in edits]
        pending_max = self._pending_max
        more_bytes = _bytes_added(edits)
        stamped = [self._strategies.wants_stamps(edit.collection) for edit in edits]
        now_ms = self._store.clock.now_ms()

        def work(engine: StorageEngine) -> list[DocumentChanged]:
            self.author.note(engine)
            check_room(engine, pending_max)
            if more_bytes is not None:
                self._room.check(engine, more_bytes)
            facts = [
                _apply(engine, replace(mint, hlc=next_device_stamp(engine, now_ms=now_ms)) if has_stamp else mint, edit)
                for mint, edit, has_stamp in zip(minted, edits, stamped, strict=True)
            ]
            changed = [fact for fact in facts if fact is not None]
            check_unique(engine, changed)
            if transaction and len(changed) != len(edits):
                _correct_size(engine, transaction, len(changed))
            return changed

        try:
            facts = await self._store.commit(work)
        except StorageFullError as problem:
            self._room.tell(problem)
            raise
        if more_bytes is not None:
            self._room.tell(None)
        self._notifications.publish([fact for fact in facts if not same_value(fact.document, fact.old_document)])
        self._states.look_at((edit.collection, edit.key) for edit in edits)
        return facts


def _bytes_added(edits: list[_Edit]) -> int | None:
    """Return the bytes of the documents to save, None when nothing is saved: deletions always have room."""
    if not any(edit.document or edit.rewrite or edit.operations for edit in edits):
        return None
    return sum(len(edit.document.text) for edit in edits if edit.document is not None)


def _apply(engine: StorageEngine, minted: Minted, edit: _Edit) -> DocumentChanged | None:
    place = (edit.collection, edit.key)
    if edit.operations is not None:
        return record_operations(engine, minted, place, edit.operations)
    if edit.rewrite is not None:
        return record_save(engine, minted, place, edit.rewrite(engine), merge=False)
    if edit.document is None:
        return record_delete(engine, minted, place)
    return record_save(engine, minted, place, edit.document, merge=edit.merge)


def _correct_size(engine: StorageEngine, transaction: str, size: int) -> None:
    """Write the true size into the changes of a transaction: edits that changed nothing left none."""
    for change in engine.changes(state=ChangeState.PENDING):
        if change.transaction == transaction:
            wire = decode_change(change.wire)
            wire.transaction_size = size
            engine.replace_change(replace(change, wire=encode_change(wire)))


def checked_document(collection: str, key: str, document: JsonDocument) -> Canonical:
    """Return a document as it is kept: valid JSON, without the fields that reads add; raises `InvalidDocumentError`."""
    check_place(collection, key)
    if isinstance(document, dict) and not SYSTEM_FIELDS.isdisjoint(document):
        if document.get("_key", key) != key:
            raise InvalidDocumentError(f"document._key: {document['_key']!r} is not the key it is saved under, {key!r}")
        document = {name: value for name, value in document.items() if name not in SYSTEM_FIELDS}
    return canonical(document)


class Transaction:
    """Several edits that happen together: all or none, here and on the server.

    Use it with `async with`; the edits are recorded when the block ends, and dropped when it ends with an exception.
    """

    def __init__(self, store: LocalStore, edits: LocalEdits) -> None:
        self._store = store
        self._edits = edits
        self._waiting: list[_Edit] = []
        self._is_open = False
        self.has_changed = False

    async def __aenter__(self) -> Transaction:
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        if kind is None and self._waiting:
            self.has_changed = await self._edits.record_together(self._waiting)

    async def save_document(self, collection: str, key: str, document: JsonDocument, *, merge: bool = True) -> None:
        """Insert or update when the block ends."""
        self._check_open()
        self._waiting.append(_Edit(collection, key, checked_document(collection, key, document), merge))

    async def delete_document(self, collection: str, key: str) -> None:
        """Delete when the block ends."""
        self._check_open()
        check_place(collection, key)
        self._waiting.append(_Edit(collection, key))

    async def crdt_increment(self, collection: str, key: str, field: str, amount: int = 1) -> None:
        """Add to a counter when the block ends."""
        self._operate(collection, key, field, operations.counter_operation(amount))

    async def crdt_decrement(self, collection: str, key: str, field: str, amount: int = 1) -> None:
        """Take from a counter when the block ends."""
        self._operate(collection, key, field, operations.counter_operation(amount, sign=-1))

    async def crdt_set(self, collection: str, key: str, field: str, value: Any) -> None:
        """Write a register when the block ends."""
        self._operate(collection, key, field, operations.register_operation(value))

    async def crdt_add_to_set(self, collection: str, key: str, field: str, value: Any) -> None:
        """Add to a set that only grows when the block ends."""
        self._operate(collection, key, field, operations.grow_set_operation(value))

    async def crdt_orset_add(self, collection: str, key: str, field: str, value: Any) -> None:
        """Add to a set when the block ends."""
        self._operate(collection, key, field, operations.set_addition(value))

    async def crdt_orset_remove(self, collection: str, key: str, field: str, value: Any) -> None:
        """Remove from a set when the block ends."""
        self._operate(collection, key, field, operations.set_removal(value))

    async def crdt_map_put(self, collection: str, key: str, field: str, map_key: str, value: Any) -> None:
        """Put into a map when the block ends."""
        self._operate(collection, key, field, operations.map_put(map_key, value))

    async def crdt_map_remove(self, collection: str, key: str, field: str, map_key: str) -> None:
        """Remove from a map when the block ends."""
        self._operate(collection, key, field, operations.map_removal(map_key))

    async def crdt_bounded_increment(self, collection: str, key: str, field: str, amount: int = 1) -> None:
        """Add to a bounded counter when the block ends."""
        self._operate(collection, key, field, operations.bounded_operation("add", amount))

    async def crdt_bounded_decrement(self, collection: str, key: str, field: str, amount: int = 1) -> None:
        """Take from a bounded counter when the block ends, which raises `CrdtBoundError` if it can't be."""
        self._operate(collection, key, field, operations.bounded_operation("take", amount))

    def _operate(self, collection: str, key: str, field: str, operation: Operation) -> None:
        self._check_open()
        check_place(collection, key)
        self._waiting.append(_Edit(collection, key, operations={operations.field_path(field): operation}))

    async def get_document(self, collection: str, key: str) -> dict[str, Any] | None:
        """Return a document with the edits of this transaction."""
        self._check_open()
        found = self._store.get_document(collection, key)
        document = None if found is None else found[0]
        known = self._store.view(lambda reader: reader.states(collection, key))
        states: FieldStates = {} if known is None else read_states(known.visible)
        for edit in self._waiting:
            if (edit.collection, edit.key) == (collection, key):
                document, states = _after(document, states, edit, self._store.client_id)
        return with_identity(document, collection, key)

    def _check_open(self) -> None:
        if not self._is_open:
            raise SyncError("the transaction is not open; use it inside its `async with` block")


def _after(
    document: JsonDocument | None, states: FieldStates, edit: _Edit, client_id: str
) -> tuple[JsonDocument | None, FieldStates]:
    if edit.operations is not None:
        begun = with_shown_values({}, states) if document is None else document
        author = Authorship(Dot(client_id, 0), is_final=False)  # everything in the transaction is seen by what comes after
        applied = apply_those_that_fit(begun, states, edit.operations, author)
        return applied.document, applied.states
    if edit.document is None:
        return None, states
    return ({**(document or {}), **edit.document.value} if edit.merge else edit.document.value), states
