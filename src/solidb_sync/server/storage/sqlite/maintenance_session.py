"""Maintenance over one connection to a database file; the caller holds the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from solidb_sync.json_value import encode
from solidb_sync.server.storage.maintenance import Knowledge, Tombstone
from solidb_sync.server.storage.sqlite import maintenance_statements as own_sql
from solidb_sync.server.storage.sqlite import statements as sql


class SqliteMaintenanceWrites:
    """Implements `MaintenanceWrites`."""

    _connection: apsw.Connection

    def least_stable(self, *, seen_since_ms: int) -> int | None:
        """Return the least `stable` of the devices that were here since a time."""
        ((least,),) = self._rows(own_sql.LEAST_STABLE, (seen_since_ms,))
        return None if least is None else int(least)

    def old_tombstones(self, *, upto: int, deleted_before_ms: int, limit: int) -> list[Tombstone]:
        """Return tombstones that can go, collection by collection."""
        found: list[Tombstone] = []
        for number, name in self._rows(sql.COLLECTIONS):
            if len(found) >= limit:
                break
            self._rows(sql.for_collection(own_sql.TOMBSTONE_INDEX, number))
            bindings = {
                "upto": upto,
                "before": deleted_before_ms,
                "number": number,
                "name": name,
                "limit": limit - len(found),
            }
            rows = self._rows(sql.for_collection(own_sql.OLD_TOMBSTONES, number), bindings)
            found += [Tombstone(number, row, seq) for row, seq in rows]
        return found

    def drop_tombstones(self, tombstones: Sequence[Tombstone]) -> None:
        """Forget deleted documents, and raise the floor."""
        if not tombstones:
            return
        for number in {tombstone.collection for tombstone in tombstones}:
            rows = [(tombstone.row,) for tombstone in tombstones if tombstone.collection == number]
            self._connection.executemany(sql.for_collection(own_sql.DROP_DOCUMENT, number), rows)
        self._connection.executemany(own_sql.DROP_LATEST, [(tombstone.seq,) for tombstone in tombstones])
        places = [(tombstone.collection, tombstone.row) for tombstone in tombstones]
        self._connection.executemany(own_sql.DROP_TOGETHER, places)
        self._connection.executemany(own_sql.DROP_VIEW_ROWS, [(tombstone.row,) for tombstone in tombstones])
        self._rows(own_sql.RAISE_FLOOR, (max(tombstone.seq for tombstone in tombstones),))

    def compacted(self) -> int:
        """Return up to which sequence vectors have been compacted."""
        ((upto,),) = self._rows(own_sql.COMPACTED)
        return int(upto)

    def documents_between(self, after: int, upto: int, *, limit: int) -> list[Knowledge]:
        """Return the live documents, without replicated fields, of a stretch of the log."""
        by_collection: dict[int, list[int]] = {}
        for _, number, row in self._rows(own_sql.SCAN, (after, upto, limit)):
            by_collection.setdefault(number, []).append(row)
        found = []
        for number, rows in by_collection.items():
            statement = sql.for_collection(own_sql.KNOWLEDGE, number)
            bindings = {"rows": encode(rows).decode(), "number": number}
            found += [Knowledge(number, *known) for known in self._rows(statement, bindings)]
        return sorted(found, key=lambda known: known.seq)

    def scan_end(self, after: int, upto: int, *, limit: int) -> int:
        """Return the sequence at which such a scan stops."""
        scanned = self._rows(own_sql.SCAN, (after, upto, limit))
        return int(scanned[-1][0]) if len(scanned) == limit else upto

    def save_compacted(self, documents: Sequence[Knowledge], upto: int) -> None:
        """Write shorter vectors and dots."""
        for number in {known.collection for known in documents}:
            rows = [(known.vector, known.dots, known.row) for known in documents if known.collection == number]
            self._connection.executemany(sql.for_collection(own_sql.SHORTEN, number), rows)
        self._rows(own_sql.SAVE_COMPACTED, (upto,))

    def _rows(self, statement: str, bindings: Any = ()) -> list[Any]:
        return self._connection.execute(statement, bindings).fetchall()
