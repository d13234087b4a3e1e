"""Every bound has a name, and reaching it is a QueryLimitError with that name."""

import json

import pytest

import sdbql
from sdbql.limits import CLAUSES_MAX, NESTING_DEPTH_MAX, QUERY_LENGTH_MAX, Limits
from sdbql.value_size import json_size

DEEP = 5_000
SMALL = Limits(rows_held_max=100, steps_max=10_000, text_length_max=1_000, array_length_max=500, result_bytes_max=3_500)


SOURCE = {"users": [{"n": n} for n in range(90)], "large": [{"text": "a" * 50, "list": [1, {"b": "c"}]}] * 50}


def limit_of(text: str, limits: Limits | None = None) -> str:
    """Return the name of the bound that a query reaches."""
    with pytest.raises(sdbql.QueryLimitError) as caught:
        sdbql.run(text, None, SOURCE, limits=limits)
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
        ("FOR i IN 1..4 RETURN REPEAT('a', 900)", "result_bytes_max"),
        ("FOR i IN 1..2 RETURN [REPEAT('a', 900), {b: REPEAT('a', 900)}]", "result_bytes_max"),
        ("FOR i IN 1..4 RETURN DISTINCT CONCAT(i, REPEAT('a', 900))", "result_bytes_max"),
        ("FOR i IN 1..4 SORT i RETURN {[REPEAT('a', 900)]: i}", "result_bytes_max"),
        ("RETURN REDUCE(1..60, [1], (a, x) -> [a, a])", "result_bytes_max"),
        ("FOR d IN large RETURN d", "result_bytes_max"),
        ("RETURN CONCAT(REPEAT('a', 900), REPEAT('a', 900))", "text_length_max"),
        ("RETURN CONCAT_SEPARATOR(REPEAT('a', 900), 1, 2, 3)", "text_length_max"),
        ("RETURN TO_STRING(1..400)", "text_length_max"),
        ("RETURN TRUNCATE_TEXT(REPEAT('a', 900), 800, REPEAT('a', 900))", "text_length_max"),
        ("RETURN SPLIT(REPEAT('a', 600), '')", "array_length_max"),
        ("RETURN SPLIT(REPEAT('a,', 450), 'a')", ""),
        ("RETURN REGEX_MATCHES(REPEAT('a', 600), 'a')", "array_length_max"),
        ("RETURN LENGTH(FLATTEN([1..300, 1..300]))", "array_length_max"),
        ("RETURN LENGTH(UNION(1..300, 1..300))", "array_length_max"),
        ("RETURN LENGTH(ZIP(1..300, 1..300))", "array_length_max"),
        ("RETURN LENGTH([1..300, 1..300][*])", "array_length_max"),
        ("FOR d IN users RETURN LENGTH(FOR e IN 1..90 FOR f IN 1..2 FILTER f == 1 RETURN e)", "steps_max"),
        ("RETURN LENGTH(FOR a IN 1..90 RETURN users[*].n.a.b)", "steps_max"),
        ("RETURN MAP(1..40, a -> MAP(1..40, b -> LENGTH(MAP(1..40, c -> c))))", "steps_max"),
        ("RETURN (FOR a IN 1..90 RETURN (ANY x IN 1..400 SATISFIES x == 500))", "steps_max"),
        ("RETURN (FOR a IN 1..90 RETURN LENGTH(UNIQUE([1..400])))", "steps_max"),
        ("RETURN (FOR a IN 1..90 FILTER a IN PUSH(1..400, a) RETURN LENGTH(1..200))", "steps_max"),
        ("FOR a IN users LEFT JOIN users ON users.n > a.n RETURN LENGTH(MAP(users, u -> 1..9))", "steps_max"),
        ("FOR a IN 1..90 SORT 1..400 RETURN 1", "steps_max"),
        ("FOR a IN 1..20 SORT [1..300, a] LIMIT 1 RETURN a", "steps_max"),
        ("FOR a IN 1..20 SORT [1..300, -a] RETURN a", "steps_max"),
        ("FOR a IN 1..90 FILTER 1..400 == 1..400 RETURN 1", "steps_max"),
        ("FOR a IN 1..90 COLLECT x = 1..400 RETURN 1", "steps_max"),
        ("FOR a IN 1..90 RETURN DISTINCT 1..400", "steps_max"),
        ("RETURN (FOR a IN 1..90 RETURN LENGTH(UPPER(JOIN(1..200))))", "steps_max"),
        ("FOR a IN users FULL JOIN users ON users.n == a.n + 0 RETURN LENGTH(FILTER(1..200, x -> x))", "steps_max"),
        ("RETURN LENGTH(REDUCE(1..300, [1], (a, x) -> [a])) == [1]", ""),
    ],
)
def test_running_is_bounded(text: str, limit: str) -> None:
    """Rows, steps, texts and arrays each have their own bound."""
    if limit:
        assert limit_of(text, SMALL) == limit
    else:
        assert len(sdbql.run(text, limits=SMALL)) == 1


