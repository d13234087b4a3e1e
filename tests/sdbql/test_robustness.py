"""Whatever the text, a query either runs or raises a QueryError; and rewriting changes nothing."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sdbql
from sdbql.analyser import analyse
from sdbql.data_source import DictSource
from sdbql.engine import Query
from sdbql.execution_context import ExecutionContext
from sdbql.expressions import compile_expression
from sdbql.frame import Layout
from sdbql.functions.catalog import BUILTINS
from sdbql.interpreter import compile_plan
from sdbql.limits import Limits
from sdbql.parser import parse_query
from sdbql.planner import make_plan

SOURCE: dict[str, list[dict[str, Any]]] = {
    "users": [{"_key": "1", "n": 1, "tags": ["a"]}, {"_key": "2", "n": None}, {"_key": "3", "n": "x"}],
    "orders": [{"u": "1", "n": 2.0}, {"u": "3"}, {"u": "1", "n": [1]}],
}
SMALL = Limits(rows_held_max=2_000, steps_max=20_000, text_length_max=10_000, array_length_max=2_000)


def words(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split(" ")


WORDS = st.sampled_from(
    words("""FOR u IN users FILTER u . n == 1 RETURN LET x = ( ) [ ] { } , : -> | || |> ? ?? ?. .. ... + - * / % && !
    ~ ^ << >> =~ !~ ~= @b @@c "a" 'b' $"t${u}" $" ` `q` SORT DESC LIMIT COLLECT WITH COUNT INTO AGGREGATE
    SUM MAP ANY ALL NONE SATISFIES CASE WHEN THEN ELSE END NOT LIKE JOIN ON LEFT GROUP BY AS INSERT
    UPDATE OUTBOUND DISTINCT null true 1.5 1e9 .5 -- // /* */ orders [*] RANGE REPEAT o \\ ; # é ² \n""")
)


def run_or_refuse(text: str) -> None:
    """Run a query on small data; anything raised but a QueryError goes through."""
    error: sdbql.QueryError | None = None
    try:
        sdbql.run(text, {"b": [1, "a"], "c": "users"}, SOURCE, limits=SMALL, now_ms=0, random_number=lambda: 0.5)
    except sdbql.QueryError as raised:
        error = raised
    if error is not None:
        assert str(error).startswith(error.message)
        assert error.message.split(": ")[0] in PREFIXES


PREFIXES = {"Parse error", "Execution error", "Collection not found", "Operation not supported"}


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_runs_or_raises_a_query_error(text: str) -> None:
    """Unicode of any kind is no way to break the parser."""
    run_or_refuse(text)


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_any_bytes_run_or_raise_a_query_error(content: bytes) -> None:
    """Neither are bytes, however they were decoded."""
    run_or_refuse(content.decode("latin-1"))
    run_or_refuse(content.decode("utf-8", "surrogateescape"))


@given(st.lists(WORDS, max_size=25))
@settings(max_examples=500, deadline=None)
def test_any_words_run_or_raise_a_query_error(words: list[str]) -> None:
    """Nor the language's own words in any order."""
    run_or_refuse(" ".join(words))
    run_or_refuse("RETURN " + "".join(words))


