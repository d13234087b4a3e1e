"""What can be known about a condition: its terms, its variables, whether it can fail.

A rewrite may evaluate a condition for rows, or in an order, that the query as written would
not. That changes nothing only if the condition can never raise an error, so whoever moves
one asks `is_total` first.
"""

from collections.abc import Sequence

from sdbql.functions import catalog
from sdbql.plan import Keep, Slice, Step, TopRows
from sdbql.syntax_tree import (
    ArrayLiteral,
    Binary,
    Bind,
    Call,
    Case,
    CaseBranch,
    CollectionBind,
    CollectionRead,
    Conditional,
    Expression,
    Index,
    Literal,
    Logical,
    Member,
    Node,
    Unary,
    Variable,
    walk,
)

TOTAL_OPERATORS = frozenset(["==", "!=", "<", "<=", ">", ">=", "IN", "NOT IN", "LIKE", "NOT LIKE", "||", "??"])
TOTAL_NODES = (
    Literal,
    Variable,
    Bind,
    CollectionBind,
    CollectionRead,
    Member,
    Index,
    Logical,
    Conditional,
    Case,
    CaseBranch,
    ArrayLiteral,
)


def terms(condition: Expression) -> tuple[Expression, ...]:
    """Return the conditions that AND joins, in order."""
    if isinstance(condition, Logical) and condition.operator == "AND":
        return condition.operands
    return (condition,)


def joined(conditions: Sequence[Expression]) -> Expression:
    """Return the conditions joined by AND; there must be at least one."""
    if len(conditions) == 1:
        return conditions[0]
    span = conditions[0].span.to(conditions[-1].span)
    return Logical("AND", tuple(conditions), span=span)


def kept(before: Step, conditions: Sequence[Expression]) -> Step:
    """Return the rows for which all conditions are true, or simply the rows if there are none."""
    if not conditions:
        return before
    condition = joined(conditions)
    return Keep(before, condition, span=condition.span)


def variables(expression: Expression) -> frozenset[str]:
    """Return the variables that stand anywhere in an expression."""
    return frozenset([node.name for node in walk(expression) if isinstance(node, Variable)])


def reads_variables(step: Slice | TopRows) -> bool:
    """Tell whether the numbers of a LIMIT are known only once the first row is there.

    They may read what a LET before the first FOR has bound, and no row has yet been through it.
    """
    return bool(variables(step.offset) or variables(step.count))


def is_total(expression: Expression) -> bool:
    """Tell whether evaluating the expression can never raise an error."""
    return all(_is_total_node(node) for node in walk(expression))


def _is_total_node(node: Node) -> bool:
    match node:
        case Binary():
            return node.operator in TOTAL_OPERATORS
        case Unary():
            return node.operator == "NOT"
        case Call():
            builtin = catalog.find(node.name)
            return builtin is not None and builtin.total
        case _:
            return isinstance(node, TOTAL_NODES)


def is_document_key(node: Expression) -> bool:
    """Tell whether the expression is the key of a document in a variable, such as `u._key`."""
    return isinstance(node, Member) and node.name == "_key" and isinstance(node.base, Variable)
