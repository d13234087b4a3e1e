"""Expressions to closures, once per query.

Each kind of node has one method that returns a function from a frame to a value. The common
shapes (`u.age`, `u.age >= 18`, `u.city == 'Paris'`) have closures of their own, because one
call less per row is what makes a filter fast.

Turned down: walking the tree for every row (1.3 times slower) and generating Python source
(faster, but its text would be a second definition of the language).
"""

import operator
from collections.abc import Callable
from typing import Any

from sdbql import values
from sdbql.errors import ExecutionError, QueryError
from sdbql.frame import Evaluate, Frame, Layout
from sdbql.function_calls import compile_call
from sdbql.plan import PlannedSubquery
from sdbql.regular_expressions import is_fuzzy_match, is_like, matches
from sdbql.source_text import Span
from sdbql.syntax_tree import (
    ArrayLiteral,
    Binary,
    Bind,
    Call,
    Case,
    CollectionBind,
    CollectionRead,
    Conditional,
    Expansion,
    Expression,
    Index,
    Literal,
    Logical,
    Member,
    ObjectLiteral,
    Quantifier,
    Template,
    Unary,
    Variable,
)
from sdbql.values import Value, display, equal, hash_key

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


def compile_expression(node: Expression, layout: Layout) -> Evaluate:
    """Return the expression as a function from a frame to its value."""
    return COMPILERS[type(node)](node, layout)


# --- leaves


def _literal(node: Literal, layout: Layout) -> Evaluate:
    value = node.value
    return lambda frame: value


def _variable(node: Variable, layout: Layout) -> Evaluate:
    return operator.itemgetter(layout.slot(node.name))


def _bind(node: Bind, layout: Layout) -> Evaluate:
    return operator.itemgetter(layout.slot(f"@{node.name}"))


def _collection_bind(node: CollectionBind, layout: Layout) -> Evaluate:
    slot = layout.slot(f"@@{node.name}")
    return lambda frame: frame[0].documents(frame[slot])


def _collection_read(node: CollectionRead, layout: Layout) -> Evaluate:
    name = node.name
    return lambda frame: frame[0].documents(name)


def _template(node: Template, layout: Layout) -> Evaluate:
    parts = [part if isinstance(part, str) else compile_expression(part, layout) for part in node.parts]

    def evaluate(frame: Frame) -> Value:
        text = "".join([part if isinstance(part, str) else display(part(frame)) for part in parts])
        frame[0].allow_text(len(text))
        return text

    return _located(evaluate, node.span)


def _located(evaluate: Evaluate, span: Span) -> Evaluate:
    """Return the closure with its place added to the errors that do not know theirs."""

    def located(frame: Frame) -> Value:
        try:
            return evaluate(frame)
        except QueryError as error:
            error.locate(span)
            raise

    return located


# --- access


def _member(node: Member, layout: Layout) -> Evaluate:
    name = node.name
    if isinstance(node.base, Variable):
        slot = layout.slot(node.base.name)

        def read_variable(frame: Frame) -> Value:
            base = frame[slot]
            return base.get(name) if isinstance(base, dict) else None

        return read_variable
    evaluate_base = compile_expression(node.base, layout)

    def read(frame: Frame) -> Value:
        base = evaluate_base(frame)
        return base.get(name) if isinstance(base, dict) else None

    return read


def _index(node: Index, layout: Layout) -> Evaluate:
    base = compile_expression(node.base, layout)
    index = compile_expression(node.index, layout)
    return lambda frame: subscript(base(frame), index(frame))


def subscript(base: Value, index: Value) -> Value:
    """Return an attribute of an object or an element of an array; null when there is none."""
    if isinstance(base, dict):
        if values.is_number(index):
            index = display(index)
        return base.get(index) if isinstance(index, str) else None
    if isinstance(base, list) and values.is_number(index):
        place = int(index)
        return base[place] if -len(base) <= place < len(base) else None
    return None


def _expansion(node: Expansion, layout: Layout) -> Evaluate:
    base, path = compile_expression(node.base, layout), node.path

    def flatten(frame: Frame) -> Value:
        flat: list[Value] = []
        for element in _elements(base(frame)):
            flat += element if isinstance(element, list) else [element]
        frame[0].allow_array(len(flat))
        return flat

    def read_path(frame: Frame) -> Value:
        found = _elements(base(frame))
        for name in path:
            found = [element.get(name) if isinstance(element, dict) else None for element in found]
        return found

    return read_path if path else flatten


