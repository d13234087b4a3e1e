"""How much of a query runs in SQLite, through which index, and what never happens there."""

import json
from pathlib import Path
from typing import Any

import pytest
import sql_store
from hypothesis import given
from hypothesis import strategies as st

import sdbql
from sdbql.sqlite_functions import SQL_FUNCTIONS, compare_json, has_key, like, like_json, sort_blob
from sdbql.values import compare

HERE = Path(__file__).parent


USERS = [
    {"_key": f"{n:03}", "age": n % 50, "name": f"n{n}", "email": f"{n}@x", "tags": ["a"] if n % 2 else []}
    for n in range(200)
]
ORDERS = [{"_key": f"o{n}", "user": f"{n * 7 % 200:03}", "email": f"{n * 7 % 200}@x", "total": n} for n in range(30)]


def stores(*indexed: tuple[str, ...]) -> Any:
    """Return a store with users and orders, users with these indexes."""
    return sql_store.SqlStore({"users": USERS, "orders": ORDERS}, {"users": indexed})


def run(store: Any, text: str, binds: dict[str, Any] | None = None) -> list[Any]:
    """Run a query in both executors and return its results, with the statements of it alone noted."""
    store.statements.clear()
    found = sdbql.run(text, binds, store)
    assert found == sdbql.run(text, binds, store.scanned())
    return found


def test_filter_sort_limit_and_result_are_one_statement() -> None:
    """Nothing is left for the interpreter but to decode the results."""
    store = stores()
    found = run(store, "FOR u IN users FILTER u.age >= @min SORT u.age DESC, u._key LIMIT 2 RETURN {n: u.name}", {"min": 48})
    assert found == [{"n": "n49"}, {"n": "n99"}]
    (statement,) = store.statements
    assert statement.startswith("SELECT json_object(")
    assert "LIMIT" in statement


@pytest.mark.parametrize(
    "text",
    [
        "FOR u IN users FILTER UPPER(u.name) == 'N3' LIMIT 1 RETURN u",
        "FOR u IN users LIMIT 5 FILTER u.age > 2 RETURN u.age",
        "FOR u IN users FILTER u.age + 1 > 10 SORT u.age LIMIT 2 RETURN u.age",
        "FOR u IN users SORT LENGTH(u.tags) LIMIT 2 RETURN u.age",
    ],
)
def test_a_limit_behind_something_left_over_stays_behind_it(text: str) -> None:
    """It must count the rows that got that far."""
    store = stores()
    run(store, text)
    assert all("LIMIT" not in statement or text.index("LIMIT") < text.index("FILTER") for statement in store.statements)


def test_a_term_that_can_fail_keeps_those_behind_it() -> None:
    """They would keep its rows, and its error, from it."""
    store = stores()
    with pytest.raises(sdbql.ExecutionError, match="Division by zero"):
        sdbql.run("FOR u IN users FILTER u.name != 'x' AND 1 / u.age > 0 AND u.age > 0 RETURN u", None, store)
    (statement,) = store.statements
    assert '"name"' in statement.split("WHERE")[1]
    assert '"age"' not in statement.split("WHERE")[1]


@pytest.mark.parametrize(
    "condition",
    [
        "u.age IN 3..@n AND u.age NOT IN 4..5",
        "u.age >= @n - 40 AND u.name != UPPER(CONCAT('n', @n))",
        "u.name < DATE_ISO8601(NOW()) OR u.name IN SPLIT('n1,n2', ',')",
        "NOT (u.age < 10 / @n) OR u.age == LENGTH(@list)",
    ],
)
def test_what_is_the_same_for_every_row_is_evaluated_once_and_bound(condition: str) -> None:
    """Also when it could fail, since it did not."""
    store = stores()
    run(store, f"FOR u IN users FILTER {condition} RETURN u.name", {"n": 48, "list": [1, 2]})
    (statement,) = store.statements
    assert statement.startswith("SELECT ifnull(")
    assert " AND " in statement


def test_a_pattern_that_is_too_long_fails_only_where_it_is_reached() -> None:
    """It is not given to SQLite, which might try it on rows that another term rules out."""
    store, binds = stores(), {"p": "x" * 10_001}
    assert run(store, "FOR u IN users FILTER u.name LIKE @p AND u.age > 100 LIMIT 0 RETURN u", binds) == []
    assert run(store, "FOR u IN users FILTER u.age > 100 AND u.name LIKE @p RETURN u", binds) == []
    with pytest.raises(sdbql.QueryLimitError, match="like_pattern_length_max"):
        sdbql.run("FOR u IN users FILTER u.name LIKE @p RETURN u", binds, store)


def test_a_range_meets_the_least_integer() -> None:
    """Whose absolute value is no integer of SQLite's."""
    store = sql_store.SqlStore({"c": [{"n": -(2**63)}, {"n": 1}, {"n": -1e300}, {"n": 2.5}]})
    assert run(store, "FOR d IN c FILTER d.n IN -1e301..2 RETURN d.n") == [-(2**63), 1, -1e300]


