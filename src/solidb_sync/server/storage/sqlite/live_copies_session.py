"""Copies of a store over one connection to a database file; the caller holds the transaction."""

from __future__ import annotations

from typing import Any

import apsw

from solidb_sync.server.storage.records import StoredSettings

NOTICED = "SELECT noticed_ms FROM live_copies WHERE client_id = ?"
NOTE = """
INSERT INTO live_copies (client_id, noticed_ms) VALUES (?, ?)
ON CONFLICT (client_id) DO UPDATE SET noticed_ms = excluded.noticed_ms"""
EARLIER_SETTINGS = "SELECT settings, hash FROM earlier_settings WHERE client_id = ? AND hash = ?"
KEEP_SETTINGS = "INSERT OR REPLACE INTO earlier_settings (client_id, hash, settings) VALUES (?, ?, ?)"
DROP_OLDEST_SETTINGS = """
DELETE FROM earlier_settings
WHERE client_id = :client_id AND id NOT IN (
    SELECT id FROM earlier_settings WHERE client_id = :client_id ORDER BY id DESC LIMIT :most)"""
FORGET = "DELETE FROM live_copies WHERE noticed_ms < ?"
FORGET_CLIENT = "DELETE FROM live_copies WHERE client_id = ?"
FORGET_SETTINGS = "DELETE FROM earlier_settings WHERE client_id NOT IN (SELECT client_id FROM live_copies)"


class SqliteLiveCopiesReads:
    """Implements `LiveCopiesReads`."""

    _connection: apsw.Connection

    def copies_noticed_ms(self, client_id: str) -> int | None:
        """Return when it was last noticed that a client id has several copies."""
        rows: Any = self._connection.execute(NOTICED, (client_id,)).fetchall()
        return int(rows[0][0]) if rows else None

    def earlier_settings(self, client_id: str, settings_hash: str) -> StoredSettings | None:
        """Return settings that another copy has registered."""
        rows: Any = self._connection.execute(EARLIER_SETTINGS, (client_id, settings_hash)).fetchall()
        return StoredSettings(*rows[0]) if rows else None


class SqliteLiveCopiesWrites(SqliteLiveCopiesReads):
    """Implements `LiveCopiesWrites`."""

    def note_copies(self, client_id: str, now_ms: int) -> None:
        """Note that a client id has several copies."""
        self._connection.execute(NOTE, (client_id, now_ms))

    def keep_settings(self, client_id: str, settings: StoredSettings, *, most: int) -> None:
        """Keep settings that were registered before."""
        self._connection.execute(KEEP_SETTINGS, (client_id, settings.hash, settings.text))
        self._connection.execute(DROP_OLDEST_SETTINGS, {"client_id": client_id, "most": most})

    def forget_copies(self, *, noticed_before_ms: int) -> None:
        """Forget the copies that were not noticed since a time."""
        self._connection.execute(FORGET, (noticed_before_ms,))
        self._connection.execute(FORGET_SETTINGS)

    def _forget_copies_of(self, client_id: str) -> None:
        self._connection.execute(FORGET_CLIENT, (client_id,))
        self._connection.execute(FORGET_SETTINGS)
