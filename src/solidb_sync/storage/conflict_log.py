"""The conflict log of a store: what the server reports, with this device's own document and base copy beside it.

A document has at most one open conflict. One that comes while another is open stands for both: the server has joined their
sides, and it keeps the older one's base. Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import replace as with_fields

from solidb_sync.json_value import JsonDocument, decode, encode
from solidb_sync.model.version_vector import VersionVector
from solidb_sync.protocol.messages import WireConflict, WireVersion
from solidb_sync.reconcile.joined_sides import Side
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.overlay import base_states, fold
from solidb_sync.storage.records import StoredChange, StoredConflict
from solidb_sync.storage.text_forms import decode_change, encode_change, wire_delta

AUTO_RESOLVED, PENDING, RESOLVED, REPLACED, UNDONE = "auto_resolved", "pending", "resolved", "replaced", "undone"

_versions = msgspec.json.Decoder(WireVersion)


def is_own(conflict: StoredConflict) -> bool:
    """Return whether an entry is of the user who is signed in; others' have their client id and a slash in the status."""
    return "/" not in conflict.status


def has_arrived(reader: EngineReader, conflict: StoredConflict) -> bool:
    """Return whether the document is here as the server has it since a conflict; it may come in a later answer.

    Until then this device shows the document without the other side, and a decision would be made over the wrong one.
    """
    return all(change.change_id != conflict.change_id for change in reader.changes_of(conflict.collection, conflict.key))


def record_conflicts(engine: StorageEngine, conflicts: list[WireConflict], stamp: str) -> list[StoredConflict]:
    """Write what the server reported to the conflict log; those that are there already stay as they are."""
    if not conflicts:
        return []
    open_ones = {(known.collection, known.key): known for known in engine.open_conflicts()}
    recorded = []
    for conflict in conflicts:
        if engine.conflict(conflict.id) is not None:
            continue
        place = conflict.collection, conflict.key
        older = open_ones.get(place)
        stored = _stored(engine, conflict, stamp, older)
        if stored.status == PENDING:
            if older is not None:
                engine.put_conflict(replace(older, status=REPLACED))
            open_ones[place] = stored
        engine.put_conflict(stored)
        recorded.append(stored)
    return recorded


def close_conflicts(engine: StorageEngine, ids: Iterable[str]) -> None:
    """Note that conflicts have been settled; a decision of this device that was refused has nothing to settle any more."""
    for known in ids:
        stored = engine.conflict(known)
        if stored is not None and stored.status == PENDING:
            engine.put_conflict(replace(stored, status=RESOLVED))
        elif stored is not None:
            for refused in engine.rejected_of(stored.collection, stored.key):
                _settle_no_more(engine, refused, known)


def _settle_no_more(engine: StorageEngine, refused: StoredChange, conflict_id: str) -> None:
    """Take a conflict off what a refused decision settles, unless it does nothing else: then it says no more as it is."""
    wire = decode_change(refused.wire)
    if conflict_id in wire.resolves and (wire.operation != "update" or wire_delta(wire)):
        wire.resolves = [known for known in wire.resolves if known != conflict_id]
        engine.replace_change(with_fields(refused, wire=encode_change(wire)))


def reopen_conflicts(engine: StorageEngine, dropped: Iterable[StoredChange]) -> None:
    """Open the conflicts again that these changes were to settle: they were refused and are given up, so nothing has.

    Where a newer one is open about the document, that stands for both at the server.
    """
    for change in dropped:
        if '"resolves"' not in change.wire:
            continue
        for known in decode_change(change.wire).resolves:
            stored = engine.conflict(known)
            if stored is not None and stored.status == RESOLVED:
                place = stored.collection, stored.key
                is_replaced = any((other.collection, other.key) == place for other in engine.open_conflicts())
                engine.put_conflict(replace(stored, status=REPLACED if is_replaced else PENDING, winner="", lost="[]"))


def _stored(engine: EngineReader, conflict: WireConflict, stamp: str, older: StoredConflict | None) -> StoredConflict:
    """Return the record of a conflict; one that takes the place of an older one has its base, and what the server joined."""
    is_joined = older is not None and not conflict.winner
    return StoredConflict(
        id=conflict.id,
        collection=conflict.collection,
        key=conflict.key,
        change_id=conflict.change_id,
        status=conflict.status or (AUTO_RESOLVED if conflict.winner else PENDING),
        strategy=conflict.strategy,
        winner=conflict.winner,
        fields=encode(conflict.fields).decode(),
        local=encode(conflict.local_version if is_joined else _own_version(engine, conflict)).decode(),
        remote=encode(conflict.remote_version).decode(),
        base=older.base if older is not None and is_joined else _base_text(engine, conflict),
        at=conflict.at or stamp,
        written=encode(conflict.written).decode(),
        lost=encode(conflict.lost).decode(),
    )


def _base_text(engine: EngineReader, conflict: WireConflict) -> str:
    """Return the base copy if it is the version that the edit was made on; nothing when that is not known any more.

    A pull may have moved the base copy on since, or a store may have begun anew. Of an edit that is still here, what its
    author had seen may go beyond the base copy by earlier edits of its own.
    """
    base = engine.base(conflict.collection, conflict.key)
    if base is None:
        return ""
    changes = engine.changes_of(conflict.collection, conflict.key)
    edit = next((change for change in changes if change.change_id == conflict.change_id), None)
    seen = VersionVector(conflict.base if edit is None else decode_change(edit.wire).base_version)
    held = VersionVector(decode(base.vector))
    own = {} if edit is None else {edit.actor: seen.get(edit.actor, 0)}
    if not (seen.includes(held) and held.merge(VersionVector(own)).includes(seen)):
        return ""
    return _version_text(base.body, base.vector, base.stamp, base.is_deleted)


def _own_version(engine: EngineReader, conflict: WireConflict) -> WireVersion:
    """Return this device's version as it was with the change that met the conflict; the server's account of it otherwise."""
    changes = engine.changes_of(conflict.collection, conflict.key)
    upto = [change.id for change in changes if change.change_id == conflict.change_id]
    if not upto:
        return conflict.local_version
    base = engine.base(conflict.collection, conflict.key)
    laid = [change for change in changes if change.id <= upto[0]]
    document = fold(base, laid, base_states(engine, conflict.collection, conflict.key)).document
    return msgspec.structs.replace(
        conflict.local_version, document=UNSET if document is None else Raw(encode(document)), deleted=document is None
    )


def written_side(conflict: StoredConflict) -> Side:
    """Return this device's side of a conflict with the paths it wrote."""
    return Side(document_of(conflict.local), tuple(decode(conflict.written)))


def document_of(version: str) -> JsonDocument | None:
    """Return the document of a logged version, None when it was deleted or never there."""
    known = _versions.decode(version).document if version else UNSET
    return None if known is UNSET else decode(bytes(known))


def _version_text(body: str | None, vector: str, stamp: str, deleted: bool) -> str:
    parts = [f'"version_vector":{vector}', f'"timestamp":{encode(stamp).decode()}', f'"deleted":{str(deleted).lower()}']
    if body is not None and not deleted:
        parts.append(f'"document":{body}')
    return "{" + ",".join(parts) + "}"
