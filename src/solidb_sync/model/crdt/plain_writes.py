"""Take plain writes apart where they touch replicated fields: what is left is plain, the rest is wanted of the fields.

A plain write of a field's own value, or of something in it, asks for a new value of it. One that writes around a field
asks for whatever it has in the field's place; the field itself stays where it is. Removing a field asks for nothing: it
stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from solidb_sync.json_value import JsonDocument
from solidb_sync.model.crdt.field_states import FieldStates, Operations
from solidb_sync.model.crdt.registry import Operation
from solidb_sync.model.delta import Delta, MissingParentError, Path, apply_delta, is_prefix, value_at


@dataclass(slots=True)
class Separated:
    """A delta without what touches replicated fields; the values `wanted` of them, and the fields it would `bury`.

    A field is buried by a write that leaves no place for it, such as a number where the object around it was.
    """

    delta: Delta
    wanted: dict[Path, Any] = field(default_factory=dict)
    buried: set[Path] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Translated:
    """Wanted values as operations, and why some can't be: for each such field what is wrong."""

    operations: Operations
    problems: Mapping[Path, str]


def separate(delta: Delta, document: JsonDocument, states: FieldStates) -> Separated:
    """Return a delta of `document` taken apart."""
    values: dict[Path, Any] = {}
    removed: list[Path] = []
    result = Separated(delta)
    for path, value in delta.values.items():
        around = _field_around(path, states)
        if around is not None:
            _want_inside(result, document, around, Delta({path: value}))
        else:
            values.update(_put_back(result, path, value, document, states))
    for path in delta.removed:
        around = _field_around(path, states)
        if around is not None:
            if path != around:
                _want_inside(result, document, around, Delta(removed=(path,)))
        elif any(is_prefix(path, inside) for inside in states):
            values.update(_put_back(result, path, {}, document, states))
        else:
            removed.append(path)
    result.delta = Delta(values, tuple(removed))
    return result


def _field_around(path: Path, states: FieldStates) -> Path | None:
    for depth in range(1, len(path) + 1):
        if path[:depth] in states:
            return path[:depth]
    return None


def _want_inside(result: Separated, document: JsonDocument, path: Path, delta: Delta) -> None:
    """Note the value that a write of a field, or inside of it, asks for."""
    before = document if path not in result.wanted else apply_delta(document, Delta({path: result.wanted[path]}))
    try:
        result.wanted[path] = value_at(apply_delta(before, delta), path)[1]
    except MissingParentError:
        result.buried.add(path)


def _put_back(result: Separated, path: Path, value: Any, document: JsonDocument, states: FieldStates) -> dict[Path, Any]:
    """Return a write with the fields inside of it as they are; nothing when it leaves no place for one."""
    for inside in states:
        if not is_prefix(path, inside):
            continue
        rest = inside[len(path) :]
        if not isinstance(value, dict):
            result.buried.add(inside)
            return {}
        is_wanted, wanted = value_at(value, rest)
        try:
            value = _with_parents(value, rest, value_at(document, inside)[1])
        except MissingParentError:
            result.buried.add(inside)
            return {}
        if is_wanted:
            result.wanted[inside] = wanted
    return {path: value}


def _with_parents(value: JsonDocument, rest: Path, inner: Any) -> JsonDocument:
    """Return an object with a value at a path, making objects where nothing is; raises where something else is."""
    for depth in range(1, len(rest)):
        if not value_at(value, rest[:depth])[0]:
            value = apply_delta(value, Delta({rest[:depth]: {}}))
    return apply_delta(value, Delta({rest: inner}))


def translate(wanted: Mapping[Path, Any], states: FieldStates) -> Translated:
    """Return the operations that give fields the values wanted of them."""
    operations: dict[Path, Operation] = {}
    problems: dict[Path, str] = {}
    for path, value in wanted.items():
        try:
            operation = states[path].operation_to(value)
        except ValueError as problem:
            problems[path] = str(problem)
            continue
        if operation is not None:
            operations[path] = operation
    return Translated(operations, problems)
