"""The documents of a SQLite store as a data source for SDBQL, whose queries run as far as possible inside SQLite."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sdbql import StoredTable
from solidb_sync.json_value import decode
from solidb_sync.storage.document_source import DocumentSource
from solidb_sync.storage.engine import IndexReader
from solidb_sync.storage.field_path import parse_field
from solidb_sync.storage.indexed_source import IndexedDocumentSource
from solidb_sync.storage.sqlite import statements as sql
from solidb_sync.storage.sqlite.sqlite_reads import SqliteReads

PROGRESS_STEPS = 20_000
"""After how many instructions of SQLite's a query is looked at: less than a millisecond."""

_OURS = re.compile(r"INDEX (?:i_[0-9]+|sqlite_autoindex_c_[0-9]+_1)|\bc_[0-9]+\b")
"""What SQLite calls our tables and indexes."""
_PARAMETER = re.compile(r":(\w+)")


class SqliteDataSource(DocumentSource):
    """Implements `sdbql.SqlDataSource` over the connection of a reader."""

    decode = staticmethod(decode)

    def __init__(self, reader: SqliteReads, known: Iterable[str] = ()) -> None:
        super().__init__(reader, known)
        self._tables = reader
        self._connection = reader.connection

    def table(self, name: str) -> StoredTable | None:
        """Return the table of a collection, None before its first document."""
        found: str | None = self._connection.execute(sql.READ_TABLE, (name,)).get
        if found is None:
            return None
        return StoredTable(found, frozenset([parse_field(index.field) for index in self._tables.indexes(name)]))

    def select(self, statement: str, parameters: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
        """Return the rows of a SELECT."""
        return self._connection.execute(statement, parameters)

    def search(self, statement: str) -> list[str]:
        """Return how SQLite finds the rows of a SELECT, with collections and fields by their names."""
        names = dict(self._connection.execute(sql.READ_SQL_NAMES))
        nulls = dict.fromkeys(_PARAMETER.findall(statement))
        rows: Iterator[Any] = self._connection.execute(f"EXPLAIN QUERY PLAN {statement}", nulls)
        return [_OURS.sub(lambda found: str(names.get(found[0], found[0])), detail) for *_, detail in rows]

    @contextmanager
    def watched(self, check: Callable[[], None]) -> Iterator[None]:
        """Have `check` called now and then while statements run; what it raises ends them."""

        def go_on() -> bool:
            check()
            return False

        self._connection.set_progress_handler(go_on, PROGRESS_STEPS, id=self)
        try:
            yield
        finally:
            self._connection.set_progress_handler(None, id=self)


def data_source(reader: Any, known: Iterable[str] = ()) -> DocumentSource:
    """Return the best data source over a reader."""
    if isinstance(reader, SqliteReads):
        return SqliteDataSource(reader, known)
    has_indexes = isinstance(reader, IndexReader)
    return IndexedDocumentSource(reader, known) if has_indexes else DocumentSource(reader, known)
