"""Attribute names become SQL only in a form that SQLite reads back as the same name."""

import json
from itertools import pairwise
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdbql.sqlite_paths import (
    INDEX_CONDITION,
    NAME_LENGTH_MAX,
    PATH_DEPTH_MAX,
    index_expressions,
    index_key,
    json_path,
    path_literal,
)
from sdbql.values import compare, rank

NASTY = [
    "",
    ".",
    "a.b",
    "[0]",
    "a[0]",
    "'",
    "''",
    "a' OR 1=1 --",
    "$",
    "#",
    "*",
    "é",
    "\uffff",
    "😀",
    "\x7f",
    "\u2028",
    "/",
    "?1",
]


def found(document: dict[str, Any], path: tuple[str, ...]) -> Any:
    """Return what SQLite finds at a path of a document."""
    literal = path_literal(path)
    with apsw.Connection(":memory:") as connection:
        return connection.execute(f"SELECT jsonb(?) ->> {literal}", (json.dumps(document, ensure_ascii=False),)).fetchall()


@pytest.mark.parametrize("name", NASTY)
def test_a_nasty_name_is_found_under_itself(name: str) -> None:
    """At the top and inside, with neighbours that look like it."""
    document = {name + "x": "no", name: {name: "yes", "x" + name: "no"}}
    assert found(document, (name, name)) == [("yes",)]


@given(st.text(max_size=8))
def test_any_name_is_found_under_itself_or_has_no_path(name: str) -> None:
    """Whatever the characters, lone surrogates included."""
    if json_path((name,)) is not None:
        assert found({name: "yes"}, (name,)) == [("yes",)]


@pytest.mark.parametrize("name", ['"', 'a"', "\\", "a\\", "\0", "a\0b", "\n", "\ud800", "x" * (NAME_LENGTH_MAX + 1)])
def test_a_name_that_could_end_its_quotation_has_no_path(name: str) -> None:
    """Such a query is interpreted, and such an index refused."""
    assert json_path(("a", name)) is None
    assert path_literal((name,)) is None
    with pytest.raises(ValueError, match="no index can be made"):
        index_expressions((name,))


def test_a_path_has_a_bound_on_its_length() -> None:
    """And at least one name."""
    assert json_path(()) is None
    assert json_path(("a",) * PATH_DEPTH_MAX) is not None
    assert json_path(("a",) * (PATH_DEPTH_MAX + 1)) is None


def test_the_order_of_an_index_is_the_order_of_the_language() -> None:
    """For all values but those inside one kind of container."""
    values = [
        None,
        False,
        True,
        -(2**63),
        -1e308,
        -1,
        -0.5,
        0,
        2**53,
        2**53 + 1,
        1e308,
        "",
        "0",
        "[1]",
        "a",
        "é",
        [],
        [2],
        {},
        {"a": 1},
    ]
    with apsw.Connection(":memory:") as connection:
        connection.execute("CREATE TABLE c (k ANY PRIMARY KEY NOT NULL, body BLOB) STRICT")
        rows = [(f"{number:02}", json.dumps({"v": value})) for number, value in enumerate(values)]
        connection.executemany("INSERT INTO c VALUES (?, jsonb(?))", rows)
        connection.execute(f"CREATE INDEX i ON c ({', '.join(index_expressions(('v',)))}) WHERE {INDEX_CONDITION}")
        key, second, last = index_expressions(("v",))
        query = f"SELECT body -> '$.v' FROM c WHERE {INDEX_CONDITION} ORDER BY {key}, {second}, {last}"
        ((*_, plan),) = connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
        ordered = [json.loads(text) for (text,) in connection.execute(query)]
    assert plan == "SCAN c USING INDEX i"
    for one, other in pairwise(ordered):
        assert rank(one) <= rank(other)
        assert rank(one) > 3 or compare(one, other) <= 0


def test_the_key_of_an_index_can_name_its_table() -> None:
    """The same expression with an alias uses the same index."""
    assert index_key("'$.\"a\"'", "t1.").replace("t1.", "") == index_expressions(("a",))[0]
