"""The parts of a plan that are the same for every row, and what SQL has to know about their values.

`@min`, `18` and `DATE_SUBTRACT(NOW(), 7, "d")` are constants of a run: they are evaluated before its SQL is chosen, because
the SQL of `u.age >= @min` depends on what `@min` is. What a comparison depends on is the constant's *kind*, which is
finer than its type: SQLite shows true as 1 and an array as text that starts with `[`, so constants that could be taken for
those need a second look at the type of what is stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from sdbql import plan
from sdbql.functions import catalog
from sdbql.limits import LIKE_PATTERN_LENGTH_MAX
from sdbql.syntax_tree import (
    ArrayLiteral,
    Binary,
    Bind,
    Call,
    Case,
    CaseBranch,
    Conditional,
    Expansion,
    Expression,
    Index,
    Literal,
    Logical,
    Member,
    Node,
    ObjectLiteral,
    ObjectMember,
    Template,
    Unary,
    Variable,
    children,
    walk,
)
from sdbql.values import Value

CHANCE = frozenset(["RANDOM", "RAND", "RANDOM_INT", "RAND_INT"])
"""Builtins whose result differs from row to row."""

ALIKE_NODES = (
    Literal,
    Bind,
    Unary,
    Binary,
    Logical,
    Conditional,
    Case,
    CaseBranch,
    Member,
    Index,
    Expansion,
    ArrayLiteral,
    ObjectLiteral,
    ObjectMember,
    Template,
)


class Kind(Enum):
    """What SQL has to know about a constant."""

    NULL = "null"
    FALSE = "false"
    TRUE = "true"
    LOW = "a number up to 1"
    NUMBER = "a greater number"
    TEXT = "a string before every `[`"
    HIGH = "a later string"
    OPENING = "a string that starts with `[` or `{`"
    DEEP = "an array or object"
    UNFIT = "text without a UTF-8 form, or longer than a pattern may be"


ConstantKind = Kind | frozenset[Kind]
"""An array that IN could search is known by the kinds of its elements."""


@dataclass(frozen=True)
class Constants:
    """The constants of a plan, in the order in which they are evaluated.

    `preamble` are the variables set before the first loop: they are constants too.
    """

    preamble: tuple[plan.Assign, ...]
    expressions: tuple[Expression, ...]
    numbers: dict[int, int]
    """From the identity of a node in the plan to its place among `expressions`."""

    def number(self, node: Node) -> int | None:
        """Return the place of a node among the constants, None when it is none."""
        return self.numbers.get(id(node))


def steps_of(whole: plan.Plan) -> list[plan.Following]:
    """Return the steps of a plan, the first one first."""
    chain: list[plan.Following] = []
    step = whole.rows
    while isinstance(step, plan.Following):
        chain.append(step)
        step = step.before
    return chain[::-1]


def find_constants(whole: plan.Plan) -> Constants:
    """Return the constants in the conditions of a plan."""
    steps = steps_of(whole)
    preamble: list[plan.Assign] = []
    for step in steps:
        if not isinstance(step, plan.Assign):
            break
        preamble.append(step)
    known = frozenset([step.variable for step in preamble])
    found = [node for step in steps[len(preamble) :] for part in _conditions(step) for node in _constants_in(part, known)]
    return Constants(tuple(preamble), tuple(found), {id(node): number for number, node in enumerate(found)})


def _conditions(step: plan.Step) -> Iterator[Expression]:
    match step:
        case plan.Keep(condition=condition):
            yield condition
        case plan.HashJoin(row_key=row_key):
            yield row_key
        case _:
            return


def _constants_in(expression: Expression, known: frozenset[str]) -> Iterator[Expression]:
    """Yield the largest parts of an expression that read nothing of a row."""
    alike: dict[int, bool] = {}
    for node in reversed(list(walk(expression))):
        alike[id(node)] = _is_alike(node, known) and all(alike[id(child)] for child in children(node))
    waiting: list[Node] = [expression]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Expression) and alike[id(node)]:
            yield node
        else:
            waiting.extend(children(node))


def _is_alike(node: Node, known: frozenset[str]) -> bool:
    match node:
        case Binary():
            return node.operator != ".."
        case Variable():
            return node.name in known
        case Call():
            builtin = catalog.find(node.name)
            return builtin is not None and not builtin.takes_lambda and node.name not in CHANCE
        case _:
            return isinstance(node, ALIKE_NODES)


def kind_of(value: Value) -> ConstantKind:
    """Return the kind of a constant."""
    if isinstance(value, list):
        return frozenset([_scalar_kind(element) for element in value])
    return _scalar_kind(value)


def _scalar_kind(value: Value) -> Kind:
    match value:
        case None:
            return Kind.NULL
        case bool():
            return Kind.TRUE if value else Kind.FALSE
        case int() | float():
            return Kind.LOW if value <= 1 else Kind.NUMBER
        case str():
            return _text_kind(value)
        case _:
            return Kind.DEEP


def _text_kind(text: str) -> Kind:
    if len(text) > LIKE_PATTERN_LENGTH_MAX:
        return Kind.UNFIT
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return Kind.UNFIT
    if text.startswith(("[", "{")):
        return Kind.OPENING
    return Kind.TEXT if text < "[" else Kind.HIGH