def _elements(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []


# --- operators


def _unary(node: Unary, layout: Layout) -> Evaluate:
    apply, operand = PREFIXES[node.operator], compile_expression(node.operand, layout)
    return _located(lambda frame: apply(operand(frame)), node.span)


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
    left, right = compile_expression(node.left, layout), compile_expression(node.right, layout)
    if kind == "||":
        return lambda frame: left(frame) or right(frame)
    if kind == "??":
        return lambda frame: right(frame) if (value := left(frame)) is None else value
    return _located(_matching(kind, left, right), node.span)


def _arithmetic(node: Binary, layout: Layout) -> Evaluate:
    apply, span = ARITHMETIC[node.operator], node.span
    left, right = compile_expression(node.left, layout), compile_expression(node.right, layout)

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
    left = compile_expression(node.left, layout)
    if isinstance(node.right, Literal) and (node.right.value is None or isinstance(node.right.value, str)):
        constant = node.right.value
        if negated:
            return lambda frame: left(frame) != constant
        return lambda frame: left(frame) == constant
    right = compile_expression(node.right, layout)

    def evaluate(frame: Frame) -> Value:
        one, other = left(frame), right(frame)
        if type(one) is str:
            return (one == other) is not negated
        return equal(one, other) is not negated

    return _located(evaluate, node.span)


def _ordering(node: Binary, layout: Layout) -> Evaluate:
    test, span = ORDERINGS[node.operator], node.span
    left = compile_expression(node.left, layout)

    def slowly(one: Value, other: Value) -> bool:
        try:
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
                return test(one, constant) if kind is int or kind is float else slowly(one, constant)

            return member_with_number

        def with_number(frame: Frame) -> Value:
            one = left(frame)
            kind = type(one)
            return test(one, constant) if kind is int or kind is float else slowly(one, constant)

        return with_number
    right = compile_expression(node.right, layout)

    def evaluate(frame: Frame) -> Value:
        one, other = left(frame), right(frame)
        kind = type(one)
        if kind is type(other) and (kind is str or kind is int or kind is float):
            return test(one, other)
        return slowly(one, other)

    return evaluate


def _membership(node: Binary, layout: Layout, *, negated: bool) -> Evaluate:
    left = compile_expression(node.left, layout)
    if isinstance(node.right, Binary) and node.right.operator == "..":
        bounds = compile_bounds(node.right, layout)
        return lambda frame: _is_in_range(left(frame), bounds(frame)) is not negated
    right = compile_expression(node.right, layout)
    remembered = layout.private_slot()

    def evaluate(frame: Frame) -> Value:
        one, many = left(frame), right(frame)
        if isinstance(many, list):
            found = _is_element(one, many, frame, remembered)
        else:
            found = isinstance(many, dict) and isinstance(one, str) and one in many
        return found is not negated

    return _located(evaluate, node.span)


def _is_in_range(one: Value, span: range) -> bool:
    return values.is_number(one) and one == int(one) and int(one) in span


def _is_element(one: Value, many: list[Value], frame: Frame, remembered: int) -> bool:
    """Look for a value in an array; the keys of a long array are remembered for the next row."""
    if len(many) <= SHORT_ARRAY:
        return any(equal(one, element) for element in many)
    known = frame[remembered]
    if known is None or known[0] is not many:
        frame[0].spend(len(many))
        known = frame[remembered] = (many, {hash_key(element) for element in many})
    return hash_key(one) in known[1]


def _matching(kind: str, left: Evaluate, right: Evaluate) -> Evaluate:
    match kind:
        case "LIKE":
            return lambda frame: is_like(_shown(left(frame)), _shown(right(frame)))
        case "NOT LIKE":
            return lambda frame: not is_like(_shown(left(frame)), _shown(right(frame)))
        case "=~":
            return lambda frame: matches(_only_text(left(frame)), _only_text(right(frame)))
        case "!~":
            return lambda frame: _matches_not(_only_text(left(frame)), _only_text(right(frame)))
        case "~=":
            return lambda frame: is_fuzzy_match(_only_text(left(frame)), _only_text(right(frame)))
        case _:
            raise AssertionError(kind)


def _matches_not(value: str, pattern: str) -> bool:
    return not matches(value, pattern)


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

    return _located(evaluate, node.span)


def _length(whole: range) -> int:
    return max(0, whole.stop - whole.start)


def compile_bounds(node: Binary, layout: Layout) -> Callable[[Frame], range]:
    """Return a range expression as a function to a range, which takes no memory."""
    low, high = compile_expression(node.left, layout), compile_expression(node.right, layout)
    span = node.span

    def evaluate(frame: Frame) -> range:
        first, last = low(frame), high(frame)
        if not (values.is_number(first) and values.is_number(last)):
            raise ExecutionError("Range bounds must be integers", span, "such as: 1..10")
        return range(int(first), int(last) + 1)

    return evaluate


def _logical(node: Logical, layout: Layout) -> Evaluate:
    operands = tuple([compile_expression(operand, layout) for operand in node.operands])
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


# --- choice


def _conditional(node: Conditional, layout: Layout) -> Evaluate:
    test = compile_expression(node.test, layout)
    then, otherwise = compile_expression(node.then, layout), compile_expression(node.otherwise, layout)
    return lambda frame: then(frame) if test(frame) else otherwise(frame)


def _case(node: Case, layout: Layout) -> Evaluate:
    branches = [
        (compile_expression(branch.when, layout), compile_expression(branch.then, layout)) for branch in node.branches
    ]
    otherwise = compile_expression(node.otherwise or Literal(None), layout)
    if node.subject is None:

        def searched(frame: Frame) -> Value:
            for when, then in branches:
                if when(frame):
                    return then(frame)
            return otherwise(frame)

        return searched
    subject = compile_expression(node.subject, layout)

    def simple(frame: Frame) -> Value:
        value = subject(frame)
        for when, then in branches:
            if equal(value, when(frame)):
                return then(frame)
        return otherwise(frame)

    return simple


# --- building, and looking at many


def _array(node: ArrayLiteral, layout: Layout) -> Evaluate:
    elements = [compile_expression(element, layout) for element in node.elements]
    return lambda frame: [element(frame) for element in elements]


def _object(node: ObjectLiteral, layout: Layout) -> Evaluate:
    evaluated = [compile_expression(member.value, layout) for member in node.members]
    if all(isinstance(member.key, Literal) for member in node.members):
        named = [
            (display(member.key.value), value)
            for member, value in zip(node.members, evaluated, strict=True)
            if isinstance(member.key, Literal)
        ]
        return lambda frame: {name: value(frame) for name, value in named}
    keys = [compile_expression(member.key, layout) for member in node.members]
    members = list(zip(keys, evaluated, strict=True))
    return _located(lambda frame: {display(key(frame)): value(frame) for key, value in members}, node.span)


def _quantifier(node: Quantifier, layout: Layout) -> Evaluate:
    source, slot = compile_expression(node.source, layout), layout.slot(node.variable)
    condition, kind, span = compile_expression(node.condition, layout), node.kind, node.span
    stops_at, result = kind != "ALL", kind == "ANY"

    def evaluate(frame: Frame) -> Value:
        array = source(frame)
        if not isinstance(array, list):
            raise ExecutionError(f"{kind} requires array, found {values.type_name(array)}", span)
        frame[0].spend(len(array))
        for element in array:
            frame[slot] = element
            if bool(condition(frame)) is stops_at:
                return result
        return not result

    return evaluate


def _subquery(node: PlannedSubquery, layout: Layout) -> Evaluate:
    return layout.compile_plan(node.plan, layout)


def _call(node: Call, layout: Layout) -> Evaluate:
    return compile_call(node, layout, compile_expression)


COMPILERS: dict[type[Expression], Callable[[Any, Layout], Evaluate]] = {
    Literal: _literal,
    Variable: _variable,
    Bind: _bind,
    CollectionBind: _collection_bind,
    CollectionRead: _collection_read,
    Template: _template,
    Member: _member,
    Index: _index,
    Expansion: _expansion,
    Unary: _unary,
    Binary: _binary,
    Logical: _logical,
    Conditional: _conditional,
    Case: _case,
    ArrayLiteral: _array,
    ObjectLiteral: _object,
    Quantifier: _quantifier,
    PlannedSubquery: _subquery,
    Call: _call,
}
