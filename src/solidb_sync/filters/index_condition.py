"""The part of a filter that can be looked up: one field that equals a value, is one of some, or lies in a range.

A condition that holds whenever this part and more hold is narrowed by it: where this part says no, the whole filter says
no. So whoever looks filters up by a field finds all that may match, and tests only those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sdbql.engine import DOCUMENT
from sdbql.syntax_tree import ArrayLiteral, Binary, Bind, Expression, Literal, Logical, Member, Variable
from sdbql.values import hash_key, sort_key

Path = tuple[str, ...]

VALUES_MAX = 1_000
"""With more values than this in an IN, a filter is not looked up by it."""

TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}


@dataclass(frozen=True, slots=True)
class OneOf:
    """A field with one of some values; `keys` are their `hash_key`s."""

    path: Path
    keys: tuple[Any, ...]

    def allows(self, row: Mapping[str, Any]) -> bool:
        """Return False only when no filter narrowed by this can match the row."""
        return hash_key(value_at(row, self.path)) in self.keys


@dataclass(frozen=True, slots=True)
class Between:
    """A field from `low` to `high`, both `sort_key`s and both included; None is without an end."""

    path: Path
    low: Any
    high: Any

    def allows(self, row: Mapping[str, Any]) -> bool:
        """Return False only when no filter narrowed by this can match the row."""
        place = sort_key(value_at(row, self.path))
        return (self.low is None or place >= self.low) and (self.high is None or place <= self.high)


IndexCondition = OneOf | Between


def index_condition(condition: Expression, bind_vars: Mapping[str, Any]) -> IndexCondition | None:
    """Return what narrows a condition best, None when it can't be looked up by a field."""
    parts = _conjuncts(condition)
    found = [part for part in (_one_of(part, bind_vars) for part in parts) if part is not None]
    if found:
        return min(found, key=lambda part: len(part.keys))
    ranges: dict[Path, Between] = {}
    for part in (_between(part, bind_vars) for part in parts):
        if part is not None:
            ranges[part.path] = _both(ranges.get(part.path), part)
    closed = [part for part in ranges.values() if part.low is not None and part.high is not None]
    return next(iter([*closed, *ranges.values()]), None)


def _conjuncts(condition: Expression) -> list[Expression]:
    if isinstance(condition, Logical) and condition.operator == "AND":
        return [part for operand in condition.operands for part in _conjuncts(operand)]
    return [condition]


def _one_of(part: Expression, bind_vars: Mapping[str, Any]) -> OneOf | None:
    if not isinstance(part, Binary):
        return None
    if part.operator == "==":
        sides = _field_and_value(part, bind_vars)
        return None if sides is None else OneOf(sides[0], (hash_key(sides[2]),))
    path = _path(part.left)
    if part.operator != "IN" or path is None:
        return None
    values = _array(part.right, bind_vars)
    if values is None or len(values) > VALUES_MAX:
        return None
    return OneOf(path, tuple(dict.fromkeys([hash_key(value) for value in values])))


def _between(part: Expression, bind_vars: Mapping[str, Any]) -> Between | None:
    if not isinstance(part, Binary) or part.operator not in ("<", "<=", ">", ">="):
        return None
    sides = _field_and_value(part, bind_vars)
    if sides is None:
        return None
    path, operator, value = sides
    bound = sort_key(value)
    return Between(path, None, bound) if operator in ("<", "<=") else Between(path, bound, None)


def _both(one: Between | None, other: Between) -> Between:
    """Return a range that both lie around: the narrower end on each side."""
    if one is None:
        return other
    low = max([end for end in (one.low, other.low) if end is not None], default=None)
    high = min([end for end in (one.high, other.high) if end is not None], default=None)
    return Between(other.path, low, high)


def _field_and_value(part: Binary, bind_vars: Mapping[str, Any]) -> tuple[Path, str, Any] | None:
    """Return field, operator and value of a comparison, with the field on its left."""
    for field, operator, constant in (
        (part.left, part.operator, part.right),
        (part.right, TURNED.get(part.operator), part.left),
    ):
        path = _path(field)
        if path is not None and operator is not None and isinstance(constant, (Literal, Bind)):
            return path, operator, _constant(constant, bind_vars)
    return None


def _constant(node: Literal | Bind, bind_vars: Mapping[str, Any]) -> Any:
    return node.value if isinstance(node, Literal) else bind_vars[node.name]


def _array(node: Expression, bind_vars: Mapping[str, Any]) -> list[Any] | None:
    if isinstance(node, Bind):
        value = bind_vars[node.name]
        return value if isinstance(value, list) else None
    if isinstance(node, ArrayLiteral) and all(isinstance(element, (Literal, Bind)) for element in node.elements):
        return [_constant(element, bind_vars) for element in node.elements if isinstance(element, (Literal, Bind))]
    return None


def _path(node: Expression) -> Path | None:
    """Return the path of an attribute of the document."""
    names: list[str] = []
    while isinstance(node, Member):
        names.append(node.name)
        node = node.base
    is_document = isinstance(node, Variable) and node.name == DOCUMENT
    return tuple(reversed(names)) if is_document and names else None


def value_at(row: Mapping[str, Any], path: Path) -> Any:
    """Return the value at a path as the language reads it: null where there is none."""
    value: Any = row
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
