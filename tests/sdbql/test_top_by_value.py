"""When the first rows by bare value are taken for the first rows in the order of the language, they are."""

import json
from functools import cmp_to_key
from typing import Any

import apsw
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sdbql.sqlite_top import is_proved
from sdbql.values import compare, rank

VALUES = st.sampled_from(
    [None, False, True, -5, 0, 0.0, 1, 1.0, 1.5, 2, 3, "", " ", "2024-01-15",
      "Z", "[", "[1]", "\\", "a", "{}", "{", "é", [], [1], {}, {"a": 1}]
)  # fmt: skip
RANKS = {0: 0, 1: 1, 2: 2, 3: 2, 4: 3, 5: 4}
"""From the rank of a type in the language to that in SQL, where numbers and strings are one."""


@given(st.lists(VALUES, max_size=12), st.integers(1, 12), st.booleans())
@settings(max_examples=3_000, deadline=None)
@example([1, True], 1, False)
@example([2, True], 1, False)
@example(["a", [1]], 1, True)
@example([1, True], 1, True)
def test_what_is_proved_is_right(values: list[Any], count: int, descending: bool) -> None:
    found = _by_value(values, count, descending=descending)
    if is_proved(found, count=count, descending=descending):
        assert [row[0] for row in found] == _in_order(values, descending=descending)[:count]


@pytest.mark.parametrize("descending", [False, True])
def test_dates_and_ages_are_proved_at_once(descending: bool) -> None:
    """Otherwise nothing would be gained."""
    for values in (["2024-01-15", "2023-05-01", None], [18, 30, 90, 16], [None, None]):
        assert is_proved(_by_value(values, 2, descending=descending), count=2, descending=descending)
    assert (
        is_proved(_by_value(["zoe", "ann", "bo"], 2, descending=descending), count=2, descending=descending)
        is not descending
    )


def _by_value(values: list[Any], count: int, *, descending: bool) -> list[Any]:
    """Return place, bare value and rank of the first values as SQLite orders them."""
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, body BLOB)").fetchall()
    rows = [(place, json.dumps({"v": value})) for place, value in enumerate(values)]
    connection.executemany("INSERT INTO t VALUES (?, jsonb(?))", rows).fetchall()
    by = "2 DESC" if descending else "2"
    found = connection.execute(f"SELECT k, body ->> '$.v' FROM t ORDER BY {by}, k LIMIT {count}").fetchall()
    return [(place, value, RANKS[rank(values[place])]) for place, value in found]


def _in_order(values: list[Any], *, descending: bool) -> list[int]:
    """Return the places of the values in the order of the language, equal ones as they stand."""
    by_value = cmp_to_key(lambda left, right: compare(values[left], values[right]) * (-1 if descending else 1))
    return sorted(range(len(values)), key=by_value)
