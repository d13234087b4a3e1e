"""What an app asks of a replicated field, checked and made into an operation; and what it did, from both documents."""

from __future__ import annotations

from typing import Any

from solidb_sync.errors import InvalidDocumentError
from solidb_sync.json_value import DEPTH_MAX, JsonDocument, checked, checked_name, type_name
from solidb_sync.model.crdt.bounded_counter import BoundedCounterOperation
from solidb_sync.model.crdt.counter import CounterOperation
from solidb_sync.model.crdt.elements import element_text
from solidb_sync.model.crdt.grow_set import GrowSetOperation
from solidb_sync.model.crdt.observed_remove_map import ObservedRemoveMapOperation
from solidb_sync.model.crdt.observed_remove_set import ObservedRemoveSetOperation
from solidb_sync.model.crdt.register import RegisterOperation
from solidb_sync.model.delta import Path, parse_path, value_at
from solidb_sync.model.version_vector import COUNTER_MAX
from solidb_sync.storage.field_path import SYSTEM_FIELDS


def field_path(field: object) -> Path:
    """Return the path of a field, written as in a delta: a top-level name, or `/address/city`."""
    if not isinstance(field, str) or not field:
        raise InvalidDocumentError(f"field: expected a name such as 'stock' or a path such as '/a/b', found {field!r}")
    path = parse_path(checked_name(field, "field"))
    if len(path) >= DEPTH_MAX or path[0] in SYSTEM_FIELDS:
        raise InvalidDocumentError(f"field: {field!r} is no field of a document")
    return path


def counter_operation(amount: object, *, sign: int = 1) -> CounterOperation:
    """Return the addition or (with `sign` -1) subtraction of an amount."""
    return CounterOperation(sign * _amount(amount))


def register_operation(value: object) -> RegisterOperation:
    """Return the write of a value."""
    return RegisterOperation(checked(value, "value"))


def grow_set_operation(value: object) -> GrowSetOperation:
    """Return the addition of an element."""
    return GrowSetOperation(_element(value))


def set_addition(value: object) -> ObservedRemoveSetOperation:
    """Return the addition of an element that can be removed."""
    return ObservedRemoveSetOperation(added=_element(value))


def set_removal(value: object) -> ObservedRemoveSetOperation:
    """Return the removal of an element."""
    return ObservedRemoveSetOperation(removed=_element(value))


def map_put(map_key: object, value: object) -> ObservedRemoveMapOperation:
    """Return the put of a value under a key."""
    return ObservedRemoveMapOperation({checked_name(map_key, "map_key"): checked(value, "value")})


def map_removal(map_key: object) -> ObservedRemoveMapOperation:
    """Return the removal of a key."""
    return ObservedRemoveMapOperation(removed=frozenset({checked_name(map_key, "map_key")}))


def bounded_operation(what: str, amount: object) -> BoundedCounterOperation:
    """Return what is done to a bounded counter: `add`, `take`, `reserve` or `release`."""
    return BoundedCounterOperation(**{what: _amount(amount)})


def value_in(document: JsonDocument | None, path: Path) -> Any:
    """Return the value of a field, None where there is none."""
    return None if document is None else value_at(document, path)[1]


def has_element(document: JsonDocument | None, path: Path, value: object) -> bool:
    """Return whether a field is an array with an element in it."""
    found = value_in(document, path)
    return isinstance(found, list) and element_text(value) in set(map(element_text, found))


def has_name(document: JsonDocument | None, path: Path, name: str) -> bool:
    """Return whether a field is an object with a name in it."""
    found = value_in(document, path)
    return isinstance(found, dict) and name in found


def _element(value: object) -> frozenset[str]:
    return frozenset({element_text(checked(value, "value"))})


def _amount(amount: object) -> int:
    if isinstance(amount, bool) or not isinstance(amount, int):
        shown = amount if isinstance(amount, (bool, float)) else type_name(amount)
        raise InvalidDocumentError(f"amount: expected a whole number, found {shown}")
    if not 0 <= amount <= COUNTER_MAX:
        raise InvalidDocumentError(f"amount: expected 0 to {COUNTER_MAX}, found {amount}")
    return amount
