"""What is generated for long loops gives what the closures give: the same values, types and errors."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sdbql
from sdbql.analyser import analyse
from sdbql.data_source import DictSource
from sdbql.execution_context import ExecutionContext
from sdbql.expressions import compile_expression
from sdbql.frame import Layout
from sdbql.interpreter import compile_plan
from sdbql.limits import Limits
from sdbql.parser import parse_query
from sdbql.planner import make_plan
from sdbql.python_source import HOPE_LOST, WORTHWHILE, SourceWriter, define

BINDS = {"n": 18, "s": "a", "list": ["a", 1, None], "o": {"a": 1}}


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split(" ")


scalars = st.sampled_from(
    [None, True, False, 0, 1, -1, 2, 18, 2**63 - 1, -(2**63), 2**53, 0.0, -0.0, 1.0, 0.5, 1e308, "", "a", "b", "18"]
)
members = st.one_of(scalars, st.lists(scalars, max_size=2), st.dictionaries(st.sampled_from("ab"), scalars, max_size=2))
documents = st.dictionaries(st.sampled_from(["a", "b", "c", "_key"]), members, max_size=4)

leaves = st.sampled_from(
    [
        *words("u.a u.b u.c u.a.b u['a'] u u._key @n @s @list @o null true false 0 1 2 18 -1 0.5 'a' '' 'b' [] {}"),
        *["9223372036854775807", "['a', 'b']"],
    ]
)
operators = st.sampled_from([*words("+ - * / % == != < <= > >= AND OR || ?? & .. LIKE =~"), "IN", "NOT IN"])


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return expressions one level deeper."""
    return st.one_of(
        st.builds("({} {} {})".format, inner, operators, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("{{a: {}, 'b c': {}, a: {}}}".format, inner, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("({}).a".format, inner),
        st.builds("({})['b']".format, inner),
        st.builds("({})[{}]".format, inner, inner),
        st.builds("(NOT {})".format, inner),
        st.builds("(- {})".format, inner),
        st.builds("({} IN ['a', '18'])".format, inner),
        st.builds("({} NOT IN ['a', '18'])".format, inner),
        st.builds("LENGTH({})".format, inner),
        st.builds("UPPER({})".format, inner),
        st.builds("IS_NUMBER({})".format, inner),
        st.builds("MAP([1, {}], x -> [x, {}])".format, inner, inner),
        st.builds("(ANY x IN [{}] SATISFIES x == {})".format, inner, inner),
        st.builds("(FOR x IN [{}, 1] FILTER x != {} RETURN [x, u.a])".format, inner, inner),
        st.builds("CASE {} WHEN {} THEN {} END".format, inner, inner, inner),
    )


expressions = st.recursive(leaves, compound, max_leaves=10)


class Both:
    """One expression over `u`, as a closure and as generated code."""

    def __init__(self, expression: str) -> None:
        plan = make_plan(analyse(parse_query(f"FOR u IN users RETURN {expression}")).body)
        self.node = plan.value
        self.layout = Layout(compile_expression, compile_plan)
        self.slot = self.layout.slot("u")
        for name in BINDS:
            self.layout.slot(f"@{name}")
        self.closure = self.layout.expression(self.node)

    def generated(self, *, is_hopeful: bool) -> Any:
        """Return the function from a frame and a document, and whether it must be an object."""
        slots = len(self.layout.slots)
        writer = SourceWriter(self.layout, {"u": "v0"}, is_hopeful=is_hopeful)
        text = writer.value(self.node)
        hoisted = [f"{name} = f[{slot}]" for name, slot in writer.hoisted.items()]
        stored = [f"f[{self.slot}] = v0"] if "u" in writer.stored else []
        function = define("f, v0", [*hoisted, *stored, f"return {text}"], writer.names)
        assert len(self.layout.slots) == slots, "a frame that is made already has no room for more"
        return function, "u" in writer.objects

    def frame(self) -> list[Any]:
        """Return a new frame with the binds in place."""
        context = ExecutionContext(DictSource({}), BINDS, 0, lambda: 0.5, Limits(array_length_max=1_000))
        frame = self.layout.new_frame(context)
        for name, value in BINDS.items():
            frame[self.layout.slot(f"@{name}")] = value
        return frame


def outcome(call: Any) -> str:
    """Return a value with its types, or an error with its place, as text."""
    try:
        return repr(call())
    except sdbql.QueryError as error:
        return f"{error.message} at {error.span}"


@given(expressions, st.lists(st.one_of(documents, documents, scalars), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_generated_code_gives_what_the_closure_gives(expression: str, elements: list[Any]) -> None:
    """For elements of every kind; the hopeful text may give up, but not be wrong."""
    both = Both(expression)
    careful, needs_objects = both.generated(is_hopeful=False)
    hopeful, _ = both.generated(is_hopeful=True)
    for element in elements:
        frame = both.frame()
        frame[both.slot] = element
        expected = outcome(lambda frame=frame: both.closure(frame))
        if isinstance(element, dict) or not needs_objects:
            assert outcome(lambda element=element: careful(both.frame(), element)) == expected
        try:
            found = outcome(lambda element=element: hopeful(both.frame(), element))
        except HOPE_LOST:
            continue
        assert found == expected


@pytest.mark.parametrize("tail", ["RETURN [u.a, x, y]", "SORT u.number RETURN [u.a, x, y]"])
@given(expressions, expressions, expressions, st.lists(documents, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_a_long_loop_goes_on_as_it_began(tail: str, one: str, other: str, third: str, pattern: list[Any]) -> None:
    """Documents that repeat give results that repeat, although only the first were done by closures."""
    length = WORTHWHILE * 3 // len(pattern)
    users = [{**pattern[number % len(pattern)], "number": number} for number in range(length * len(pattern))]
    text = f"FOR u IN users LET v = UNSET(u, 'number') LET x = {one} FILTER {other} LET y = {third} {tail}"
    text = text.replace("u.a", "v.a").replace("u.b", "v.b").replace(" u ", " v ")
    try:
        found = sdbql.run(text, BINDS, {"users": users}, limits=Limits(array_length_max=1_000))
    except sdbql.QueryError:
        return
    passing = len(found) // length
    assert len(found) == passing * length
    assert found[:passing] * length == found
    assert repr(found[:passing] * length) == repr(found)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("u.n >= 18", [18, 19, "a", "b", [1], {"a": 1}]),
        ("u.n > 18 AND u.n < 'a'", [19]),
        ("u.n == 1", [1]),
        ("u.n == true", [True]),
        ("u.n != null AND u.n <= 0", [False, True, 0]),
        ("u.n < 1", [None, False, True, 0, 0.5]),
        ("u.n > 'a'", ["b", [1], {"a": 1}]),
    ],
)
def test_values_of_all_types_in_one_attribute(condition: str, expected: list[Any]) -> None:
    """However far down the loop they come: a bool is no number, and null is before all."""
    values = [None, False, True, 0, 0.5, 18, 19, 1, "a", "b", [1], {"a": 1}]
    users = [{"n": 500, "is_filler": True}] * (WORTHWHILE * 2) + [{"n": value} for value in values]
    for tail in ("RETURN u", "SORT u.none RETURN u"):
        found = sdbql.run(f"FOR u IN users FILTER {condition} {tail}", None, {"users": users})
        assert repr([user["n"] for user in found if "is_filler" not in user]) == repr(expected)


@pytest.mark.parametrize("number", ["1", "0.5", "0", "-1"])
def test_a_bool_among_numbers_is_no_number(number: str) -> None:
    """Python would say that true is at least 1; here it is less than every number."""
    users = [{"n": 500}] * (WORTHWHILE * 2) + [{"n": True}, {"n": False}]
    assert sdbql.run(f"FOR u IN users FILTER u.n < {number} RETURN u.n", None, {"users": users}) == [True, False]
    assert True not in sdbql.run(f"FOR u IN users FILTER u.n >= {number} RETURN u.n", None, {"users": users})


def test_text_of_a_query_never_becomes_code() -> None:
    """Names and constants of any kind are values, however they are spelt."""
    evil = '\'); import os  # \n\\ {x} %s """ \' '
    quoted = json.dumps(evil)
    users = [{evil: n, "s": evil} for n in range(WORTHWHILE * 3)]
    text = f"FOR `u' + 1` IN users LET `v)` = `u' + 1`[{quoted}] FILTER `u' + 1`.s == {quoted} RETURN {{{quoted}: `v)`}}"
    assert sdbql.run(text, None, {"users": users}) == [{evil: n} for n in range(WORTHWHILE * 3)]


def test_an_error_far_down_a_loop_knows_its_place() -> None:
    """As if there had been one row."""
    users = [{"n": 1}] * (WORTHWHILE * 2) + [{"n": 0}]
    with pytest.raises(sdbql.ExecutionError, match="Division by zero") as caught:
        sdbql.run("FOR u IN users RETURN 1 / u.n", None, {"users": users})
    assert caught.value.column == 23


def test_a_lambda_over_a_long_array_sees_the_variables_around_it() -> None:
    """And an inner one those of the outer."""
    text = """FOR k IN [1, 2]
        LET sums = MAP(1..2000, x -> x * k + LENGTH(FILTER([1, 2, 3], y -> y > x - 1998)))
        RETURN [sums[0], sums[1999], REDUCE(1..2000, k, (sum, x) -> sum + x)]"""
    assert sdbql.run(text) == [[4, 2001, 2001001], [5, 4001, 2001002]]
    with pytest.raises(sdbql.ExecutionError, match="takes 2 parameter"):
        sdbql.run("RETURN MAP(1..2000, (a, b) -> a)")


def test_deep_and_long_expressions_are_generated_only_in_part() -> None:
    """Python's own bounds are never met."""
    deep = "(" * 100 + "u.n" + " + 1)" * 100
    long = " + ".join(["u.n"] * 150)
    many = "[" + ", ".join(["u.n"] * 2_000) + "]"
    users = [{"n": 1}] * (WORTHWHILE * 2)
    assert sdbql.run(f"FOR u IN users RETURN [{deep}, {long}]", None, {"users": users})[-1] == [101, 150]
    assert sdbql.run(f"FOR u IN users RETURN {many}", None, {"users": users})[-1] == [1] * 2_000
