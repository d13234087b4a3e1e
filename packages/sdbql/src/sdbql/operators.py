"""Operators to closures: arithmetic, comparison, membership, matching, logic."""

import operator
from collections.abc import Callable
from typing import Any

from sdbql import values
from sdbql.errors import ExecutionError, QueryError
from sdbql.frame import Evaluate, Frame, Layout, located
from sdbql.regular_expressions import is_fuzzy_match, is_like, matches, matches_not
from sdbql.source_text import Span
from sdbql.syntax_tree import Binary, Expression, Literal, Logical, Unary
from sdbql.values import Value, display, equal

ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ARITHMETIC: dict[str, Callable[[Value, Value], Value]] = {
    "+": values.add,
    "-": values.subtract,
    "*": values.multiply,
    "/": values.divide,
    "%": values.modulus,
    "&": values.bit_and,
    "|": values.bit_or,
    "^": values.bit_xor,
    "<<": values.shift_left,
    ">>": values.shift_right,
}
PREFIXES: dict[str, Callable[[Value], Value]] = {
    "NOT": operator.not_,
    "-": values.negate,
    "~": values.bit_not,
}
SHORT_ARRAY = 8

Operator = Callable[[Frame, Value, Value], Value]
"""From the frame and the values of both operands to that of the whole."""


def _unary(node: Unary, layout: Layout) -> Evaluate:
    apply, operand = PREFIXES[node.operator], layout.expression(node.operand)
    return located(lambda frame: apply(operand(frame)), node.span)


def _binary(node: Binary, layout: Layout) -> Evaluate:
    kind = node.operator
    if kind in ARITHMETIC:
        return _general(node, layout)
    if kind in ORDERINGS:
        return _comparison(node, layout)
    if kind in ("==", "!="):
        return _equality(node, layout)
    if kind in ("IN", "NOT IN"):
        return _membership(node, layout, negated=kind == "NOT IN")
    if kind == "..":
        return _range(node, layout)
    left, right = layout.expression(node.left), layout.expression(node.right)
    if kind == "||":
        return lambda frame: left(frame) or right(frame)
    if kind == "??":
        return lambda frame: right(frame) if (value := left(frame)) is None else value
    return located(_matching(kind, left, right), node.span)


def general_operator(node: Binary) -> Operator:
    """Return what an operator does with two values of any types; errors know their place.

    For arithmetic, comparison and equality. Whoever decides the common cases sooner asks this
    function in all others.
    """
    if node.operator in ARITHMETIC:
        return _located_operator(_arithmetic(ARITHMETIC[node.operator]), node.span)
    if node.operator in ORDERINGS:
        return _located_operator(_ordering(ORDERINGS[node.operator]), node.span)
    return _located_operator(_equal if node.operator == "==" else _unequal, node.span)


def _located_operator(apply: Operator, span: Span) -> Operator:
    def at_its_place(frame: Frame, one: Value, other: Value) -> Value:
        try:
            return apply(frame, one, other)
        except QueryError as error:
            error.locate(span)
            raise

    return at_its_place


def _arithmetic(apply: Callable[[Value, Value], Value]) -> Operator:
    def compute(frame: Frame, one: Value, other: Value) -> Value:
        result = apply(one, other)
        if isinstance(result, str):
            frame[0].allow_text(len(result))
        return result

    return compute


def _ordering(test: Callable[[Any, Any], bool]) -> Operator:
    def compare(frame: Frame, one: Value, other: Value) -> bool:
        if isinstance(one, list | dict):
            frame[0].spend_walk([one, other])
        return test(values.compare(one, other), 0)

    return compare


def _equal(frame: Frame, one: Value, other: Value) -> bool:
    if isinstance(one, list | dict):
        frame[0].spend_walk([one, other])
    return equal(one, other)


def _unequal(frame: Frame, one: Value, other: Value) -> bool:
    return not _equal(frame, one, other)


def _general(node: Binary, layout: Layout) -> Evaluate:
    left, right, apply = layout.expression(node.left), layout.expression(node.right), general_operator(node)
    return lambda frame: apply(frame, left(frame), right(frame))


def _equality(node: Binary, layout: Layout) -> Evaluate:
    if isinstance(node.left, Literal) and not isinstance(node.right, Literal):
        node = Binary(node.operator, node.right, node.left, span=node.span)
    if not isinstance(node.right, Literal) or not (node.right.value is None or isinstance(node.right.value, str)):
        return _general(node, layout)
    left, constant = layout.expression(node.left), node.right.value
    if node.operator == "!=":
        return lambda frame: left(frame) != constant
    return lambda frame: left(frame) == constant


