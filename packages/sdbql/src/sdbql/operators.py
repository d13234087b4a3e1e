"""Operators to closures: arithmetic, comparison, membership, matching, logic.

The common shapes (`u.age >= 18`, `u.city == 'Paris'`) have closures of their own, because one
call less per row is what makes a filter fast.
"""

import operator
from collections.abc import Callable
from typing import Any

from sdbql import values
from sdbql.errors import ExecutionError, QueryError
from sdbql.frame import Evaluate, Frame, Layout, located
from sdbql.regular_expressions import is_fuzzy_match, is_like, matches, matches_not
from sdbql.syntax_tree import Binary, Expression, Literal, Logical, Member, Unary, Variable
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


def _unary(node: Unary, layout: Layout) -> Evaluate:
    apply, operand = PREFIXES[node.operator], layout.expression(node.operand)
    return located(lambda frame: apply(operand(frame)), node.span)


def _binary(node: Binary, layout: Layout) -> Evaluate:
    kind = node.operator
    if kind in ARITHMETIC:
        return _arithmetic(node, layout)
    if kind in ORDERINGS:
        return _ordering(node, layout)
    if kind in ("==", "!="):
        return _equality(node, layout, negated=kind == "!=")
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


def _arithmetic(node: Binary, layout: Layout) -> Evaluate:
    apply, span = ARITHMETIC[node.operator], node.span
    left, right = layout.expression(node.left), layout.expression(node.right)

    def evaluate(frame: Frame) -> Value:
        try:
            result = apply(left(frame), right(frame))
            if isinstance(result, str):
                frame[0].allow_text(len(result))
        except QueryError as error:
            error.locate(span)
            raise
        return result

    return evaluate


def _equality(node: Binary, layout: Layout, *, negated: bool) -> Evaluate:
    if isinstance(node.left, Literal) and not isinstance(node.right, Literal):
        node = Binary(node.operator, node.right, node.left, span=node.span)
    left = layout.expression(node.left)
    if isinstance(node.right, Literal) and (node.right.value is None or isinstance(node.right.value, str)):
        constant = node.right.value
        if negated:
            return lambda frame: left(frame) != constant
        return lambda frame: left(frame) == constant
    right = layout.expression(node.right)

    def evaluate(frame: Frame) -> Value:
        one, other = left(frame), right(frame)
        if type(one) is str:
            return (one == other) is not negated
        if isinstance(one, list | dict):
            frame[0].spend_walk([one, other])
        return equal(one, other) is not negated

    return located(evaluate, node.span)


def _ordering(node: Binary, layout: Layout) -> Evaluate:
    test, span = ORDERINGS[node.operator], node.span
    left = layout.expression(node.left)

    def slowly(frame: Frame, one: Value, other: Value) -> bool:
        try:
            if isinstance(one, list | dict):
                frame[0].spend_walk([one, other])
            return test(values.compare(one, other), 0)
        except QueryError as error:
            error.locate(span)
            raise

    if isinstance(node.right, Literal) and values.is_number(node.right.value):
        constant = node.right.value
        if isinstance(node.left, Member) and isinstance(node.left.base, Variable):
            slot, name = layout.slot(node.left.base.name), node.left.name

            def member_with_number(frame: Frame) -> Value:
                base = frame[slot]
                one = base.get(name) if isinstance(base, dict) else None
                kind = type(one)
                return test(one, constant) if kind is int or kind is float else slowly(frame, one, constant)

            return member_with_number

        def with_number(frame: Frame) -> Value:
            one = left(frame)
            kind = type(one)
            return test(one, constant) if kind is int or kind is float else slowly(frame, one, constant)

        return with_number
    right = layout.expression(node.right)

    def evaluate(frame: Frame) -> Value:
        one, other = left(frame), right(frame)
        kind = type(one)
        if kind is type(other) and (kind is str or kind is int or kind is float):
            return test(one, other)
        return slowly(frame, one, other)

    return evaluate


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
