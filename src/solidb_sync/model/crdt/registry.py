"""The types by their names on the wire: the one table of them.

A state travels as `{"t": name, "s": stored form}`, an operation as `{"t": name, ...}` with what it does beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from solidb_sync.json_value import type_name
from solidb_sync.model.crdt.authorship import Authorship, OperationError
from solidb_sync.model.crdt.bounded_counter import BoundedCounter, BoundedCounterOperation
from solidb_sync.model.crdt.counter import Counter, CounterOperation
from solidb_sync.model.crdt.grow_set import GrowSet, GrowSetOperation
from solidb_sync.model.crdt.observed_remove_map import ObservedRemoveMap, ObservedRemoveMapOperation
from solidb_sync.model.crdt.observed_remove_set import ObservedRemoveSet, ObservedRemoveSetOperation
from solidb_sync.model.crdt.register import Register, RegisterOperation
from solidb_sync.model.version_vector import EMPTY_VECTOR, VersionVector

State = Counter | Register | GrowSet | ObservedRemoveSet | ObservedRemoveMap | BoundedCounter
Operation = (
    CounterOperation
    | RegisterOperation
    | GrowSetOperation
    | ObservedRemoveSetOperation
    | ObservedRemoveMapOperation
    | BoundedCounterOperation
)

STATES: Mapping[str, type[State]] = {
    "counter": Counter,
    "register": Register,
    "gset": GrowSet,
    "orset": ObservedRemoveSet,
    "ormap": ObservedRemoveMap,
    "bounded": BoundedCounter,
}
OPERATIONS: Mapping[str, type[Operation]] = {
    "counter": CounterOperation,
    "register": RegisterOperation,
    "gset": GrowSetOperation,
    "orset": ObservedRemoveSetOperation,
    "ormap": ObservedRemoveMapOperation,
    "bounded": BoundedCounterOperation,
}
EMPTY_OPERATIONS: Mapping[str, Operation] = {
    "counter": CounterOperation(0),
    "register": RegisterOperation(None),
    "gset": GrowSetOperation(frozenset()),
    "orset": ObservedRemoveSetOperation(),
    "ormap": ObservedRemoveMapOperation(),
    "bounded": BoundedCounterOperation(),
}
TITLES = {
    "counter": "a counter",
    "register": "a register",
    "gset": "a grow-only set",
    "orset": "a set",
    "ormap": "a map",
    "bounded": "a bounded counter",
}
"""What people are told a field is."""

STAMPED = frozenset({"register", "ormap"})
"""The types whose operations need a stamp of the hybrid logical clock."""

_NAMES: Mapping[type, str] = {kind: name for table in (STATES, OPERATIONS) for name, kind in table.items()}


def type_of(thing: State | Operation) -> str:
    """Return the name of the type that a state or an operation belongs to."""
    return _NAMES[type(thing)]


def read_operation(fields: object) -> Operation:
    """Return the operation of a wire form; raises `OperationError` naming the place."""
    if not isinstance(fields, dict):
        raise OperationError(f": expected an object, found {type_name(fields)}")
    kind = OPERATIONS.get(fields["t"]) if isinstance(fields.get("t"), str) else None
    if kind is None:
        raise OperationError(f".t: expected {', '.join(OPERATIONS)}; found {str(fields.get('t'))[:40]!r}")
    return kind.from_json(fields)


def empty_operation(state: State) -> Operation:
    """Return the operation that makes a field of this type where nothing is, and leaves it empty."""
    return EMPTY_OPERATIONS[type_of(state)]


def operation_json(operation: Operation) -> dict[str, Any]:
    """Return the wire form of an operation."""
    return {"t": type_of(operation), **operation.to_json()}


def read_state(fields: Mapping[str, Any], vector: VersionVector = EMPTY_VECTOR) -> State:
    """Return the state of a stored form; `vector` is what its document has seen, for joining it with another replica's."""
    match STATES[fields["t"]]():
        case ObservedRemoveSet():
            return ObservedRemoveSet.from_json(fields["s"], vector)
        case ObservedRemoveMap():
            return ObservedRemoveMap.from_json(fields["s"], vector)
        case other:
            return other.from_json(fields["s"])


def state_json(state: State) -> dict[str, Any]:
    """Return the stored form of a state."""
    return {"t": type_of(state), "s": state.to_json()}


def applied(state: State, operation: Operation, author: Authorship) -> State:
    """Return a state after an operation of its type; raises `BoundError`."""
    match state, operation:
        case Counter(), CounterOperation():
            return state.applied(operation, author)
        case Register(), RegisterOperation():
            return state.applied(operation, author)
        case GrowSet(), GrowSetOperation():
            return state.applied(operation, author)
        case ObservedRemoveSet(), ObservedRemoveSetOperation():
            return state.applied(operation, author)
        case ObservedRemoveMap(), ObservedRemoveMapOperation():
            return state.applied(operation, author)
        case BoundedCounter(), BoundedCounterOperation():
            return state.applied(operation, author)
    raise AssertionError(f"an operation on {TITLES[type_of(operation)]} reached {TITLES[type_of(state)]}")


def same_content(one: State, other: State) -> bool:
    """Return whether two states of one type have the same stored form; what their contexts have seen makes no difference."""
    match one, other:
        case ObservedRemoveSet(), ObservedRemoveSet():
            return one.kept.entries == other.kept.entries
        case ObservedRemoveMap(), ObservedRemoveMap():
            return one.kept.entries == other.kept.entries
    return one == other


def joined(one: State, other: State) -> State:
    """Return the join of two states of one field; of different types, that whose name comes first stays."""
    match one, other:
        case Counter(), Counter():
            return one.join(other)
        case Register(), Register():
            return one.join(other)
        case GrowSet(), GrowSet():
            return one.join(other)
        case ObservedRemoveSet(), ObservedRemoveSet():
            return one.join(other)
        case ObservedRemoveMap(), ObservedRemoveMap():
            return one.join(other)
        case BoundedCounter(), BoundedCounter():
            return one.join(other)
    return min(one, other, key=type_of)
