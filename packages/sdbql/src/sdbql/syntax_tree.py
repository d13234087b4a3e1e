"""The tree of a query: frozen nodes for clauses and expressions, each with its span.

The parser builds it with names as written. The analyser returns the same kinds of node with
every variable renamed so that no name is bound twice, and with `CollectionRead` in place of
a name that no variable has.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from sdbql.source_text import NOWHERE, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Anything with a place in the text."""

    span: Span = NOWHERE


class Expression(Node):
    """Something that has a value for each row."""

    __slots__ = ()


# --- expressions


@dataclass(frozen=True, slots=True)
class Literal(Expression):
    """A constant: null, a bool, a number or a string."""

    value: Any


@dataclass(frozen=True, slots=True)
class Template(Expression):
    """A template string: plain text and expressions in turn."""

    parts: tuple[str | Expression, ...]


@dataclass(frozen=True, slots=True)
class Variable(Expression):
    """A name; the analyser decides whether it is a variable or a collection."""

    name: str


@dataclass(frozen=True, slots=True)
class CollectionRead(Expression):
    """All documents of a collection. `as_source` is true directly after FOR … IN."""

    name: str
    as_source: bool


@dataclass(frozen=True, slots=True)
class Bind(Expression):
    """A bind parameter, `@name`."""

    name: str


@dataclass(frozen=True, slots=True)
class CollectionBind(Expression):
    """The documents of the collection that a bind parameter names, `@@name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Member(Expression):
    """`base.name` and `base?.name`."""

    base: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Index(Expression):
    """`base[index]`."""

    base: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class Expansion(Expression):
    """`base[*].a.b`: the path read from every element; with no path, one level flattened."""

    base: Expression
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unary(Expression):
    """`NOT`, `-` or `~` before an operand."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    """An operator between two operands, named as in `BINDING_POWER`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Logical(Expression):
    """A chain of AND, or a chain of OR: short-circuits, and gives a bool."""

    operator: str
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Conditional(Expression):
    """`test ? then : otherwise`."""

    test: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """A builtin applied to arguments; `x |> F(y)` is the call F(x, y)."""

    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Lambda(Expression):
    """`x -> body` or `(x, y) -> body`, allowed only as an argument."""

    parameters: tuple[str, ...]
    body: Expression


@dataclass(frozen=True, slots=True)
class ArrayLiteral(Expression):
    """`[a, b]`."""

    elements: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class ObjectMember(Node):
    """One `key: value` of an object; a computed key is any other expression than a string."""

    key: Expression
    value: Expression


@dataclass(frozen=True, slots=True)
class ObjectLiteral(Expression):
    """`{a: 1, "b": 2, [c]: 3, d}`."""

    members: tuple[ObjectMember, ...]


@dataclass(frozen=True, slots=True)
class CaseBranch(Node):
    """One `WHEN … THEN …`."""

    when: Expression
    then: Expression


@dataclass(frozen=True, slots=True)
class Case(Expression):
    """`CASE subject WHEN … END`; without a subject, each WHEN is a condition."""

    subject: Expression | None
    branches: tuple[CaseBranch, ...]
    otherwise: Expression | None


@dataclass(frozen=True, slots=True)
class Quantifier(Expression):
    """`ANY x IN source SATISFIES condition`, and the same with ALL and NONE."""

    kind: str
    variable: str
    source: Expression
    condition: Expression


@dataclass(frozen=True, slots=True)
class Subquery(Expression):
    """A query in an expression: the array of its results."""

    body: "QueryBody"


@dataclass(frozen=True, slots=True)
class Refused(Expression):
    """An expression that parses but needs a server, such as a window function."""

    reason: str
    advice: str = ""


# --- clauses


class Clause(Node):
    """One step of a query."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class For(Clause):
    """`FOR variable IN source`."""

    variable: str
    source: Expression


@dataclass(frozen=True, slots=True)
class Let(Clause):
    """`LET variable = value`; a LET with commas is several of these."""

    variable: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Filter(Clause):
    """`FILTER condition`."""

    condition: Expression


@dataclass(frozen=True, slots=True)
class SortKey(Node):
    """One expression of a SORT with its direction."""

    value: Expression
    descending: bool


@dataclass(frozen=True, slots=True)
class Sort(Clause):
    """`SORT a, b DESC`."""

    keys: tuple[SortKey, ...]


@dataclass(frozen=True, slots=True)
class Limit(Clause):
    """`LIMIT offset, count`."""

    offset: Expression
    count: Expression


@dataclass(frozen=True, slots=True)
class GroupKey(Node):
    """One `variable = value` of a COLLECT."""

    variable: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Aggregate(Node):
    """One `variable = FUNCTION(value)` of AGGREGATE; without a value it counts rows."""

    variable: str
    function: str
    value: Expression | None


@dataclass(frozen=True, slots=True)
class Collect(Clause):
    """`COLLECT` or `GROUP BY` with its tails."""

    keys: tuple[GroupKey, ...]
    into: str | None
    count_into: str | None
    aggregates: tuple[Aggregate, ...]


@dataclass(frozen=True, slots=True)
class Join(Clause):
    """`JOIN collection ON condition`; `kind` is INNER, LEFT, RIGHT or FULL."""

    kind: str
    collection: str
    condition: Expression


@dataclass(frozen=True, slots=True)
class BoundJoin(Clause):
    """A join after analysis: `candidate` is one document while `condition` is tested,
    and `variable` the array of those that passed. `constants` are the variables from before
    the first FOR, which no join makes null.
    """

    kind: str
    source: CollectionRead
    candidate: str
    variable: str
    condition: Expression
    constants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BoundCollect(Clause):
    """A COLLECT after analysis: INTO and COUNT have become aggregates.

    `constants` are the variables from before the first FOR, which stay visible.
    """

    keys: tuple[GroupKey, ...]
    aggregates: tuple[Aggregate, ...]
    constants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RefusedClause(Clause):
    """A clause that parses but needs a server; `declares` are the variables it would bind."""

    reason: str
    advice: str = ""
    declares: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Return(Node):
    """`RETURN [DISTINCT] value`."""

    value: Expression
    distinct: bool


@dataclass(frozen=True, slots=True)
class QueryBody(Node):
    """Clauses in order and what to return; only a refused query lacks the latter."""

    clauses: tuple[Clause, ...]
    returned: Return | None


# --- walking


_TEXTUAL = {"span", "name", "operator", "kind", "variable", "function", "descending", "distinct"}
_child_fields_of: dict[type, tuple[str, ...]] = {}


def _child_fields(node: Node) -> tuple[str, ...]:
    """Name the fields of the node that hold nodes, or could."""
    kind = type(node)
    if kind not in _child_fields_of:
        _child_fields_of[kind] = tuple(field.name for field in fields(node) if field.name not in _TEXTUAL)
    return _child_fields_of[kind]


def children(node: Node) -> Iterator[Node]:
    """Yield the nodes directly below `node`, in the order they stand in the text."""
    for name in _child_fields(node):
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            for element in value:
                if isinstance(element, Node):
                    yield element


def rebuild(node: Any, change: Callable[[Any], Any]) -> Any:
    """Return `node` with `change` applied to each node directly below it."""
    changed = {}
    for name in _child_fields(node):
        value = getattr(node, name)
        if isinstance(value, Node):
            changed[name] = change(value)
        elif isinstance(value, tuple) and value:
            changed[name] = tuple([change(part) if isinstance(part, Node) else part for part in value])
    return replace(node, **changed) if changed else node


def walk(node: Node) -> Iterator[Node]:
    """Yield `node` and everything below it, parents first, without recursion."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(list(children(node))))
