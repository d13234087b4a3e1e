"""Local-first data for Python: a store that works offline, and a server it is kept in step with."""

from sdbql import (
    CollectionNotFoundError,
    ExecutionError,
    ParseError,
    QueryError,
    QueryLimitError,
    UnsupportedOfflineError,
)
from solidb_sync.client.attachment_reader import AttachmentReader
from solidb_sync.client.commands import SyncCommand
from solidb_sync.client.config import SyncConfig
from solidb_sync.client.conflict_strategy import ConflictStrategy
from solidb_sync.client.conflicts import Conflict, ConflictResolution, ConflictStatus, DocumentVersion
from solidb_sync.client.delta_stats import DeltaStats
from solidb_sync.client.events import ChangeEvent
from solidb_sync.client.metrics import SyncMetrics
from solidb_sync.client.results import SyncResult
from solidb_sync.client.sync_events import SyncEvent, SyncEventKind
from solidb_sync.client.sync_manager import SyncManager
from solidb_sync.client.sync_manager import SyncManager as OfflineSyncManager
from solidb_sync.client.sync_states import SyncStateChanged
from solidb_sync.client.transport.http_transport import HttpClient
from solidb_sync.client.vector_details import ChangeDetails, VectorDetails
from solidb_sync.errors import (
    AttachmentNotFoundError,
    AttachmentNotHereError,
    AuthError,
    ConfigError,
    ConflictError,
    ConnectionError,
    CrdtBoundError,
    CrdtTypeError,
    DocumentEvictedError,
    EncryptionError,
    FilterError,
    ForbiddenError,
    InvalidDocumentError,
    NotFoundError,
    OtherUserError,
    ProtocolError,
    ResyncRequiredError,
    ServerError,
    SoliDBError,
    StorageCorruptError,
    StorageError,
    StorageFullError,
    StoreLockedError,
    SyncError,
    SyncStoppedError,
    UniqueIndexError,
)
from solidb_sync.model.attachment import Attachment
from solidb_sync.model.version_vector import VersionVector
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.records import IndexDefinition
from solidb_sync.storage.salvage import SalvageReport, salvage_store

__all__ = [
    "Attachment",
    "AttachmentNotFoundError",
    "AttachmentNotHereError",
    "AttachmentReader",
    "AuthError",
    "ChangeDetails",
    "ChangeEvent",
    "CollectionNotFoundError",
    "ConfigError",
    "Conflict",
    "ConflictError",
    "ConflictResolution",
    "ConflictStatus",
    "ConflictStrategy",
    "ConnectionError",
    "CrdtBoundError",
    "CrdtTypeError",
    "DeltaStats",
    "DocumentEvictedError",
    "DocumentVersion",
    "EncryptionError",
    "ExecutionError",
    "FilterError",
    "ForbiddenError",
    "HttpClient",
    "IndexDefinition",
    "InvalidDocumentError",
    "LocalStore",
    "NotFoundError",
    "OfflineSyncManager",
    "OtherUserError",
    "ParseError",
    "ProtocolError",
    "QueryError",
    "QueryLimitError",
    "ResyncRequiredError",
    "SalvageReport",
    "ServerError",
    "SoliDBError",
    "StorageCorruptError",
    "StorageError",
    "StorageFullError",
    "StoreLockedError",
    "SyncCommand",
    "SyncConfig",
    "SyncError",
    "SyncEvent",
    "SyncEventKind",
    "SyncManager",
    "SyncMetrics",
    "SyncResult",
    "SyncStateChanged",
    "SyncStoppedError",
    "UniqueIndexError",
    "UnsupportedOfflineError",
    "VectorDetails",
    "VersionVector",
    "salvage_store",
]
