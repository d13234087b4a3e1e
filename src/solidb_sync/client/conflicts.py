"""Conflicts as an app sees them: both versions, the base, and how each was decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from solidb_sync.json_value import JsonDocument, canonical, decode, encode
from solidb_sync.model.version_vector import VersionVector
from solidb_sync.protocol.messages import WireConflict
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.records import StoredConflict


class ConflictStrategy(Enum):
    """How overlapping concurrent edits are decided. `LAST_WRITE_WINS`: the one that reaches the server later."""

    LAST_WRITE_WINS = "last_write_wins"
    FIRST_WRITE_WINS = "first_write_wins"
    MERGE_FIELDS = "merge_fields"
    MANUAL = "manual"


class ConflictStatus(Enum):
    """Whether a conflict is decided."""

    AUTO_RESOLVED = "auto_resolved"
    PENDING = "pending"


@dataclass(frozen=True, slots=True, eq=False)
class DocumentVersion(Mapping[str, Any]):
    """One version of a document; reads like the document itself. `document` None: absent or deleted."""

    document: JsonDocument | None
    vector: VersionVector
    timestamp: str = ""
    deleted: bool = False

    def __getitem__(self, name: str) -> Any:
        return (self.document or {})[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.document or {})

    def __len__(self) -> int:
        return len(self.document or {})


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two edits neither of which knew the other.

    `local_version` is this device's, `remote_version` what the server held; `base_version` what this device last had from
    the server (None: nothing). `winner` is `local` or `remote`; `fields` are the paths both wrote, empty for the whole
    document.
    """

    id: str
    collection: str
    document_key: str
    local_version: DocumentVersion
    remote_version: DocumentVersion
    base_version: DocumentVersion | None
    status: ConflictStatus
    strategy: ConflictStrategy
    winner: str
    fields: tuple[str, ...]
    at: str


@dataclass(frozen=True, slots=True)
class ConflictResolution:
    """How somebody decides a conflict: `ACCEPT_LOCAL`, `ACCEPT_REMOTE`, or `merge(document)`."""

    choice: str
    document: JsonDocument | None = None

    ACCEPT_LOCAL: ClassVar[ConflictResolution]
    ACCEPT_REMOTE: ClassVar[ConflictResolution]

    @classmethod
    def merge(cls, document: JsonDocument) -> ConflictResolution:
        """Return the decision to take this document."""
        return cls("merge", canonical(document).value)


ConflictResolution.ACCEPT_LOCAL = ConflictResolution("accept_local")
ConflictResolution.ACCEPT_REMOTE = ConflictResolution("accept_remote")


def record_conflicts(engine: StorageEngine, conflicts: list[WireConflict], stamp: str) -> list[StoredConflict]:
    """Write what the server reported to the conflict log, with this device's base copy."""
    recorded = []
    for conflict in conflicts:
        base = engine.base(conflict.collection, conflict.key)
        stored = StoredConflict(
            id=conflict.id,
            collection=conflict.collection,
            key=conflict.key,
            change_id=conflict.change_id,
            status=ConflictStatus.AUTO_RESOLVED.value,
            strategy=conflict.strategy,
            winner=conflict.winner,
            fields=encode(conflict.fields).decode(),
            local=encode(conflict.local_version).decode(),
            remote=encode(conflict.remote_version).decode(),
            base="" if base is None else _version_text(base.body, base.vector, base.stamp, base.is_deleted),
            at=stamp,
        )
        engine.put_conflict(stored)
        recorded.append(stored)
    return recorded


def _version_text(body: str | None, vector: str, stamp: str, deleted: bool) -> str:
    parts = [f'"version_vector":{vector}', f'"timestamp":{encode(stamp).decode()}', f'"deleted":{str(deleted).lower()}']
    if body is not None and not deleted:
        parts.append(f'"document":{body}')
    return "{" + ",".join(parts) + "}"


def public_conflict(stored: StoredConflict) -> Conflict:
    """Return a logged conflict as apps see it."""
    return Conflict(
        id=stored.id,
        collection=stored.collection,
        document_key=stored.key,
        local_version=_version(stored.local),
        remote_version=_version(stored.remote),
        base_version=_version(stored.base) if stored.base else None,
        status=ConflictStatus(stored.status),
        strategy=ConflictStrategy(stored.strategy),
        winner=stored.winner,
        fields=tuple(decode(stored.fields)),
        at=stored.at,
    )


def _version(text: str) -> DocumentVersion:
    known = decode(text)
    return DocumentVersion(
        document=known.get("document"),
        vector=VersionVector(known.get("version_vector")),
        timestamp=known.get("timestamp", ""),
        deleted=known.get("deleted", False),
    )


__all__ = [
    "Conflict",
    "ConflictResolution",
    "ConflictStatus",
    "ConflictStrategy",
    "DocumentVersion",
    "public_conflict",
    "record_conflicts",
]