@pytest.mark.parametrize("use", ["a == a", "a < [a]", "TO_STRING(a)", "UNIQUE([a])", "a IN [a]"])
def test_a_value_too_deep_or_too_large_is_not_walked(use: str) -> None:
    """Shared parts make a small value endless; looking at all of it is refused."""
    assert limit_of(f"LET a = REDUCE(1..300, [1], (a, x) -> [a]) RETURN {use}") == "value_depth_max"
    assert limit_of(f"LET a = REDUCE(1..60, [1], (a, x) -> [a, a]) RETURN {use}") == "value_size_max"


def test_the_bounds_are_high_enough_for_ordinary_data() -> None:
    """A hundred thousand documents are nothing special."""
    source = {"numbers": [{"n": n} for n in range(100_000)]}
    assert sdbql.run("FOR d IN numbers COLLECT WITH COUNT INTO n RETURN n", None, source) == [100_000]


class Clock:
    """Seconds that pass by a fixed amount each time somebody looks."""

    def __init__(self, step: float) -> None:
        self.now = 0.0
        self.looks = 0
        self._step = step

    def __call__(self) -> float:
        self.looks += 1
        self.now += self._step
        return self.now


@pytest.mark.parametrize(
    "text",
    [
        "FOR a IN 1..1000000 FILTER false RETURN a",
        "FOR a IN 1..1000000 RETURN 1",
        "FOR a IN 1..1000 FOR b IN 1..1000 FILTER a == -b RETURN 1",
        "FOR a IN 1..1000000 COLLECT x = a % 10 RETURN x",
        "FOR a IN 1..1000000 SORT -a LIMIT 1 RETURN a",
        "RETURN LENGTH(FILTER(1..1000000, x -> LENGTH(FILTER(1..30, y -> y == x)) > 0))",
        "RETURN MAP(1..1000, x -> (FOR y IN 1..1000 FILTER y == -x RETURN 1))",
        "RETURN ALL x IN 1..1000000 SATISFIES LENGTH(1..100) == 100",
        "FOR a IN 1..1000 RETURN REGEX_TEST(@long, '^(a+)+$')",
        "FOR a IN 1..100000 RETURN UPPER(@long)",
        "FOR a IN users FOR b IN users FOR c IN users FOR d IN users FILTER a.n + b.n == c.n * d.n RETURN 1",
    ],
)
def test_time_is_bounded_and_looked_at_seldom(text: str) -> None:
    """The clock is passed in, and read once in some thousand steps, in every kind of loop."""
    clock = Clock(0.001)
    with pytest.raises(sdbql.QueryLimitError, match="time_ms_max") as caught:
        sdbql.run(text, {"long": "a" * 5_000 + "b"}, SOURCE, limits=Limits(time_ms_max=10), monotonic=clock)
    assert caught.value.limit == "time_ms_max"
    assert clock.looks <= 13


def test_a_quick_query_reads_the_clock_twice() -> None:
    """At its start, for the deadline, and once before the first step."""
    clock = Clock(0.001)
    assert sdbql.run("FOR u IN users RETURN u.n", None, SOURCE, monotonic=clock) == list(range(90))
    assert clock.looks <= 4


def test_an_uneven_result_is_measured_before_it_is_refused() -> None:
    """One large document among small ones, whether or not it was in the sample, is no reason to fail."""
    limits = Limits(result_bytes_max=100_000)
    for place in (0, 1, 16):
        documents = [{"text": "a" * (50_000 if number == place else 5)} for number in range(200)]
        assert sdbql.run("FOR d IN docs RETURN d", None, {"docs": documents}, limits=limits) == documents


def test_the_size_of_the_result_is_close_to_its_json() -> None:
    """An estimate, but of the right size."""
    rows = [{"name": "name" * (n % 7), "n": n, "tags": ["a", None, {"x": n / 7}], "flag": n % 2 == 0} for n in range(500)]
    actual = len(json.dumps(rows, separators=(",", ":")))
    assert 0.8 < json_size(rows, most=10**9) / actual < 1.25
