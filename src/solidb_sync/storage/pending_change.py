"""A change of this device, as apps see it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from solidb_sync.json_value import JsonDocument, decode
from solidb_sync.model.version_vector import VersionVector
from solidb_sync.storage.records import StoredChange
from solidb_sync.storage.text_forms import decode_change


@dataclass(frozen=True, slots=True)
class PendingChange:
    """A change that waits for the server. `data`: the document of an insert, the changed fields of an update.

    `crdt` has the operations on replicated fields, as they are sent.
    """

    id: int
    collection: str
    key: str
    operation: str
    data: JsonDocument | None
    version_vector: VersionVector
    change_id: str
    timestamp: str
    reason: str = ""
    crdt: JsonDocument | None = None


def public_change(change: StoredChange) -> PendingChange:
    """Return a change as apps see it."""
    wire = decode_change(change.wire)
    payload = wire.document if isinstance(wire.document, msgspec.Raw) else wire.delta
    return PendingChange(
        id=change.id,
        collection=change.collection,
        key=change.key,
        operation=wire.operation,
        data=decode(bytes(payload)) if isinstance(payload, msgspec.Raw) else None,
        version_vector=VersionVector(wire.base_version),
        change_id=change.change_id,
        timestamp=wire.timestamp,
        reason=change.reason,
        crdt=decode(bytes(wire.crdt)) if isinstance(wire.crdt, msgspec.Raw) else None,
    )
