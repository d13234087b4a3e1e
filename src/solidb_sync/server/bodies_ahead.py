"""The documents that a push edits, read many at a time and given out one by one.

They are read in the order in which the changes come, in portions whose bytes are bounded; one that is asked for out of turn
is read by itself. So a thousand small edits cost ten statements, and ten large ones no more memory than one.
"""

from __future__ import annotations

from solidb_sync.server.storage.backend import WriteSession
from solidb_sync.server.storage.records import DocumentName, FoundDocument

AT_ONCE_MAX = 100
STORED_BYTES_AT_ONCE_MAX = 1024 * 1024


class BodiesAhead:
    """The bodies of the documents that one push is about, each of which it asks for once or not at all."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session
        self._to_come: dict[DocumentName, FoundDocument] = {}
        self._read: dict[DocumentName, str | None] = {}

    def expect(self, name: DocumentName, found: FoundDocument) -> None:
        """Take note that a document may be asked for, after those noted before."""
        if not found.is_deleted and found.stored_bytes < STORED_BYTES_AT_ONCE_MAX:
            self._to_come[name] = found

    def take(self, name: DocumentName, found: FoundDocument) -> str | None:
        """Return the text of a document, None for a tombstone."""
        if found.is_deleted:
            return None
        if name in self._to_come:
            self._read_on(name)
        return self._read.pop(name) if name in self._read else self._session.body(name[0], found.row)

    def _read_on(self, first: DocumentName) -> None:
        """Read a document and those of its collection that come next."""
        self._read.clear()  # whatever was not asked for in its turn
        rows: dict[int, DocumentName] = {}
        size = 0
        for name in [first, *self._to_come]:
            size += self._to_come[name].stored_bytes
            if name[0] != first[0] or len(rows) >= AT_ONCE_MAX or (rows and size > STORED_BYTES_AT_ONCE_MAX):
                break
            rows[self._to_come[name].row] = name
        for row, body in self._session.bodies(first[0], list(rows)).items():
            self._read[rows[row]] = body
        for name in rows.values():
            del self._to_come[name]
