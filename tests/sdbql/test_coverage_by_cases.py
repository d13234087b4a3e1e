"""Every function of the language stands in a case, plainly and at an edge; a new one without cases fails here.

What a case calls is read from the syntax tree of its query. A call is at an edge when its case
ends in an error, or when an argument is one of those that go wrong: null, a bool, an empty or a
negative or a very large value, a text beyond ASCII.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import case_files

from sdbql.errors import ParseError
from sdbql.expression_parser import BINDING_POWER, SPELT_OTHERWISE
from sdbql.functions import catalog
from sdbql.functions.aggregates import AGGREGATES
from sdbql.operators import PREFIXES
from sdbql.parser import CLAUSES, parse_query
from sdbql.syntax_tree import (
    Aggregate,
    ArrayLiteral,
    Binary,
    Call,
    Expression,
    Literal,
    Logical,
    Node,
    ObjectLiteral,
    Unary,
    walk,
)

HERE = Path(__file__).parent
EXACT_MAX = 2**53


def all_cases() -> list[Any]:
    """Return the cases of all files."""
    return [case for path in sorted((HERE / "cases").glob("*.case")) for case in case_files.read_cases(path)]


def nodes_of(case: Any) -> Iterator[Node]:
    """Return what the query of a case is made of; nothing when it does not parse."""
    try:
        yield from walk(parse_query(case.query))
    except ParseError:
        return


def is_edge(argument: Expression) -> bool:
    """Tell whether an argument is one that is easily forgotten."""
    match argument:
        case Literal(value=str() as text):
            return not text or not text.isascii()
        case Literal(value=bool() | None):
            return True
        case Literal(value=int() | float() as number):
            return abs(number) >= EXACT_MAX
        case ArrayLiteral(elements=elements):
            return not elements or any(is_edge(element) for element in elements)
        case ObjectLiteral(members=members):
            return not members
        case Unary(operator=operator):
            return operator == "-"
        case _:
            return False


def covered(cases: Iterable[Any]) -> tuple[set[str], set[str]]:
    """Return the functions that cases call plainly, and those they call at an edge."""
    plain, edges = set(), set()
    for case in cases:
        for node in nodes_of(case):
            if isinstance(node, Call):
                at_edge = case.error is not None or any(is_edge(argument) for argument in node.arguments)
                (edges if at_edge else plain).add(node.name)
    return plain, edges


def test_every_builtin_has_a_plain_case_and_one_at_an_edge() -> None:
    """Under each of its names."""
    plain, edges = covered(all_cases())
    assert sorted(set(catalog.BUILTINS) - plain) == []
    assert sorted(set(catalog.BUILTINS) - edges) == []


def test_a_builtin_that_is_only_named_in_a_text_is_not_covered() -> None:
    """The check above can fail: it reads calls, not words."""
    case = case_files.Case(
        title="UPPER", query="RETURN ['UPPER', {upper: LOWER('a')}.upper]", source={}, rows=[["UPPER", "a"]]
    )
    assert covered([case]) == ({"LOWER"}, set())
    edge = case_files.Case(title="UPPER", query="RETURN UPPER(null)", source={}, rows=[""])
    assert covered([edge]) == (set(), {"UPPER"})


def test_every_aggregate_has_a_case() -> None:
    """Under each of its names."""
    used = {node.function for case in all_cases() if case.rows for node in nodes_of(case) if isinstance(node, Aggregate)}
    assert sorted(set(AGGREGATES) - used) == []


def test_every_function_that_needs_a_server_has_a_case() -> None:
    """Which says that it is refused."""
    refused = [case for case in all_cases() if (case.error or "").startswith("Operation not supported: ")]
    called = {node.name for case in refused for node in nodes_of(case) if isinstance(node, Call)}
    assert sorted(set(catalog.SERVER_ONLY) - called) == []
    for prefix in catalog.SERVER_ONLY_PREFIXES:
        assert any(name.startswith(prefix) for name in called), prefix


def test_every_clause_has_a_case() -> None:
    """By the class of its node, and by its word for those that need a server."""
    nodes = [node for case in all_cases() for node in nodes_of(case)]
    words = {getattr(node, "reason", "").partition(" ")[0] for node in nodes}
    kinds = {type(node).__name__.upper() for node in nodes} | {"ORDER", "GROUP"}
    joins = {getattr(node, "kind", "") for node in nodes if type(node).__name__ == "Join"}
    assert set(CLAUSES) - words - kinds - joins == set()


def test_every_operator_has_a_case_with_rows_and_one_with_an_odd_operand() -> None:
    """Those before an operand too; `|>` and `? :` have nodes of their own."""
    rows, odd = set(), set()
    for case in all_cases():
        for node in nodes_of(case):
            match node:
                case Binary(operator=operator, left=left, right=right):
                    used, operands = operator, (left, right)
                case Logical(operator=operator, operands=operands):
                    used = operator
                case Unary(operator=operator, operand=operand):
                    used, operands = f"{operator} before", (operand,)
                case _:
                    continue
            rows |= {used} if case.error is None else set()
            odd |= {used} if case.error is not None or any(is_edge(operand) for operand in operands) else set()
    infix = {SPELT_OTHERWISE.get(operator, operator) for operator in BINDING_POWER} - {"|>", "?"}
    expected = infix | {f"{operator} before" for operator in PREFIXES}
    assert expected - rows == set()
    assert expected - odd == set()
