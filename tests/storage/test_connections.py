"""What every connection to an SQLite file is set up to do."""

from pathlib import Path

import apsw

from solidb_sync.storage.sqlite.connection import STATEMENTS_KEPT_MAX, FileLocation, open_connection

TIMES = 20


def test_a_statement_is_compiled_once_whatever_values_it_is_given(tmp_path: Path) -> None:
    connection = open_connection(FileLocation(str(tmp_path / "notes.db")))
    connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, state INTEGER NOT NULL, body TEXT)")
    connection.execute("CREATE INDEX notes_in ON notes (state) WHERE state = 1")
    asked_while_compiling: list[int] = []

    def allow(operation: int, *_: object) -> int:
        asked_while_compiling.append(operation)
        return apsw.SQLITE_OK

    connection.authorizer = allow
    asked = []
    for number in range(TIMES):
        connection.execute("SELECT body FROM notes WHERE id > ? AND state = ? LIMIT ?", (number, 1, number)).fetchall()
        asked.append(len(asked_while_compiling))

    assert asked[0] > 0
    assert set(asked) == {asked[0]}
    connection.close()


def test_more_statements_in_turn_than_the_binding_keeps_by_itself_are_compiled_once(tmp_path: Path) -> None:
    connection = open_connection(FileLocation(str(tmp_path / "notes.db")))
    statements = [f"SELECT {number}" for number in range(STATEMENTS_KEPT_MAX // 2)]
    for statement in statements:
        connection.execute(statement).fetchall()
    missed = connection.cache_stats()["misses"]

    for statement in statements:
        connection.execute(statement).fetchall()

    assert connection.cache_stats()["misses"] == missed
    connection.close()
