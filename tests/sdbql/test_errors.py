"""What an error says: what is wrong, where, and what would be right."""

import pickle

import pytest

import sdbql
from sdbql.functions.catalog import SERVER_ONLY, SERVER_ONLY_PREFIXES


def failure(text: str, binds: dict[str, object] | None = None) -> sdbql.QueryError:
    """Return the error that running a query raises."""
    with pytest.raises(sdbql.QueryError) as caught:
        sdbql.run(text, binds, {"users": [{"a": 1}]})
    return caught.value


def test_an_error_shows_the_place_and_advice() -> None:
    """The whole text of an error is what a person needs."""
    assert str(failure("FOR u IN users FILTER RETURN u")) == (
        "Parse error: expected a condition after FILTER, found RETURN\n"
        "  line 1, column 23\n"
        "    FOR u IN users FILTER RETURN u\n"
        "                          ^^^^^^\n"
        "  write a condition, such as: FILTER u.age >= 18"
    )


def test_the_place_is_in_the_line_it_is_in() -> None:
    """Lines count from 1, and the excerpt is that line alone."""
    error = failure("FOR u IN users\n  FILTER u.a + 'x' == 2\n  RETURN u")
    assert (error.line, error.column) == (2, 10)
    assert "    FILTER u.a + 'x' == 2\n             ^^^^^^^^^\n" in f"{error}\n"


def test_a_long_line_is_shown_in_part() -> None:
    """An excerpt stays readable however long the line."""
    lines = str(failure("RETURN [" + "1, " * 500 + "}")).split("\n")
    assert max(map(len, lines)) < 120
    assert lines[2][lines[3].index("^")] == "}"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("RETURN LENGHT('a')", "did you mean LENGTH?"),
        ("RETURN [1] |> 5", "write the function with brackets, such as: xs |> SUM()"),
        ("RETURN 'abc", "close it with '"),
        ("RETURN {filter}", "filter is a reserved word, so it needs a value"),
        ("FOR u IN users FILTER u.a = 1 RETURN u", "equality is written =="),
        ("SELECT * FROM users", "a query begins with FOR, LET or RETURN"),
        ("FOR u IN users", "end the query with: RETURN expression"),
        ("FOR u IN user RETURN u", "did you mean users?"),
        ("FOR u IN users JOIN uses ON true RETURN u", "did you mean users?"),
        ("LET total = 1 RETURN totl", "did you mean total?"),
        ("RETURN LENGTH(user)", "did you mean users?"),
        (
            "FOR u IN users COLLECT a = u.a RETURN u",
            "u is bound elsewhere; COLLECT and LIMIT do not see the variables of a row",
        ),
        ("RETURN null + 1", "say what stands for null, such as: (u.age ?? 0)"),
        ("RETURN 'a' + 1", "TO_NUMBER(value) makes a number of a text, and CONCAT(a, b) joins any values as text"),
        ("RETURN [1] + [2]", "arrays are joined by APPEND(a, b)"),
        ("RETURN -'1'", "TO_NUMBER(value) makes a number of a text, and CONCAT(a, b) joins any values as text"),
        ("RETURN 1 / 0", "test the divisor first, such as: b == 0 ? null : a / b"),
        ("RETURN MOD(1, 0)", "test the divisor first, such as: b == 0 ? null : a / b"),
        ("FOR x IN null RETURN x", "where it may be missing, say: FOR x IN value ?? []"),
        ("RETURN MAP(null, x -> x)", "where it may be missing, say: value ?? []"),
        ("RETURN ANY x IN 5 == 1", "TO_ARRAY(value) makes an array of it"),
        ("FOR x IN 1..3 LIMIT -1 RETURN x", "such as: LIMIT 10, or LIMIT 20, 10"),
        ("RETURN LEFT('abc', 1.5)", "round it first: FLOOR(value) or ROUND(value)"),
        ("RETURN ABS(null)", "say what stands for null, such as: value ?? 0"),
        ("RETURN ABS('1')", "TO_NUMBER(value) makes a number of it"),
        ("RETURN SUBSTR('a')", "it is written SUBSTR(value, start[, count])"),
        ("RETURN REDUCE([1])", "it is written REDUCE(array[, initial], (result, x) -> …)"),
        ("RETURN DATE_YEAR('x')", "dates are written 2024-01-31 or 2024-01-31T10:30:00Z, or are milliseconds since 1970"),
        ("RETURN DATE_UTCTOLOCAL(0, 'Paris')", "zones are named like Europe/Paris, America/New_York or UTC"),
        ("FOR u IN @@from RETURN u", "pass the name of a collection as '@from'"),
        ("RETURN MD5('a')", "compute it in the program, and pass it as a bind variable"),
        ("RETURN GEO_DISTANCE(1, 2)", "run this query on the server while online"),
    ],
)
def test_advice_says_what_would_be_right(text: str, advice: str) -> None:
    """Common mistakes come with their cure."""
    assert failure(text).advice == advice