def _comparison(node: Binary, layout: Layout) -> Evaluate:
    """Compare with a constant number at once; it is what filters do most."""
    if not isinstance(node.right, Literal) or not values.is_number(node.right.value):
        return _general(node, layout)
    left, constant = layout.expression(node.left), node.right.value
    test, apply = ORDERINGS[node.operator], general_operator(node)

    def with_number(frame: Frame) -> Value:
        one = left(frame)
        kind = type(one)
        return test(one, constant) if kind is int or kind is float else apply(frame, one, constant)

    return with_number


def _membership(node: Binary, layout: Layout, *, negated: bool) -> Evaluate:
    left = layout.expression(node.left)
    if isinstance(node.right, Binary) and node.right.operator == "..":
        bounds = compile_bounds(node.right, layout)
        return lambda frame: _is_in_range(left(frame), bounds(frame)) is not negated
    right = layout.expression(node.right)
    remembered = layout.private_slot()

    def evaluate(frame: Frame) -> Value:
        one, many = left(frame), right(frame)
        if isinstance(many, list):
            found = _is_element(one, many, frame, remembered)
        else:
            found = isinstance(many, dict) and isinstance(one, str) and one in many
        return found is not negated

    return located(evaluate, node.span)


def _is_in_range(one: Value, span: range) -> bool:
    return values.is_number(one) and one == int(one) and int(one) in span


def _is_element(one: Value, many: list[Value], frame: Frame, remembered: int) -> bool:
    """Look for a value in an array; the keys of a long array are remembered for the next row."""
    if len(many) <= SHORT_ARRAY:
        if isinstance(one, list | dict):
            frame[0].spend_walk([one, many])
        return any(equal(one, element) for element in many)
    known = frame[remembered]
    if known is None or known[0] is not many:
        frame[0].spend(len(many))
        known = frame[remembered] = (many, {frame[0].key(element) for element in many})
    return frame[0].key(one) in known[1]


def _matching(kind: str, left: Evaluate, right: Evaluate) -> Evaluate:
    match kind:
        case "LIKE":
            return lambda frame: is_like(_shown(left(frame)), _shown(right(frame)), frame[0].spend)
        case "NOT LIKE":
            return lambda frame: not is_like(_shown(left(frame)), _shown(right(frame)), frame[0].spend)
        case "=~":
            return lambda frame: matches(_only_text(left(frame)), _only_text(right(frame)), frame[0].spend)
        case "!~":
            return lambda frame: matches_not(_only_text(left(frame)), _only_text(right(frame)), frame[0].spend)
        case "~=":
            return lambda frame: is_fuzzy_match(_only_text(left(frame)), _only_text(right(frame)), spend=frame[0].spend)
        case _:
            raise AssertionError(kind)


def _shown(value: Value) -> str:
    return "" if value is None else display(value)


def _only_text(value: Value) -> str:
    return value if isinstance(value, str) else ""


def _range(node: Binary, layout: Layout) -> Evaluate:
    bounds = compile_bounds(node, layout)

    def evaluate(frame: Frame) -> Value:
        whole = bounds(frame)
        frame[0].allow_array(_length(whole))
        return list(whole)

    return located(evaluate, node.span)


def _length(whole: range) -> int:
    return max(0, whole.stop - whole.start)


def compile_bounds(node: Binary, layout: Layout) -> Callable[[Frame], range]:
    """Return a range expression as a function to a range, which takes no memory."""
    low, high = layout.expression(node.left), layout.expression(node.right)
    span = node.span

    def evaluate(frame: Frame) -> range:
        first, last = low(frame), high(frame)
        if not (values.is_number(first) and values.is_number(last)):
            raise ExecutionError("Range bounds must be integers", span, "such as: 1..10")
        return range(int(first), int(last) + 1)

    return evaluate


def _logical(node: Logical, layout: Layout) -> Evaluate:
    operands = tuple([layout.expression(operand) for operand in node.operands])
    if len(operands) == 2:
        left, right = operands
        if node.operator == "AND":
            return lambda frame: bool(left(frame) and right(frame))
        return lambda frame: bool(left(frame) or right(frame))
    stops_at = node.operator == "OR"

    def evaluate(frame: Frame) -> Value:
        for operand in operands:
            if bool(operand(frame)) is stops_at:
                return stops_at
        return not stops_at

    return evaluate


OPERATOR_COMPILERS: dict[type[Expression], Callable[[Any, Layout], Evaluate]] = {
    Unary: _unary,
    Binary: _binary,
    Logical: _logical,
}
