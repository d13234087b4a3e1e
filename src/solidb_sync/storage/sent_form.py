"""A change as it is sent: as it was recorded, with the whole document beside it, or with the document in place of its delta.

What an edit means does not depend on its form. A delta goes alone while it is short; where the policy says so, and
whenever the server has asked, the whole document goes along, so that the server need not ask for it. How long the document
was is recorded with an edit of plain fields: for one whose fields go alone, the document is not read again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from solidb_sync.json_value import decode, encode
from solidb_sync.model.delta import same_value, value_at
from solidb_sync.model.delta_policy import DeltaPolicy
from solidb_sync.protocol.messages import WireChange
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.overlay import base_states, fold
from solidb_sync.storage.records import StoredChange, StoredRow
from solidb_sync.storage.rows_ahead import ROWS_AT_ONCE_MAX, rows_at
from solidb_sync.storage.text_forms import decode_change, encode_change, wire_delta

_values = msgspec.json.Decoder(dict[str, msgspec.Raw])
_UPDATE = '"operation":"update"'


class SentForm(NamedTuple):
    """The JSON of a change as it goes out, its size, and the size it has with the whole document, both in bytes."""

    text: str
    sent_bytes: int
    full_bytes: int


def sent_forms(engine: EngineReader, page: list[StoredChange], policy: DeltaPolicy) -> list[SentForm]:
    """Return pending changes as they are sent under a policy."""
    known = [_form_without_document(change, policy) for change in page]
    unknown = [change for change, form in zip(page, known, strict=True) if form is None]
    found = iter(_forms_with_documents(engine, page, unknown, policy))
    return [next(found) if form is None else form for form in known]


def _forms_with_documents(
    engine: EngineReader, page: list[StoredChange], unknown: list[StoredChange], policy: DeltaPolicy
) -> Iterator[SentForm]:
    """Yield the forms of those changes of a page that want their documents read, which is done many at a time."""
    if not unknown or not _are_all(engine, page):
        yield from (sent_form(engine, change, policy) for change in unknown)
        return
    counts = Counter((change.collection, change.key) for change in page)
    for begin in range(0, len(unknown), ROWS_AT_ONCE_MAX):
        part = unknown[begin : begin + ROWS_AT_ONCE_MAX]
        alone = [place for change in part if counts[place := (change.collection, change.key)] == 1]
        rows = rows_at(engine, alone)
        yield from (sent_form(engine, change, policy, only=rows.get((change.collection, change.key))) for change in part)


def _are_all(engine: EngineReader, page: list[StoredChange]) -> bool:
    """Return whether nothing is kept but these changes."""
    kept = engine.changes(state=None, limit=len(page) + 1)
    return [change.id for change in kept] == [change.id for change in page]


def sent_form(engine: EngineReader, change: StoredChange, policy: DeltaPolicy, *, only: StoredRow | None = None) -> SentForm:
    """Return a pending change as it is sent under a policy; `only`: its document's row, when it is the only change there."""
    form = _form_without_document(change, policy)
    if form is not None:
        return form
    wire = decode_change(change.wire)
    document = _document_with(engine, change, wire, only)
    if change.needs_full:
        wire.document = msgspec.Raw(document)
        return _in_full(encode_change(wire))
    if _sends_fields(change, wire, policy, len(document)) or not _holds(document, wire):
        return _as_fields(change, wire, len(document))
    return _in_full(_with_document(wire, document))


def _form_without_document(change: StoredChange, policy: DeltaPolicy) -> SentForm | None:
    """Return the form of a change for which its document need not be read, None for others."""
    if change.needs_full:
        return None
    if _UPDATE not in change.wire:
        return _in_full(change.wire)
    wire = decode_change(change.wire)
    if wire.operation != "update" or (wire.delta is UNSET and not wire.unset):
        return _in_full(change.wire)
    if wire.resolves and not wire_delta(wire):
        return _in_full(change.wire)  # it closes a conflict and writes nothing
    if change.document_bytes and _sends_fields(change, wire, policy, change.document_bytes):
        return _as_fields(change, wire, change.document_bytes)
    return None


def _sends_fields(change: StoredChange, wire: WireChange, policy: DeltaPolicy, document_bytes: int) -> bool:
    delta_bytes = _delta_bytes(wire) + len(encode(wire.unset))
    return policy.sends_fields(change.collection, delta_bytes=delta_bytes, document_bytes=document_bytes)


def _as_fields(change: StoredChange, wire: WireChange, document_bytes: int) -> SentForm:
    size = _bytes_of(change.wire)
    return SentForm(change.wire, size, size + _bytes_more_in_full(wire, document_bytes))


def as_recorded(change: StoredChange) -> SentForm:
    """Return a change as it was recorded, whatever the policy."""
    return _in_full(change.wire)


def _in_full(text: str) -> SentForm:
    size = _bytes_of(text)
    return SentForm(text, size, size)


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _with_document(wire: WireChange, document: bytes) -> str:
    """Return the JSON of an update with the whole document, and the paths it wrote instead of their values."""
    whole = msgspec.structs.replace(wire, document=msgspec.Raw(document), delta=UNSET, fields=_paths(wire))
    return encode_change(whole)


def _bytes_more_in_full(wire: WireChange, document_bytes: int) -> int:
    """Return by how much `_with_document` makes an update longer, without making it."""
    more = len(b',"document":') + document_bytes
    if wire.delta is UNSET:
        return more
    paths = _paths(wire)
    less = len(b',"delta":') + _delta_bytes(wire)
    return more - less + (len(b',"fields":') + len(encode(paths)) if paths else 0)


def _paths(wire: WireChange) -> list[str]:
    return [] if wire.delta is UNSET else list(_values.decode(wire.delta))


def _delta_bytes(wire: WireChange) -> int:
    return 0 if wire.delta is UNSET else memoryview(wire.delta).nbytes


def _holds(document: bytes, wire: WireChange) -> bool:
    """Return whether a document has what an update writes.

    It has not when the server took the edit, its answer was lost, and a later version of somebody else's came meanwhile.
    """
    known = decode(document)
    delta = wire_delta(wire)
    found = [value_at(known, path) for path in delta.paths()]
    wanted = [(True, value) for value in delta.values.values()] + [(False, None)] * len(delta.removed)
    return all(one[0] == other[0] and same_value(one[1], other[1]) for one, other in zip(found, wanted, strict=True))


def _document_with(engine: EngineReader, change: StoredChange, wire: WireChange, only: StoredRow | None) -> bytes:
    """Return the whole document as it was with a change, but for its own operations: they go beside it."""
    place = change.collection, change.key
    changes = [change] if only is not None else engine.changes_of(*place)
    row = only or engine.row(*place)
    if len(changes) == 1 and wire.crdt is UNSET and row is not None and row.body is not None:
        return row.body.encode()
    plain = msgspec.structs.replace(change, wire=encode_change(msgspec.structs.replace(wire, crdt=UNSET)))
    upto = [known for known in changes if known.id < change.id]
    document = fold(engine.base(*place), [*upto, plain], base_states(engine, *place)).document
    return encode(document or {})
