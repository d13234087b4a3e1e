"""A chunk of rows at once: the commonest filters and results without a call per row.

For `FOR u IN users FILTER u.age >= 18 RETURN u.name` the attribute is read for the whole
chunk, compared for the whole chunk where its values have one type, and the survivors picked.
Whatever has another shape, or mixed types, goes through the closures of `expressions`, row
by row; both ways give the same rows.
"""

from collections.abc import Callable
from itertools import compress

from sdbql.conditions import is_total, joined, terms
from sdbql.frame import Evaluate, Frame, Layout
from sdbql.syntax_tree import Binary, Bind, Expression, Literal, Member, Variable
from sdbql.values import Value

Chunk = list[Value]
Choose = Callable[[Frame, Chunk], Chunk]
"""From a frame and a chunk of elements to some of the elements, or to results."""

WHOLE_COLUMN: dict[str, Callable[[Chunk, Value], list[bool]]] = {
    "==": lambda column, constant: [value == constant for value in column],
    "!=": lambda column, constant: [value != constant for value in column],
    "<": lambda column, constant: [value < constant for value in column],
    "<=": lambda column, constant: [value <= constant for value in column],
    ">": lambda column, constant: [value > constant for value in column],
    ">=": lambda column, constant: [value >= constant for value in column],
}
ONLY_OBJECTS = {dict}
NUMBERS, TEXT = frozenset([int, float]), frozenset([str])
WITHOUT_BOOLS = frozenset([int, float, str, type(None)])


def compile_filter(condition: Expression, variable: str, layout: Layout) -> Choose:
    """Return a function to the elements for which the condition is true.

    Leading terms that cannot fail are applied one after the other; the rest stays together,
    so that errors are those of going row by row.
    """
    steps: list[Choose] = []
    remaining = list(terms(condition))
    while remaining and is_total(remaining[0]):
        steps.append(_compile_term(remaining.pop(0), variable, layout))
    if remaining:
        steps.append(_row_by_row(joined(remaining), variable, layout))

    def choose(frame: Frame, chunk: Chunk) -> Chunk:
        for step in steps:
            chunk = step(frame, chunk)
        return chunk

    return choose


def compile_results(returned: Expression, variable: str, layout: Layout) -> Choose:
    """Return a function to what a RETURN makes of each element."""
    if _is_member(returned, variable):
        assert isinstance(returned, Member)
        name = returned.name
        return lambda frame, chunk: _column(chunk, name)
    if isinstance(returned, Variable) and returned.name == variable:
        return lambda frame, chunk: chunk
    value, slot = layout.expression(returned), layout.slot(variable)
    return lambda frame, chunk: [value(frame) for frame[slot] in chunk]


def _compile_term(term: Expression, variable: str, layout: Layout) -> Choose:
    slowly = _row_by_row(term, variable, layout)
    if not (isinstance(term, Binary) and term.operator in WHOLE_COLUMN and _is_member(term.left, variable)):
        return slowly
    if not isinstance(term.right, Literal | Bind):
        return slowly
    assert isinstance(term.left, Member)
    return _compare_column(term.operator, term.left.name, layout.expression(term.right), slowly)


def _compare_column(operator: str, name: str, constant_value: Evaluate, slowly: Choose) -> Choose:
    test, by_equality = WHOLE_COLUMN[operator], operator in ("==", "!=")

    def choose(frame: Frame, chunk: Chunk) -> Chunk:
        constant = constant_value(frame)
        column = _column(chunk, name)
        kinds = set(map(type, column))
        kind = type(constant)
        if by_equality:
            agrees = kind in WITHOUT_BOOLS and kinds <= WITHOUT_BOOLS
        else:
            agrees = (kind in NUMBERS and kinds <= NUMBERS) or (kind is str and kinds <= TEXT)
        return list(compress(chunk, test(column, constant))) if agrees else slowly(frame, chunk)

    return choose


def _row_by_row(condition: Expression, variable: str, layout: Layout) -> Choose:
    keep, slot = layout.expression(condition), layout.slot(variable)

    return lambda frame, chunk: [frame[slot] for frame[slot] in chunk if keep(frame)]


def _column(chunk: Chunk, name: str) -> Chunk:
    if set(map(type, chunk)) == ONLY_OBJECTS:
        return [element.get(name) for element in chunk]
    return [element.get(name) if isinstance(element, dict) else None for element in chunk]


def _is_member(node: Expression, variable: str) -> bool:
    """Tell whether the node reads an attribute of the variable itself."""
    return isinstance(node, Member) and isinstance(node.base, Variable) and node.base.name == variable
