"""A small store in SQLite for tests, with and without its SQL shown to the language."""

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import apsw

import sdbql
from sdbql.sqlite_functions import SQL_FUNCTIONS
from sdbql.sqlite_paths import INDEX_CONDITION, Path, index_expressions

Documents = Mapping[str, Sequence[Mapping[str, Any]]]


class ScannedStore:
    """Documents in tables as `StoredTable` describes them, offered only as a scan."""

    def __init__(self, documents: Documents, indexed: Mapping[str, Sequence[Path]] | None = None) -> None:
        self.connection = apsw.Connection(":memory:")
        for name, (function, arguments) in SQL_FUNCTIONS.items():
            self.connection.create_scalar_function(name, function, arguments, deterministic=True)
        self.tables: dict[str, sdbql.StoredTable] = {}
        for number, (name, rows) in enumerate(documents.items()):
            paths = (indexed or {}).get(name, ())
            self.tables[name] = sdbql.StoredTable(f"c_{number}", frozenset(paths))
            self._fill(f"c_{number}", rows)
            for place, path in enumerate(paths):
                columns = ", ".join(index_expressions(path))
                self.connection.execute(f"CREATE INDEX i_{number}_{place} ON c_{number} ({columns}) WHERE {INDEX_CONDITION}")

    def _fill(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.connection.execute(f"CREATE TABLE {table} (k ANY PRIMARY KEY NOT NULL, body BLOB) STRICT")
        self.connection.execute(f"INSERT INTO {table} VALUES ('gone', NULL)")
        for number, row in enumerate(rows):
            body = {name: value for name, value in row.items() if name not in ("_key", "_id")}
            text = json.dumps(body, ensure_ascii=False)
            self.connection.execute(f"INSERT INTO {table} VALUES (?, jsonb(?))", (row.get("_key", f"{number:04}"), text))

    def collections(self) -> list[str]:
        """Return the names."""
        return list(self.tables)

    def has_collection(self, name: str) -> bool:
        """Tell whether it is there."""
        return name in self.tables

    def scan(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the documents by key."""
        table = self.tables[name].name
        for key, body in self.connection.execute(f"SELECT k, json(body) FROM {table} WHERE body IS NOT NULL ORDER BY k"):
            yield {**json.loads(body), "_key": key, "_id": f"{name}/{key}"}


class SqlStore(ScannedStore):
    """The same, with its tables offered to the compiler; it notes the statements that are run."""

    def __init__(self, documents: Documents, indexed: Mapping[str, Sequence[Path]] | None = None) -> None:
        super().__init__(documents, indexed)
        self.statements: list[str] = []

    def decode(self, text: str) -> Any:
        """Read JSON."""
        return json.loads(text)

    def table(self, name: str) -> sdbql.StoredTable | None:
        """Return the table of a collection."""
        return self.tables.get(name)

    def select(self, statement: str, parameters: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
        """Run a statement."""
        self.statements.append(statement)
        return self.connection.execute(statement, dict(parameters))

    def search(self, statement: str) -> list[str]:
        """Return SQLite's own words."""
        nulls = dict.fromkeys(re.findall(r":(\w+)", statement))
        return [detail for *_, detail in self.connection.execute(f"EXPLAIN QUERY PLAN {statement}", nulls)]

    def watched(self, check: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
        """Do nothing: these stores are small."""
        return contextlib.nullcontext()

    def plans(self) -> list[str]:
        """Return how SQLite ran the statements noted so far."""
        return [line for statement in self.statements for line in self.search(statement)]

    def scanned(self) -> ScannedStore:
        """Return the same documents, offered only as a scan."""
        other = ScannedStore({})
        other.connection, other.tables = self.connection, self.tables
        return other
