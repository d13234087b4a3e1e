"""What names attachments, read over one connection to a database file."""

from __future__ import annotations

import apsw

from solidb_sync.model.attachment import MARKER
from solidb_sync.server.storage.sqlite import statements as sql

LAST_ROW = "SELECT max(doc) FROM (SELECT doc FROM {table} WHERE doc > ? ORDER BY doc LIMIT ?)"
TEXTS_BETWEEN = """
SELECT json(body) FROM {table}
WHERE doc > ? AND doc <= ? AND body IS NOT NULL AND instr(json(body), ?)"""
TEXTS_OF_CONFLICTS = """
SELECT side FROM (
    SELECT local AS side FROM conflict_log UNION ALL
    SELECT remote FROM conflict_log UNION ALL
    SELECT base FROM conflict_log
)
WHERE side IS NOT NULL AND instr(side, ?)"""


class SqliteAttachmentReads:
    """Implements `AttachmentReads`."""

    _connection: apsw.Connection

    def attachments_after(self, collection: int, row: int, *, limit: int) -> tuple[list[str], int | None]:
        """Return the texts of documents that name an attachment, of the next rows of a collection."""
        ((last,),) = self._connection.execute(sql.for_collection(LAST_ROW, collection), (row, limit)).fetchall()
        if last is None:
            return [], None
        texts = self._connection.execute(sql.for_collection(TEXTS_BETWEEN, collection), (row, last, MARKER))
        return [str(text) for (text,) in texts], int(last)

    def attachments_in_conflicts(self) -> list[str]:
        """Return the texts of the sides of conflicts that name an attachment."""
        return [str(text) for (text,) in self._connection.execute(TEXTS_OF_CONFLICTS, (MARKER,))]
