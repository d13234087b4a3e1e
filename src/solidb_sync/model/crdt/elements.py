"""Elements of sets, and numbers in operations: when two are the same, and what is refused.

Two elements are the same when their canonical JSON text is the same, with the names of objects in order. So `1`, `1.0` and
`true` are three elements, and `{"a":1,"b":2}` is `{"b":2,"a":1}`.

>>> element_text({"b": 2, "a": 1.0})
'{"a":1.0,"b":2}'
"""

from __future__ import annotations

from typing import Any

from solidb_sync.json_value import decode, encode, type_name
from solidb_sync.model.crdt.authorship import OperationError
from solidb_sync.model.delta import sorted_text
from solidb_sync.model.version_vector import COUNTER_MAX

ELEMENTS_PER_OPERATION_MAX = 1_000


def element_text(value: object) -> str:
    """Return the text that two values share exactly when they are the same element."""
    if isinstance(value, (dict, list)):
        return sorted_text(value).decode()
    return encode(value).decode()


def element_value(text: str) -> Any:
    """Return the element with this text; objects have their names in order."""
    return decode(text)


def read_elements(value: object, place: str) -> frozenset[str]:
    """Return the texts of a list of elements; raises `OperationError`."""
    if not isinstance(value, list):
        raise OperationError(f"{place}: expected an array, found {type_name(value)}")
    if len(value) > ELEMENTS_PER_OPERATION_MAX:
        raise OperationError(f"{place}: {len(value)} elements, at most {ELEMENTS_PER_OPERATION_MAX} in one operation")
    return frozenset(map(element_text, value))


def whole_number(value: object, place: str, *, least: int) -> int:
    """Return a whole number from `least` to 2**53 - 1; raises `OperationError`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise OperationError(f"{place}: expected a whole number, found {_shown(value)}")
    if not least <= value <= COUNTER_MAX:
        raise OperationError(f"{place}: expected {least} to {COUNTER_MAX}, found {value}")
    return value


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, (bool, float)) else type_name(value)
