"""Indexes over a field of the documents of a collection, as SQLite's own indexes over expressions.

SQLite keeps such an index right with every write, whoever makes it. A definition is a row of the table `indexes`; the index
is named by the row's number. Both are made in one transaction, so that a process that dies leaves both or neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw

from sdbql.values import equal
from solidb_sync.json_value import decode
from solidb_sync.storage.engine import IndexProgress
from solidb_sync.storage.field_path import FieldPath, parse_field
from solidb_sync.storage.records import IndexDefinition
from solidb_sync.storage.sqlite import statements as sql

STEPS_BETWEEN_REPORTS = 20_000
SAMPLE_ROWS = 200
KEY_FIGURES, INDEX_FIGURES = "1000000 1", "1000000 10 10 1"
"""What the planner is told: rows, and how many of them are alike in the first column, in the first two, in all."""
ARRAYS, OBJECTS = (b"[", b"\\"), (b"{", b"|")
"""Where they are in an index: from the first to before the second."""
NO_COLLECTION = -1
"""Stands for the number of a collection that is not known."""


def field_values(connection: apsw.Connection, collection_number: int, path: FieldPath) -> Iterator[tuple[str, Any]]:
    """Yield key and value of the documents in which a field is neither missing nor null, by key."""
    if collection_number == NO_COLLECTION:
        return
    rows: Iterator[Any] = connection.execute(sql.FieldStatements.of(collection_number, path).values)
    for key, text in rows:
        yield key, decode(text)


def keys_with(connection: apsw.Connection, collection_number: int, field: str, value: Any) -> list[str]:
    """Return the keys of the documents whose field equals `value`, by key.

    SQLite finds those that may be equal: of arrays and objects it knows no more than which is which.
    """
    if collection_number == NO_COLLECTION:
        return []
    found = sql.FieldStatements.of(collection_number, parse_field(field))
    candidates: Iterator[Any]
    match value:
        case bool():
            candidates = connection.execute(found.boolean, (2 if value else 1,))
        case list():
            candidates = connection.execute(found.between, ARRAYS)
        case dict():
            candidates = connection.execute(found.between, OBJECTS)
        case _:
            candidates = connection.execute(found.equal, (value,))
    return sorted(key for key, text in candidates if equal(decode(text), value))


def build(
    connection: apsw.Connection, collection_number: int, index: IndexDefinition, progress: IndexProgress | None
) -> None:
    """Write a definition, and make the SQLite index; `progress` is told as `StorageEngine.put_index` says."""
    definition = (collection_number, index.field, int(index.unique))
    number = connection.execute(sql.ADD_INDEX, definition).get
    statements = sql.FieldStatements.of(collection_number, parse_field(index.field))
    create = statements.create_index(number)
    if progress is None:
        connection.execute(create)
        _describe(connection, number, collection_number)
        return
    count = connection.execute(statements.count).get
    report = _Report(progress, count, _steps_per_row(connection, statements, count))
    report.begin()
    connection.set_progress_handler(report.count_steps, STEPS_BETWEEN_REPORTS, id=report)
    try:
        connection.execute(create)
    finally:
        connection.set_progress_handler(None, id=report)
    _describe(connection, number, collection_number)
    report.end()


def drop(connection: apsw.Connection, collection_number: int, field: str) -> bool:
    """Forget a definition and its index; return whether there was one."""
    dropped: list[Any] = connection.execute(sql.DROP_INDEX_DEFINITION, (collection_number, field)).fetchall()
    for (number,) in dropped:
        connection.execute(f"DROP INDEX i_{int(number)}")
    return bool(dropped)


def build_again_what_differs(connection: apsw.Connection) -> None:
    """Make anew every index that is missing or was made of other expressions than today's."""
    indexes: list[Any] = connection.execute(sql.READ_SQLITE_INDEXES).fetchall()
    definitions: list[Any] = connection.execute(sql.READ_INDEX_NUMBERS).fetchall()
    stored = dict(indexes)
    wanted = [
        (number, collection, sql.FieldStatements.of(collection, parse_field(field)).create_index(number))
        for number, collection, field in definitions
    ]
    stale = [one for one in wanted if stored.get(f"i_{one[0]}") != one[2]]
    if not stale:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number, collection, create in stale:
            connection.execute(f"DROP INDEX IF EXISTS i_{number}")
            connection.execute(create)
            _describe(connection, number, collection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _describe(connection: apsw.Connection, number: int, collection_number: int) -> None:
    """Tell SQLite's planner what to think of an index: as large as its table, with few documents to a value.

    Left to itself, it takes an index with a condition for half the table and reads everything through it, row by row,
    where one pass over the table is several times faster. The figures are the same for every index: what was counted in
    a collection before its first sync would be wrong for ever.
    """
    table = f"c_{collection_number}"
    connection.execute(sql.LOAD_STATISTICS)  # makes their table where there is none
    for index, figures in ((f"sqlite_autoindex_{table}_1", KEY_FIGURES), (f"i_{number}", INDEX_FIGURES)):
        if not connection.execute(sql.HAS_STATISTICS, (table, index)).fetchall():
            connection.execute(sql.ADD_STATISTICS, (table, index, figures))
    connection.execute(sql.LOAD_STATISTICS)


def _steps_per_row(connection: apsw.Connection, statements: sql.FieldStatements, count: int) -> int:
    """Return how many steps of SQLite's machine the building takes a row, by building it over a copy of some rows.

    How many an expression takes depends on the value, and on what SQLite makes of it.
    """
    steps = 0

    def count_step() -> bool:
        nonlocal steps
        steps += 1
        return False

    connection.execute(statements.copy_sample, (SAMPLE_ROWS,))
    connection.set_progress_handler(count_step, 1, id=count_step)
    try:
        connection.execute(statements.index_sample)
    finally:
        connection.set_progress_handler(None, id=count_step)
    connection.execute(sql.DROP_SAMPLE)
    return max(1, steps // max(1, min(SAMPLE_ROWS, count)))


class _Report:
    """Turns steps of SQLite's machine into documents done; what the listener raises is kept for the end.

    Raising inside would take the whole transaction back, with the work of others in it.
    """

    def __init__(self, progress: IndexProgress, count: int, steps_per_row: int) -> None:
        self._progress = progress
        self._count = count
        self._steps_per_row = steps_per_row
        self._steps = 0
        self._problem: BaseException | None = None

    def begin(self) -> None:
        """Tell that it begins."""
        self._tell(0)

    def count_steps(self) -> bool:
        """Tell how far it is; False lets SQLite go on."""
        self._steps += STEPS_BETWEEN_REPORTS
        self._tell(min(self._steps // self._steps_per_row, self._count - 1))
        return False

    def end(self) -> None:
        """Tell that it is done, or raise what the listener raised."""
        self._tell(self._count)
        if self._problem is not None:
            raise self._problem

    def _tell(self, done: int) -> None:
        if self._problem is None:
            try:
                self._progress(max(done, 0), self._count)
            except BaseException as problem:  # noqa: BLE001 - raised again at the end
                self._problem = problem
