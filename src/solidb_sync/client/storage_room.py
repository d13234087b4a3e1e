"""The room a device may take: whether a save still fits, and telling once when none does any more."""

from __future__ import annotations

from solidb_sync.client.sync_events import SyncEventKind, SyncEvents
from solidb_sync.errors import ConfigError, StorageFullError
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.space import used_bytes

LIMIT_BYTES_MAX = 2**62


class StorageRoom:
    """A limit for the bytes in use, or none; deletions, syncing and eviction know nothing of it."""

    def __init__(self, events: SyncEvents, limit_bytes: int | None) -> None:
        self._events = events
        self._is_full = False
        self.limit_bytes = limit_bytes

    def set_limit(self, limit_bytes: int | None) -> None:
        """Take another limit; None is none."""
        is_number = isinstance(limit_bytes, int) and not isinstance(limit_bytes, bool)
        if limit_bytes is not None and not (is_number and 1 <= limit_bytes <= LIMIT_BYTES_MAX):
            raise ConfigError(f"bytes: expected a number from 1 to {LIMIT_BYTES_MAX}, or None, found {limit_bytes!r}")
        self.limit_bytes = limit_bytes
        self._is_full = False

    def check(self, reader: EngineReader, more_bytes: int) -> None:
        """Raise `StorageFullError` when `more_bytes` of documents go beyond the limit."""
        if self.limit_bytes is None:
            return
        used = used_bytes(reader)
        if used + more_bytes > self.limit_bytes:
            raise StorageLimitError(
                f"storage_limit_bytes: {self.limit_bytes} bytes are allowed, {used} are in use and {more_bytes} more were "
                "to be saved; nothing was saved. Make room with evict() or cleanup(), delete documents, or raise the limit"
            )

    def tell(self, problem: StorageFullError | None) -> None:
        """Tell listeners when there is no room any more: at the first save that is refused after one that was not."""
        if problem is not None and not self._is_full:
            self._events.tell(SyncEventKind.STORAGE_FULL, reason=_reason(problem), message=str(problem))
        self._is_full = problem is not None


class StorageLimitError(StorageFullError):
    """There would be room on the disk, but not within the limit."""


def _reason(problem: StorageFullError) -> str:
    return "limit" if isinstance(problem, StorageLimitError) else "disk"
