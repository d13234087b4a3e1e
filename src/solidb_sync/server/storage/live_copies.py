"""What the server remembers of client ids under which two copies of one store live; see `server/live_copies`."""

from __future__ import annotations

from typing import Protocol

from solidb_sync.server.storage.records import StoredSettings


class LiveCopiesReads(Protocol):
    """What can be asked about copies."""

    def copies_noticed_ms(self, client_id: str) -> int | None:
        """Return when it was last noticed that a client id has several copies, None when that is not known of it."""

    def earlier_settings(self, client_id: str, settings_hash: str) -> StoredSettings | None:
        """Return settings that another copy has registered, None when they are not kept."""


class LiveCopiesWrites(LiveCopiesReads, Protocol):
    """What can be noted about copies."""

    def note_copies(self, client_id: str, now_ms: int) -> None:
        """Note that a client id has several copies."""

    def keep_settings(self, client_id: str, settings: StoredSettings, *, most: int) -> None:
        """Keep settings that were registered before, the newest so many of a client."""

    def forget_copies(self, *, noticed_before_ms: int) -> None:
        """Forget the copies that were not noticed since a time, and the settings kept for them."""
