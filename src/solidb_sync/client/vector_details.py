"""Everything that says which edits a document on this device includes: for whoever wants to see vectors grow."""

from __future__ import annotations

from dataclasses import dataclass

from solidb_sync.model.version_vector import Dot, VersionVector
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.known_versions import base_seq
from solidb_sync.storage.records import ChangeState
from solidb_sync.storage.text_forms import decode_change, parse_vector


@dataclass(frozen=True, slots=True)
class ChangeDetails:
    """One change of this device that lies over a document: where it stands, its dot, and the version it was made on."""

    change_id: str
    state: str
    dot: Dot
    base: VersionVector


@dataclass(frozen=True, slots=True)
class VectorDetails:
    """What a document here includes, None for one that is not here.

    `visible` is what is shown, `server` the server's last known version, None before it has had one. `known_upto`: every
    version up to this sequence of the server's was here; 0 when the device can't tell. `changes`, oldest first.
    """

    visible: VersionVector | None
    server: VersionVector | None
    known_upto: int
    is_deleted: bool
    changes: tuple[ChangeDetails, ...]


def vector_details(reader: EngineReader, collection: str, key: str) -> VectorDetails:
    """Return what a document includes, and why."""
    row, base = reader.row(collection, key), reader.base(collection, key)
    kept = reader.changes_of(collection, key)
    visible = None if row is None else parse_vector(row.vector)
    server = parse_vector(base.vector) if base is not None else None if kept else visible
    return VectorDetails(
        visible=visible,
        server=server,
        known_upto=0 if row is None else base_seq(reader, collection, key),
        is_deleted=row is not None and row.body is None,
        changes=tuple(
            ChangeDetails(
                change.change_id,
                ChangeState(change.state).name.lower(),
                Dot(change.actor, change.counter),
                VersionVector(decode_change(change.wire).base_version),
            )
            for change in kept
        ),
    )
