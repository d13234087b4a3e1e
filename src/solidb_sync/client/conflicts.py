"""Conflicts as an app sees them: both versions, the base, and how each was decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from solidb_sync.client.conflict_strategy import ConflictStrategy
from solidb_sync.json_value import JsonDocument, canonical, decode
from solidb_sync.model.version_vector import VersionVector
from solidb_sync.storage.records import StoredConflict


class ConflictStatus(Enum):
    """How a conflict stands: decided by its strategy, open, decided by somebody, joined into a newer one, or taken back."""

    AUTO_RESOLVED = "auto_resolved"
    PENDING = "pending"
    RESOLVED = "resolved"
    REPLACED = "replaced"
    UNDONE = "undone"


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
    the server when it made its edit (None: nothing, or not known any more). `winner` is the side that is in the document
    now, `local` or `remote`, or `both` or `merged` for some of each; empty while the conflict is open. `fields` are the
    paths both wrote, empty for the whole document.
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
    """How somebody decides a conflict: `ACCEPT_LOCAL`, `ACCEPT_REMOTE`, `merge(document)`, or `DELETE`."""

    choice: str
    document: JsonDocument | None = None

    ACCEPT_LOCAL: ClassVar[ConflictResolution]
    ACCEPT_REMOTE: ClassVar[ConflictResolution]
    DELETE: ClassVar[ConflictResolution]

    @classmethod
    def merge(cls, document: JsonDocument) -> ConflictResolution:
        """Return the decision to take this document."""
        return cls("merge", canonical(document).value)


ConflictResolution.ACCEPT_LOCAL = ConflictResolution("accept_local")
ConflictResolution.ACCEPT_REMOTE = ConflictResolution("accept_remote")
ConflictResolution.DELETE = ConflictResolution("delete")


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
]