def test_an_error_in_a_row_that_limit_does_not_reach_is_not_raised() -> None:
    """Rows are asked for as they are needed."""
    store = stores()
    assert run(store, "FOR u IN users FILTER u.age > 0 FILTER 100 / (u.age - 3) != 0 LIMIT 2 RETURN u.age") == [1, 2]


def test_a_constant_that_fails_fails_only_where_it_is_reached() -> None:
    """The interpreter runs such a query."""
    store = stores()
    assert run(store, "FOR u IN users FILTER u.age > 1000 AND u.age > 1 / @zero RETURN u", {"zero": 0}) == []
    with pytest.raises(sdbql.ExecutionError, match="Division by zero"):
        sdbql.run("FOR u IN users FILTER u.age > 1 / @zero RETURN u", {"zero": 0}, store)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FOR u IN users FILTER u.email == '7@x' RETURN u.name", "SEARCH c_0 USING INDEX i_0_0 (<expr>=?)"),
        ("FOR u IN users FILTER u.email IN ['7@x', '8@x'] RETURN u.name", "SEARCH c_0 USING INDEX i_0_0 (<expr>=?)"),
        (
            "FOR u IN users FILTER u.email >= '7' AND u.email < '8' RETURN u",
            "SEARCH c_0 USING INDEX i_0_0 (<expr>>? AND <expr><?)",
        ),
        ("FOR u IN users FILTER u.email == null RETURN u", "SEARCH c_0 USING INDEX i_0_0 (<expr>=? AND <expr>=?)"),
        ("FOR u IN users SORT u.email LIMIT 3 RETURN u.name", "SCAN c_0 USING INDEX i_0_0"),
        ("FOR u IN users COLLECT e = u.email WITH COUNT INTO n RETURN n", "SCAN c_0 USING INDEX i_0_0"),
        ("FOR u IN users FILTER u._key == '007' RETURN u", "SEARCH c_0 USING INDEX sqlite_autoindex_c_0_1 (k=?)"),
        ("FOR u IN users FILTER u._id == 'users/007' RETURN u", "SEARCH c_0 USING INDEX sqlite_autoindex_c_0_1 (k=?)"),
        ("FOR u IN users FILTER u._key IN ['007'] RETURN u", "SEARCH c_0 USING INDEX sqlite_autoindex_c_0_1 (k=?)"),
        ("FOR u IN users FILTER u._key > '19' RETURN u", "SEARCH c_0 USING INDEX sqlite_autoindex_c_0_1 (k>?)"),
        (
            "FOR o IN orders FOR u IN users FILTER u.email == o.email RETURN [o, u]",
            "SEARCH c_0 USING INDEX i_0_0 (<expr>=?)",
        ),
        (
            "FOR o IN orders JOIN users ON users._key == o.user RETURN users",
            "SEARCH c_0 USING INDEX sqlite_autoindex_c_0_1 (k=?)",
        ),
    ],
)
def test_keys_and_indexes_are_used(text: str, expected: str) -> None:
    """For equality, membership, ranges, SORT, COLLECT and joins."""
    store = stores(("email",))
    run(store, text)
    assert expected in store.plans()


def test_an_equality_join_without_an_index_passes_once_over_each_side() -> None:
    """Never over one side for each row of the other."""
    store = stores()
    assert len(run(store, "FOR o IN orders FOR u IN users FILTER u.email == o.email RETURN [o.total, u.name]")) == len(
        ORDERS
    )
    assert [line for line in store.plans() if line.startswith("SCAN c_")] == ["SCAN c_1", "SCAN c_0"]
    assert all(" JOIN " not in statement and statement.count("FROM c_") == 1 for statement in store.statements)


def test_arrays_among_sort_keys_are_sorted_exactly_and_others_do_not_pay_for_it() -> None:
    """The exact statement is run only when one is among the rows; a single key is first tried by its bare value."""
    store = stores()
    run(store, "FOR u IN users SORT u.name, u.age LIMIT 3 RETURN u.name")
    assert len(store.statements) == 1
    run(store, "FOR u IN users SORT u.tags DESC, u.age LIMIT 3 RETURN u.name")
    assert len(store.statements) == 2
    assert "sdb_key(" in store.statements[1]


def test_the_first_rows_by_one_key_are_found_by_its_bare_value_where_that_is_enough() -> None:
    """And by its rank and value where it is not, or where rows are skipped."""
    store = stores()
    run(store, "FOR u IN users SORT u.email LIMIT 3 RETURN u.name")
    assert len(store.statements) == 1
    assert "ORDER BY 2, k" in store.statements[0]
    run(store, "FOR u IN users SORT u.age LIMIT 3 RETURN u.name")
    assert [statement.count("ORDER BY 2, k") for statement in store.statements] == [1, 0]
    run(store, "FOR u IN users SORT u.email LIMIT 1, 3 RETURN u.name")
    assert [statement.count("ORDER BY 2, k") for statement in store.statements] == [0]


