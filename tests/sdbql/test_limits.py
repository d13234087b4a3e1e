"""Every bound has a name, and reaching it is a QueryLimitError with that name."""

import pytest

import sdbql
from sdbql.limits import CLAUSES_MAX, NESTING_DEPTH_MAX, QUERY_LENGTH_MAX, Limits

DEEP = 5_000
SMALL = Limits(rows_held_max=100, steps_max=10_000, text_length_max=1_000, array_length_max=500)


def limit_of(text: str, limits: Limits | None = None) -> str:
    """Return the name of the bound that a query reaches."""
    with pytest.raises(sdbql.QueryLimitError) as caught:
        sdbql.run(text, None, {"users": [{"n": n} for n in range(90)]}, limits=limits)
    assert caught.value.limit in str(caught.value)
    return caught.value.limit


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("(", ")"),
        ("[", "]"),
        ("{a: ", "}"),
        ("ABS(", ")"),
        ("-", ""),
        ("!", ""),
        ("~", ""),
        ("NOT ", ""),
        ("(RETURN ", ")"),
        ("(FOR x IN ", " RETURN 1)"),
        ("x -> ", ""),
        ("1 ? 1 : ", ""),
        ('$"${', '}"'),
        ("CASE WHEN ", " THEN 1 END"),
        ("ANY x IN ", " SATISFIES 1"),
        ("LET x = ", " RETURN 1"),
        ("[1][", "]"),
    ],
)
def test_deep_nesting_is_a_parse_error(opening: str, closing: str) -> None:
    """However the text is nested, Python's own stack is not what stops it."""
    with pytest.raises(sdbql.ParseError):
        sdbql.run("RETURN " + opening.replace("- ", "-") * DEEP + "1" + closing * DEEP)


@pytest.mark.parametrize("chain", [" + 1", ".a", "[0]", " ?? 1", " |> ABS()", "[*].a", " == 1"])
def test_a_long_chain_is_a_limit_error(chain: str) -> None:
    """A chain is as deep a tree as brackets are."""
    assert limit_of("RETURN [1]" + chain * DEEP) == "nesting_depth_max"


def test_brackets_below_the_bound_are_fine() -> None:
    """The bound is one that no person meets."""
    depth = NESTING_DEPTH_MAX - 50
    assert sdbql.run("RETURN " + "(" * depth + "1" + ")" * depth) == [1]
    [value] = sdbql.run("RETURN " + "[" * depth + "]" * depth)
    assert value is not None


def test_long_lists_and_long_conditions_are_fine() -> None:
    """Length is no depth: AND and OR may have thousands of terms."""
    assert sdbql.run("RETURN LENGTH([" + "1, " * 10_000 + "])") == [10_000]
    assert sdbql.run("RETURN " + " OR ".join(["false"] * 5_000) + " OR true") == [True]


def test_the_length_of_the_text_is_bounded() -> None:
    """A query carries its data in binds."""
    assert limit_of(" " * QUERY_LENGTH_MAX + "RETURN 1") == "query_length_max"


def test_the_number_of_clauses_is_bounded() -> None:
    """Each clause is a step, and steps are nested too."""
    assert limit_of("LET a = 1 " * (CLAUSES_MAX + 1) + "RETURN a") == "clauses_max"
    assert sdbql.run("LET a = 1 " * CLAUSES_MAX + "RETURN a") == [1]


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("FOR i IN 1..101 RETURN i", "rows_held_max"),
        ("FOR i IN 1..1000 SORT i RETURN 1", "rows_held_max"),
        ("FOR i IN 1..200 RETURN DISTINCT i", "rows_held_max"),
        ("FOR i IN 1..2000 COLLECT x = i RETURN x", "rows_held_max"),
        ("FOR i IN 1..2000 COLLECT x = 1 INTO g RETURN LENGTH(g)", "rows_held_max"),
        ("FOR a IN 1..1000 FOR b IN 1..1000 FILTER false RETURN 1", "steps_max"),
        ("RETURN LENGTH(FOR a IN 1..90 LET x = MAP(1..400, y -> y) RETURN 1)", "steps_max"),
        ("FOR a IN users FOR b IN users FOR c IN users FILTER a.n + b.n == c.n FILTER false RETURN 1", "steps_max"),
        ("RETURN LENGTH(1..501)", "array_length_max"),
        ("RETURN RANGE(1, 501)", "array_length_max"),
        ("RETURN REDUCE(1..100, [1], (a, x) -> APPEND(a, a))", "array_length_max"),
        ("RETURN REPEAT('a', 1001)", "text_length_max"),
        ("RETURN PAD_LEFT('a', 1000000000000)", "text_length_max"),
        ("RETURN REDUCE(1..100, 'a', (a, x) -> a + a)", "text_length_max"),
        ("RETURN REDUCE(1..100, 'a', (a, x) -> CONCAT(a, a))", "text_length_max"),
        ('RETURN REDUCE(1..100, "a", (a, x) -> $"${a}${a}")', "text_length_max"),
        ("RETURN REDUCE(1..100, 'a', (a, x) -> REPLACE(a, 'a', 'aa'))", "text_length_max"),
        ("RETURN JOIN([1, 2, 3], REPEAT('a', 900))", "text_length_max"),
        ("RETURN LENGTH(REDUCE(1..300, [1], (a, x) -> [a])) == [1]", ""),
    ],
)
def test_running_is_bounded(text: str, limit: str) -> None:
    """Rows, steps, texts and arrays each have their own bound."""
    if limit:
        assert limit_of(text, SMALL) == limit
    else:
        assert sdbql.run(text, limits=SMALL) == [False]


@pytest.mark.parametrize("use", ["a == a", "a < [a]", "TO_STRING(a)", "UNIQUE([a])", "a IN [a]"])
def test_a_value_too_deep_or_too_large_is_not_walked(use: str) -> None:
    """Shared parts make a small value endless; looking at all of it is refused."""
    assert limit_of(f"LET a = REDUCE(1..300, [1], (a, x) -> [a]) RETURN {use}") == "value_depth_max"
    assert limit_of(f"LET a = REDUCE(1..60, [1], (a, x) -> [a, a]) RETURN {use}") == "value_size_max"


def test_the_bounds_are_high_enough_for_ordinary_data() -> None:
    """A hundred thousand documents are nothing special."""
    source = {"numbers": [{"n": n} for n in range(100_000)]}
    assert sdbql.run("FOR d IN numbers COLLECT WITH COUNT INTO n RETURN n", None, source) == [100_000]
