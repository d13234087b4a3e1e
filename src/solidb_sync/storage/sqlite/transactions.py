"""The transaction verbs of one SQLite connection, with its failures named."""

from __future__ import annotations

import apsw

from solidb_sync.storage.sqlite.connection import storage_error


class SqliteTransactions:
    """Implements `storage.committer.Transactions` over a connection."""

    def __init__(self, connection: apsw.Connection, path: str) -> None:
        self._connection = connection
        self._path = path

    def begin(self) -> None:
        """Begin a write transaction."""
        self._execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Commit; with `synchronous=FULL` the data is on the disk afterwards."""
        self._execute("COMMIT")

    def rollback(self) -> None:
        """Take the transaction back, if SQLite has not done so already."""
        if self._is_open():
            self._execute("ROLLBACK")

    def savepoint(self) -> None:
        """Mark a place."""
        self._execute("SAVEPOINT work")

    def release(self) -> None:
        """Keep what was done since the mark."""
        self._execute("RELEASE work")

    def rollback_to_savepoint(self) -> bool:
        """Take back what was done since the mark; False when SQLite took back the whole transaction."""
        if not self._is_open():
            return False
        self._execute("ROLLBACK TO work")
        return True

    def _is_open(self) -> bool:
        try:
            return self._connection.in_transaction
        except apsw.Error as problem:  # the connection was closed, as by a change of the key that failed
            raise storage_error(problem, self._path) from problem

    def _execute(self, statement: str) -> None:
        try:
            self._connection.execute(statement)  # no rows: it runs to its end at once
        except apsw.Error as problem:
            raise storage_error(problem, self._path) from problem