def test_a_split_is_made_once_for_the_same_kinds_of_binds() -> None:
    """And anew for other kinds, which need other SQL."""
    store = stores()
    query = sdbql.parse("FOR u IN users FILTER u.age > @x RETURN u._key")
    for value in (5, 7, 0, True, "a", None):
        assert query.run({"x": value}, store) == query.run({"x": value}, store.scanned())
    assert len(set(store.statements)) == 5
    assert sdbql.parse("FOR u IN users FILTER u.age > @x RETURN u._key") is query


def test_names_that_have_no_path_are_left_to_the_interpreter() -> None:
    """Quotation marks, backslashes and control characters never reach a statement."""
    store = sql_store.SqlStore({"c": [{'a"b': 1, "x": 2}, {'a"b': 2, "x\ny": 3}]})
    assert run(store, "FOR d IN c FILTER d['a\"b'] == 2 RETURN d['x\ny']") == [3]
    assert not any('a"b' in statement or "\ny" in statement.partition("FROM")[0] for statement in store.statements)


@pytest.mark.parametrize("count", [90, 150, 3_000])
def test_no_query_is_too_large_for_sqlite(count: int) -> None:
    """What would pass a bound of SQLite's is left to the interpreter."""
    store = stores()
    numbers = range(count)
    run(store, f"FOR u IN users RETURN {{{', '.join([f'k{n}: u.age' for n in numbers])}}}")
    run(store, f"FOR u IN users RETURN [{', '.join(['u.age' for _ in numbers])}]")
    run(store, f"FOR u IN users FILTER {' OR '.join([f'u.age == {n}' for n in numbers])} RETURN u._key")
    run(store, f"FOR u IN users FILTER {' AND '.join(['u.age != u.name' for _ in numbers])} RETURN u._key")
    run(store, f"FOR u IN users SORT {', '.join([f'u.a{n}' for n in numbers])} RETURN u._key")
    run(store, f"FOR u IN users COLLECT {', '.join([f'g{n} = u.a{n}' for n in numbers])} RETURN g1")
    sums = ", ".join([f"s{n} = SUM(u.age)" for n in numbers])
    run(store, f"FOR u IN users COLLECT a = u.age AGGREGATE {sums} RETURN [a, s1]")
    run(store, "FOR u IN users FILTER u.age IN @many RETURN u._key", {"many": [*numbers, *map(str, numbers)]})


def test_values_never_become_sql() -> None:
    """They are bound."""
    store = stores()
    nasty = "'; DROP TABLE c_0; --"
    assert (
        run(store, 'FOR u IN users FILTER u.name == @v OR u.name == "\'; DROP" RETURN {"it\'s": u.name}', {"v": nasty}) == []
    )
    assert not any("DROP" in statement for statement in store.statements)


def test_a_plan_says_what_runs_where() -> None:
    """Each part with its steps."""
    query = sdbql.parse("FOR o IN orders FILTER o.total > 3 FOR u IN users FILTER u._key == o.user SORT u.age RETURN u.name")
    assert query.explain({}, stores()).split("\n") == [
        "in SQLite",
        "  for each o in orders",
        "  filter o.total > 3",
        "    SCAN c_1",
        "    USE TEMP B-TREE FOR ORDER BY",
        "  look up u in users by hash: u._key == o.user",
        "    SEARCH c_0 USING INDEX sqlite_autoindex_c_0_1 (k=?)",
        "    LIST SUBQUERY 1",
        "    SCAN json_each VIRTUAL TABLE INDEX 1:",
        "in the interpreter",
        "  sort by u.age",
        "  return u.name",
    ]


# --- functions

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=3) | st.sampled_from(["", "a", "\0", "a\0", "a\0b", "ab"])
names = st.sampled_from(["", "a", "b", "a\0", "ab", "é"])
json_values = st.recursive(
    scalars | texts | st.sampled_from([0, 0.0, -0.0, 1, 2**53, 2.0**53, 2**53 + 1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@given(json_values, json_values)
def test_sort_blobs_are_in_the_order_of_the_language(left: Any, right: Any) -> None:
    """Byte by byte, as SQLite compares them."""
    one, other = sort_blob(json.dumps(left)), sort_blob(json.dumps(right))
    assert (one > other) - (one < other) == (compare(left, right) > 0) - (compare(left, right) < 0)


@given(json_values)
def test_no_function_fails_on_a_stored_value_or_null(value: Any) -> None:
    """SQLite may call any of them for any row."""
    text = json.dumps(value)
    assert compare_json(text, text) == 0
    for stored in (text, None):
        assert isinstance(compare_json(stored, None), int)
        assert has_key(stored, "a") in (0, 1)
        assert like(stored, "%a") in (0, 1)
        assert like_json(stored, "%a") in (0, 1)
        assert isinstance(sort_blob(stored), bytes)
    assert {name for name in SQL_FUNCTIONS if name.startswith("sdb_")} == set(SQL_FUNCTIONS)
