"""What listeners are told: documents that changed, and how the sync fares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from solidb_sync.json_value import JsonDocument
from solidb_sync.model.version_vector import VersionVector
from solidb_sync.storage.edits import DocumentChanged
from solidb_sync.storage.text_forms import parse_vector


@dataclass(frozen=True, slots=True)
class ChangeEvent:
    """One document is not what it was. `type`: `insert`, `update` or `delete`; `source`: `local` or `remote`.

    `reason` says why a document is not here any more that nobody deleted: `filter` (it does not match this device's
    filter any more), `reset` (its collection was emptied), `evicted` or `expired` (dropped to save room; the server has it).
    """

    type: str
    collection: str
    key: str
    document: JsonDocument | None
    old_document: JsonDocument | None
    source: str
    version: VersionVector
    reason: str = ""


def change_event(fact: DocumentChanged) -> ChangeEvent:
    """Return the event that tells a fact."""
    kind = "delete" if fact.document is None else "insert" if fact.old_document is None else "update"
    return ChangeEvent(
        type=kind,
        collection=fact.collection,
        key=fact.key,
        document=with_identity(fact.document, fact.collection, fact.key),
        old_document=with_identity(fact.old_document, fact.collection, fact.key),
        source=fact.source,
        version=parse_vector(fact.vector),
        reason=fact.reason,
    )


def with_identity(document: JsonDocument | None, collection: str, key: str) -> JsonDocument | None:
    """Return a document with `_key` and `_id`, as every read shows it."""
    if document is None:
        return None
    shown: dict[str, Any] = {"_key": key, "_id": f"{collection}/{key}"}
    shown.update(document)
    return shown
