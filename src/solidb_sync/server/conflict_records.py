"""A conflict as the server keeps it: both sides, what its author had seen, and how it was decided; and as it is sent.

A device has at most one open conflict about a document. One that comes while another is open takes its place, with the base
of the older one and what that had written as long as nothing newer lies over it.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw

from solidb_sync.clock import iso_text
from solidb_sync.json_value import decode, encode
from solidb_sync.model.delta import Path, path_text
from solidb_sync.protocol.messages import WireConflict, WireVersion
from solidb_sync.reconcile.decision import Clash, Edit, Winner
from solidb_sync.reconcile.joined_sides import Side, joined
from solidb_sync.reconcile.strategy import Strategy
from solidb_sync.server.proposed_change import ProposedChange
from solidb_sync.server.storage.records import ConflictRecord

CONFLICT_BYTES_MAX = 8 * 1024 * 1024
"""How much conflict text one answer carries; later conflicts come without their documents, which are in the log."""

PENDING, DECIDED, RESOLVED, REPLACED = "pending", "auto_resolved", "resolved", "replaced"
ID_PREFIX = "conflict-"

_versions = msgspec.json.Decoder(WireVersion)


def conflict_record(
    change: ProposedChange, edit: Edit, clash: Clash, *, strategy: Strategy, seq: int, client_id: str, times: tuple[int, int]
) -> ConflictRecord:
    """Return the record of a conflict; `times` are when the version that was there was made, and now."""
    present_ms, now_ms = times
    return ConflictRecord(
        change_id=change.id,
        client_id=client_id,
        collection=change.name[0],
        key=change.name[1],
        strategy=strategy.value,
        winner=clash.winner.value,
        status=PENDING if clash.winner is Winner.NONE else DECIDED,
        fields=_paths(clash.paths),
        written=_paths(clash.written),
        lost=_paths(clash.lost),
        local=_version(clash.arrived, edit.base.with_dot(edit.dot), change.timestamp),
        remote=_version(clash.present.document, clash.present.vector, iso_text(present_ms)),
        base=encode(dict(edit.base)).decode(),
        at_ms=now_ms,
        seq=seq,
        resolved_seq=0,
    )


def _paths(paths: tuple[Path, ...]) -> str:
    return encode([path_text(path) for path in paths]).decode()


def _version(document: object | None, vector: object, timestamp: str) -> str:
    version_vector = dict(vector)  # type: ignore[call-overload]
    if document is None:
        return encode(WireVersion(version_vector=version_vector, timestamp=timestamp, deleted=True)).decode()
    return encode(WireVersion(Raw(encode(document)), version_vector, timestamp)).decode()


def taking_the_place_of(older: ConflictRecord, newer: ConflictRecord, merged: tuple[str, ...]) -> ConflictRecord:
    """Return an open conflict that also stands for an older one about the same document.

    At the paths of the newer edit that were `merged` into the document, what the older one wrote is out of date.
    """
    side = joined(_side(older), _side(newer), merged)
    local = _versions.decode(newer.local)
    if side.document is not None:
        local = msgspec.structs.replace(local, document=Raw(encode(side.document)))
    fields = list(dict.fromkeys([*decode(older.fields), *decode(newer.fields)])) if side.written else []
    return newer._replace(
        base=older.base,
        fields=encode(fields).decode(),
        written=encode(list(side.written)).decode(),
        local=encode(local).decode(),
    )


def _side(record: ConflictRecord) -> Side:
    version = _versions.decode(record.local)
    document = None if version.document is UNSET else decode(bytes(version.document))
    return Side(document, tuple(decode(record.written)))


def conflict_id(change_id: str) -> str:
    """Return the id of the conflict that a change met."""
    return ID_PREFIX + change_id


def change_of(conflict_id: str) -> str:
    """Return the change that met a conflict."""
    return conflict_id.removeprefix(ID_PREFIX)


def wire_conflicts(records: list[ConflictRecord], *, in_full: bool = False) -> list[WireConflict]:
    """Return conflicts as they are sent, with both versions as long as they fit; `in_full` with what a list tells."""
    conflicts, bytes_sent = [], 0
    for record in records:
        bytes_sent += len(record.local) + len(record.remote)
        with_documents = bytes_sent <= CONFLICT_BYTES_MAX
        conflict = WireConflict(
            id=conflict_id(record.change_id),
            change_id=record.change_id,
            collection=record.collection,
            key=record.key,
            strategy=record.strategy,
            winner=record.winner,
            fields=decode(record.fields),
            local_version=_wire_version(record.local, with_document=with_documents),
            remote_version=_wire_version(record.remote, with_document=with_documents),
            written=decode(record.written),
            lost=decode(record.lost),
            status=record.status,
        )
        if in_full:
            conflict.base, conflict.client_id = decode(record.base), record.client_id
            conflict.at, conflict.resolved_seq = iso_text(record.at_ms), record.resolved_seq
        conflicts.append(conflict)
    return conflicts


def _wire_version(text: str, *, with_document: bool) -> WireVersion:
    version = _versions.decode(text)
    return version if with_document else msgspec.structs.replace(version, document=UNSET)
