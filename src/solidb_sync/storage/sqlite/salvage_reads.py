"""What can still be read of a damaged SQLite store, table by table, past the pages that are lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import apsw

from solidb_sync.storage.records import StoredChange, StoredRow
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.storage.sqlite.readable_rows import Row, Scan
from solidb_sync.storage.sqlite.sqlite_reads import SqliteReads

_READ_ROWS = "SELECT rowid, k, json(body), vector, stamp FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?"
_READ_ROW = "SELECT rowid, k, json(body), vector, stamp FROM {table} WHERE rowid = ?"


class SalvageReads(SqliteReads):
    """Reads a damaged store; each of these reports how many records could not be read, at most.

    `log_damage` says what is wrong with its log, if it is read only up to there.
    """

    def __init__(self, connection: apsw.Connection, location: FileLocation, log_damage: str = "") -> None:
        super().__init__(connection, location)
        self._log_damage = log_damage

    def readable_rows(self, collection: str, report: Callable[[str], None]) -> Iterator[tuple[str, StoredRow]]:
        """Yield the rows of a collection in no particular order, by the table itself: its index may be damaged too."""
        table = f"c_{self._number(collection)}"
        scan = Scan(
            lambda number, count: self._all(_READ_ROWS.format(table=table), (number, count)),
            lambda number: self._all(_READ_ROW.format(table=table), (number,)),
        )
        for _, key, body, vector, stamp in scan.rows():
            yield key, StoredRow(body, vector, stamp)
        report(_told(scan.lost))

    def readable_changes(self, report: Callable[[str], None]) -> Iterator[StoredChange]:
        """Yield the changes of this device, oldest first."""

        def after(number: int, count: int) -> list[Row]:
            return [(change.id, change) for change in self.changes(state=None, after=number, limit=count)]

        def one(number: int) -> list[Row]:
            return [found for found in after(number - 1, 1) if found[0] == number]

        scan = Scan(after, one)
        for _, change in scan.rows():
            yield change
        report(_told(scan.lost))

    def unreadable(self) -> list[str]:
        """Return what was passed over and not reported yet: how much was in the log behind its damage is not known."""
        return [f"the last commits, with the log: {self._log_damage}"] if self._log_damage else []


def _told(lost: int) -> str:
    return f"up to {lost} in pages that can't be read" if lost else ""