literals = st.sampled_from(
    words("null true 0 1 -1 2.5 'a' '' [] [1,'a'] {} {n:1} @b u u.n u.tags users o orders[*].n")
    + words("9223372036854775807 1e308 '2024-01-31' 'month' '(a|b)*' '%' x->x (a,x)->x")
)
operators = st.sampled_from(
    [*words("+ - * / % == != < <= > >= IN LIKE =~ ~= AND OR || ?? & | ^ << >> .."), "NOT IN", "NOT LIKE"]
)


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return expressions one level deeper."""
    call = st.builds(
        lambda name, arguments: f"{name}({', '.join(arguments)})",
        st.sampled_from(sorted(BUILTINS)),
        st.lists(inner, max_size=3),
    )
    return st.one_of(
        st.builds("({} {} {})".format, inner, operators, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("{{a: {}, [{}]: 1}}".format, inner, inner),
        st.builds("MAP({}, x -> {})".format, inner, inner),
        st.builds("(FOR y IN {} FILTER {} RETURN {})".format, inner, inner, inner),
        st.builds("CASE {} WHEN {} THEN {} END".format, inner, inner, inner),
        st.builds("(ANY z IN {} SATISFIES {})".format, inner, inner),
        st.builds("NOT {}".format, inner),
        call,
    )


expressions = st.recursive(literals, compound, max_leaves=8)


@given(expressions)
@settings(max_examples=500, deadline=None)
def test_any_expression_runs_or_raises_a_query_error(expression: str) -> None:
    """Nor well-formed expressions with arguments of any type."""
    run_or_refuse(f"FOR u IN users FOR o IN orders RETURN {expression}")


@pytest.mark.parametrize("name", sorted(BUILTINS))
@given(arguments=st.lists(literals, max_size=4))
@settings(max_examples=12, deadline=None)
def test_any_arguments_give_a_value_or_a_query_error(name: str, arguments: list[str]) -> None:
    """Each builtin takes values of any type, or says what is wrong with them."""
    run_or_refuse(f"FOR u IN users LIMIT 1 FOR o IN orders LIMIT 1 RETURN {name}({', '.join(arguments)})")


conditions = st.sampled_from(
    [
        *["o.u == u._key", "u._key == o.u", "p.u == o.u", "p.u == u._key", "o.n == u.n", "u.n == 1"],
        *["o.n != p.n", "1 / u.n > 0", "o.u == p.u OR true", "LENGTH(u.tags) == p.n", "p.n", "u.n == o.u || p"],
    ]
)


@given(st.lists(conditions, min_size=1, max_size=4), st.sampled_from(["", "SORT o.n, u._key DESC LIMIT 1, 4"]))
@settings(max_examples=200, deadline=None)
def test_rewriting_a_plan_changes_no_row_and_no_error(terms: list[str], tail: str) -> None:
    """The plan with its rules gives what the plain steps give, in the same order."""
    text = f"FOR u IN users FOR o IN orders FOR p IN orders FILTER {' AND '.join(terms)} {tail} RETURN [u, o, p]"
    assert outcome(text, rewritten=True) == outcome(text, rewritten=False)


join_conditions = st.sampled_from(
    [
        *["orders.u == u._key", "u._key == orders.u", "orders.n == u.n", "orders.n == k", "k == u.n", "orders.n > u.n"],
        *["orders.u == u._key || k", "1 / u.n > 0", "true", "orders.u == CONCAT(u._key, '')", "orders == u.tags"],
    ]
)


@given(
    st.sampled_from(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]),
    st.lists(join_conditions, min_size=1, max_size=3),
    st.sampled_from(["", "SORT u.n DESC", "COLLECT WITH COUNT INTO n"]),
)
@settings(max_examples=300, deadline=None)
def test_joining_by_hash_changes_no_row_and_no_error(kind: str, terms: list[str], tail: str) -> None:
    """Every kind of join gives what testing every pair gives, in the same order."""
    returned = "n" if "COLLECT" in tail else "[k, u, orders]"
    text = f"LET k = 2 FOR u IN users {kind} orders ON {' AND '.join(terms)} {tail} RETURN {returned}"
    assert outcome(text, rewritten=True) == outcome(text, rewritten=False)


JOINS = [
    "FOR o IN orders FOR u IN users FILTER u._key == o.user RETURN u.n",
    "FOR u IN users FOR o IN orders FILTER u._key == o.user AND o.n >= 0 RETURN u.n",
    "FOR o IN orders JOIN users ON users._key == o.user RETURN users",
    "FOR o IN orders LEFT JOIN users ON users._key == o.user AND users.n >= 0 RETURN users",
    "FOR o IN orders RIGHT JOIN users ON users._key == o.user RETURN [o, users]",
    "FOR o IN orders FULL JOIN users ON o.user == users._key AND users.n >= 0 RETURN [o, users]",
    "FOR o IN orders RETURN (FOR u IN users FILTER u._key == o.user RETURN u.n)",
    "FOR o IN orders LET found = (FOR u IN users FILTER u._key == o.user RETURN u.n)[0] RETURN found",
    "RETURN MAP(orders, o -> (FOR u IN users FILTER u._key == o.user RETURN u.n))",
    "LET keys = users[*]._key FOR o IN orders FILTER o.user IN keys RETURN o",
]


@pytest.mark.parametrize("text", JOINS)
def test_an_equality_join_takes_steps_in_proportion_to_its_input(text: str) -> None:
    """Whichever way it is written. Ten times the input takes about ten times the steps, not a hundred."""
    assert steps_of(text, 1_000) < 12 * steps_of(text, 100)


def steps_of(text: str, count: int) -> int:
    """Return the steps that a query takes over so many documents on both sides."""
    users = [{"_key": f"{n}", "n": n} for n in range(count)]
    source = {"users": users, "orders": [{"user": f"{n * 7 % count}", "n": n} for n in range(count)]}
    body = analyse(parse_query(text)).body
    layout = Layout(compile_expression, compile_plan)
    evaluate = compile_plan(make_plan(body), layout)
    context = ExecutionContext(DictSource(source), {}, 0, lambda: 0.5, Limits())
    assert evaluate(layout.new_frame(context))
    return context.steps


def outcome(text: str, *, rewritten: bool) -> object:
    """Return the rows of a query, or the message of its error."""
    body = analyse(parse_query(text)).body
    layout = Layout(compile_expression, compile_plan)
    evaluate = compile_plan(make_plan(body) if rewritten else make_plan(body, ()), layout)
    context = ExecutionContext(DictSource(SOURCE), {}, 0, lambda: 0.5, Limits())
    try:
        return evaluate(layout.new_frame(context))
    except sdbql.QueryError as error:
        return error.message


def test_a_query_can_be_run_again_and_keeps_nothing() -> None:
    """Two runs of one query with other data do not see each other."""
    query = sdbql.parse("FOR u IN users FILTER u.n IN @list RETURN u.n")
    assert isinstance(query, Query)
    long = list(range(20))
    assert query.run({"list": long}, {"users": [{"n": 1}, {"n": 30}]}) == [1]
    long.append(30)
    assert query.run({"list": long}, {"users": [{"n": 1}, {"n": 30}]}) == [1, 30]
    assert sdbql.parse(str(query)) is query
