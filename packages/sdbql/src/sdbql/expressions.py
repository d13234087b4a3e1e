"""Expressions to closures, once per query.

Each kind of node has one function here that returns a function from a frame to a value;
`operators` and `function_calls` have the rest.

Turned down: walking the tree for every row (1.3 times slower). For loops that run long,
`python_source` makes functions out of the same expressions; these closures stay what an
expression means, and what the generated functions are tested against.
"""

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from sdbql import values
from sdbql.errors import ExecutionError
from sdbql.frame import Evaluate, Frame, Layout, located
from sdbql.function_calls import compile_call
from sdbql.functions.builtin import missing_array
from sdbql.operators import OPERATOR_COMPILERS
from sdbql.plan import PlannedSubquery
from sdbql.syntax_tree import (
    ArrayLiteral,
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
    Member,
    ObjectLiteral,
    Quantifier,
    Template,
    Variable,
)
from sdbql.values import Value, display, equal


def compile_expression(node: Expression, layout: Layout) -> Evaluate:
    """Return the expression as a function from a frame to its value."""
    return COMPILERS[type(node)](node, layout)


# --- leaves


def _literal(node: Literal, layout: Layout) -> Evaluate:
    value = node.value
    return lambda frame: value


def _variable(node: Variable, layout: Layout) -> Evaluate:
    return itemgetter(layout.slot(node.name))


def _bind(node: Bind, layout: Layout) -> Evaluate:
    return itemgetter(layout.slot(f"@{node.name}"))


def _collection_bind(node: CollectionBind, layout: Layout) -> Evaluate:
    slot = layout.slot(f"@@{node.name}")
    return lambda frame: frame[0].documents(frame[slot])


def _collection_read(node: CollectionRead, layout: Layout) -> Evaluate:
    name = node.name
    return lambda frame: frame[0].documents(name)


def _template(node: Template, layout: Layout) -> Evaluate:
    parts = [part if isinstance(part, str) else layout.expression(part) for part in node.parts]

    def evaluate(frame: Frame) -> Value:
        texts = [part if isinstance(part, str) else display(part(frame)) for part in parts]
        frame[0].allow_text(sum(map(len, texts)))
        return "".join(texts)

    return located(evaluate, node.span)


# --- access


def _member(node: Member, layout: Layout) -> Evaluate:
    name = node.name
    if isinstance(node.base, Variable):
        slot = layout.slot(node.base.name)

        def read_variable(frame: Frame) -> Value:
            base = frame[slot]
            return base.get(name) if isinstance(base, dict) else None

        return read_variable
    evaluate_base = layout.expression(node.base)

    def read(frame: Frame) -> Value:
        base = evaluate_base(frame)
        return base.get(name) if isinstance(base, dict) else None

    return read


def _index(node: Index, layout: Layout) -> Evaluate:
    base = layout.expression(node.base)
    index = layout.expression(node.index)
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
    base, path = layout.expression(node.base), node.path

    def flatten(frame: Frame) -> Value:
        elements = _elements(base(frame))
        frame[0].allow_array(sum([len(element) if isinstance(element, list) else 1 for element in elements]))
        flat: list[Value] = []
        for element in elements:
            flat += element if isinstance(element, list) else [element]
        return flat

    def read_path(frame: Frame) -> Value:
        found = _elements(base(frame))
        frame[0].spend(len(found) * len(path))
        for name in path:
            found = [element.get(name) if isinstance(element, dict) else None for element in found]
        return found

    return read_path if path else flatten


def _elements(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []


# --- choice


def _conditional(node: Conditional, layout: Layout) -> Evaluate:
    test = layout.expression(node.test)
    then, otherwise = layout.expression(node.then), layout.expression(node.otherwise)
    return lambda frame: then(frame) if test(frame) else otherwise(frame)


def _case(node: Case, layout: Layout) -> Evaluate:
    branches = [(layout.expression(branch.when), layout.expression(branch.then)) for branch in node.branches]
    otherwise = layout.expression(node.otherwise or Literal(None))
    if node.subject is None:

        def searched(frame: Frame) -> Value:
            for when, then in branches:
                if when(frame):
                    return then(frame)
            return otherwise(frame)

        return searched
    subject = layout.expression(node.subject)

    def simple(frame: Frame) -> Value:
        value = subject(frame)
        for when, then in branches:
            if equal(value, when(frame)):
                return then(frame)
        return otherwise(frame)

    return simple


# --- building, and looking at many


def _array(node: ArrayLiteral, layout: Layout) -> Evaluate:
    elements = [layout.expression(element) for element in node.elements]
    return lambda frame: [element(frame) for element in elements]


def _object(node: ObjectLiteral, layout: Layout) -> Evaluate:
    evaluated = [layout.expression(member.value) for member in node.members]
    if all(isinstance(member.key, Literal) for member in node.members):
        named = [
            (display(member.key.value), value)
            for member, value in zip(node.members, evaluated, strict=True)
            if isinstance(member.key, Literal)
        ]
        return lambda frame: {name: value(frame) for name, value in named}
    keys = [layout.expression(member.key) for member in node.members]
    members = list(zip(keys, evaluated, strict=True))
    return located(lambda frame: {display(key(frame)): value(frame) for key, value in members}, node.span)


def _quantifier(node: Quantifier, layout: Layout) -> Evaluate:
    source, slot = layout.expression(node.source), layout.slot(node.variable)
    condition, kind, span = layout.expression(node.condition), node.kind, node.span
    stops_at, result = kind != "ALL", kind == "ANY"

    def evaluate(frame: Frame) -> Value:
        array = source(frame)
        if not isinstance(array, list):
            raise ExecutionError(f"{kind} requires array, found {values.type_name(array)}", span, missing_array(array))
        frame[0].spend(len(array))
        for element in array:
            frame[slot] = element
            if bool(condition(frame)) is stops_at:
                return result
        return not result

    return evaluate


def _subquery(node: PlannedSubquery, layout: Layout) -> Evaluate:
    return layout.subquery(node.plan)


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
    Conditional: _conditional,
    Case: _case,
    ArrayLiteral: _array,
    ObjectLiteral: _object,
    Quantifier: _quantifier,
    PlannedSubquery: _subquery,
    Call: compile_call,
    **OPERATOR_COMPILERS,
}