def test_a_misspelt_bind_is_suggested() -> None:
    """The binds that were passed are compared with the one that is missing."""
    assert failure("RETURN @min_age", {"minage": 1}).advice == "did you mean @minage?"


def test_a_misspelt_collection_bind_is_suggested() -> None:
    """Its value is what names a collection."""
    error = failure("FOR u IN @@c RETURN u", {"@c": "user"})
    assert (error.message, error.advice) == ("Collection not found: user", "did you mean users?")


def test_a_function_that_needs_a_server_says_what_to_do_instead() -> None:
    """Every one of them: the name alone would leave the reader with nothing."""
    for name in (*SERVER_ONLY, *[f"{prefix}X" for prefix in SERVER_ONLY_PREFIXES]):
        error = failure(f"RETURN {name}(1)")
        assert isinstance(error, sdbql.UnsupportedOfflineError)
        assert error.message.startswith(f"Operation not supported: {name}() is server-only")
        assert error.advice
        _, found, code = error.advice.partition(": ")
        if found:
            sdbql.parse(code if code.startswith("FOR") else f"RETURN {code}")


def test_all_mistakes_of_a_query_are_reported_at_once() -> None:
    """One pass finds them all, and what needs a server comes first."""
    error = failure("RETURN [NOPE(1), UPPER(), ULID()]")
    assert isinstance(error, sdbql.UnsupportedOfflineError)
    assert [other.detail for other in error.also] == ["Unknown function: NOPE", "UPPER requires 1 argument(s)"]
    assert "also: Execution error: Unknown function: NOPE" in str(error)


def test_all_that_is_missing_when_a_query_runs_is_reported_at_once() -> None:
    """Variables, collections and binds, in the order of the text, each once, with its place and the nearest name."""
    text = "FOR u IN usrs FILTER u.n > @least AND agee > 1 AND agee < 2 RETURN [@@col, @leats, ordres]"
    with pytest.raises(sdbql.QueryError) as caught:
        sdbql.run(text, {"min": 1}, {"users": [], "orders": []})
    error = caught.value
    assert isinstance(error, sdbql.CollectionNotFoundError)
    assert error.advice == "did you mean users?"
    details = ["Bind variable '@least' not found", "Variable 'agee' not found"]
    details += ["Bind variable '@@col' not found", "Bind variable '@leats' not found", "Variable 'ordres' not found"]
    assert [other.detail for other in error.also] == details
    assert "also: Execution error: Variable 'ordres' not found (line 1, column 84); did you mean orders?" in str(error)


def test_a_query_with_very_many_mistakes_is_answered() -> None:
    """With some of them: nobody reads more, and finding the nearest name of each takes long."""
    error = failure("RETURN [" + ", ".join([f"NOPE{number}()" for number in range(5_000)]) + "]")
    assert len(error.also) == 20
    assert error.also[-1].column == 9 + sum(len(f"NOPE{number}(), ") for number in range(20))


def test_a_bind_must_be_json() -> None:
    """What JSON cannot say is refused with its path."""
    error = failure("RETURN @a", {"a": {"b": [1, object()]}})
    assert error.message == "Execution error: Bind variable '@a.b[1]' is not a JSON value: object"
    assert failure("RETURN @a", {"a": float("nan")}).detail.endswith("not a JSON value: float")


def test_a_tuple_is_bound_as_an_array() -> None:
    """Python's other sequence of JSON-like values is welcome."""
    assert sdbql.run("RETURN @a", {"a": (1, (2,))}) == [[1, [2]]]


def test_every_error_is_a_query_error_with_its_kind() -> None:
    """One root; the tree is the one that the module draws."""
    assert isinstance(failure("RETURN"), sdbql.ParseError)
    assert isinstance(failure("RETURN 1 / 0"), sdbql.ExecutionError)
    assert isinstance(failure("FOR x IN nothing RETURN x"), sdbql.CollectionNotFoundError)
    assert issubclass(sdbql.ParseLimitError, sdbql.QueryLimitError)
    assert not issubclass(sdbql.QueryLimitError, sdbql.ExecutionError)


def test_an_error_survives_pickling() -> None:
    """So that it can cross to another process."""
    error = failure("RETURN 1 / 0")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_an_error_before_any_row_is_read() -> None:
    """A source that must not be read is not read by a query that needs a server."""

    class Untouchable:
        def collections(self) -> list[str]:
            raise AssertionError("read")

        def has_collection(self, name: str) -> bool:
            raise AssertionError("read")

        def scan(self, name: str) -> list[dict[str, object]]:
            raise AssertionError("read")

    with pytest.raises(sdbql.UnsupportedOfflineError):
        sdbql.run("FOR u IN users RETURN (FOR x IN users RETURN MD5(x.a))", None, Untouchable())
