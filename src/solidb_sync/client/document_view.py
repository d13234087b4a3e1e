"""A document as reads show it: its fields, `_key` and `_id`, and on request how it stands with the server."""

from __future__ import annotations

from typing import Any

from solidb_sync.json_value import decode
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.records import ChangeState

SYNCED, PENDING, CONFLICT, REJECTED = "synced", "pending", "conflict", "rejected"


def shown_document(reader: EngineReader, collection: str, key: str, *, meta: bool) -> dict[str, Any] | None:
    """Return one document, None when it is not there."""
    row = reader.row(collection, key)
    if row is None or row.body is None:
        return None
    document: dict[str, Any] = decode(row.body)
    document["_key"] = key
    document["_id"] = f"{collection}/{key}"
    if meta:
        document["_version"] = decode(row.vector)
        document["_timestamp"] = row.stamp
        known = reader.states(collection, key)
        if known is not None and known.visible:
            document["_crdt"] = {field: state["t"] for field, state in decode(known.visible).items()}
        document["_sync"] = {"state": sync_state(reader, collection, key)}
    return document


def sync_state(reader: EngineReader, collection: str, key: str, *, has_open_conflict: bool | None = None) -> str:
    """Return how a document stands with the server.

    `rejected`: the server refused an edit for good; `conflict`: somebody has to decide; `pending`: not all of it is
    confirmed; else `synced`. What needs a person comes before what needs time.
    """
    states = {change.state for change in reader.changes_of(collection, key)}
    if ChangeState.REJECTED in states:
        return REJECTED
    if has_open_conflict is None:
        has_open_conflict = any((known.collection, known.key) == (collection, key) for known in reader.open_conflicts())
    return CONFLICT if has_open_conflict else PENDING if states else SYNCED
