"""The rules of SDBQL's values: order across types, equality, arithmetic, and display text.

A value is what JSON can say. Four places where Python would answer otherwise:

* a bool is not a number: `true == 1` is false, and so are `[true] == [1]` and group keys;
* one total order spans all types: null < bool < number < string < array < object;
* `%` takes the sign of the dividend;
* a float without a fraction prints and returns as an integer.

Truth needs no function, because it is Python's own: null, false, 0, "", [] and {} are false.

>>> sorted(["a", 2, None, True, [1], 1.5], key=sort_key)
[None, True, 1.5, 2, 'a', [1]]
"""

import json
from collections.abc import Callable
from functools import cmp_to_key
from math import fmod, isfinite
from typing import Any

from sdbql.errors import ExecutionError, QueryLimitError
from sdbql.limits import TEXT_LENGTH_MAX
from sdbql.value_size import json_size, require_bounded

Value = Any
"""A JSON value: None, bool, int, float, str, list of values, dict of str to value."""

INTEGER_MAX = 2**63 - 1
INTEGER_MIN = -(2**63)
EXACT_FLOAT_MAX = 2.0**53

TEST_THE_DIVISOR = "test the divisor first, such as: b == 0 ? null : a / b"

NULL, BOOL, NUMBER, STRING, ARRAY, OBJECT = range(6)

TYPE_NAMES = ("null", "bool", "number", "string", "array", "object")

_RANKS: dict[type, int] = {
    type(None): NULL,
    bool: BOOL,
    int: NUMBER,
    float: NUMBER,
    str: STRING,
    list: ARRAY,
    dict: OBJECT,
}


def rank(value: Value) -> int:
    """Return the place of the value's type in the order of types. Raises ExecutionError."""
    found = _RANKS.get(type(value))
    if found is not None:
        return found
    for kind, place in reversed(_RANKS.items()):
        if isinstance(value, kind):
            return place
    raise ExecutionError(f"a value of the Python type {type(value).__name__} is not JSON")


def type_name(value: Value) -> str:
    """Return "null", "bool", "number", "string", "array" or "object"."""
    return TYPE_NAMES[rank(value)]


def is_number(value: Value) -> bool:
    """Tell whether the value is a number; a bool is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# --- equality


def equal(left: Value, right: Value) -> bool:
    """Tell whether two values are equal: deep, strict about types, 1 equal to 1.0."""
    if isinstance(left, str) or left is None:
        return bool(left == right)
    if isinstance(left, (list, dict)):
        return rank(left) == rank(right) and hash_key(left) == hash_key(right)
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def hash_key(value: Value) -> Any:
    """Return something hashable that is equal for exactly the equal values.

    Numbers, strings and null stand for themselves (Python agrees that 1 == 1.0 and hashes
    them alike); a bool, an array or an object becomes a tuple that starts with its type.
    """
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, bool):
        return (BOOL, value)
    if isinstance(value, (int, float)):
        return value
    rank(value)
    require_bounded(value)
    return _container_key(value)


def _container_key(value: Value) -> Any:
    if isinstance(value, bool):
        return (BOOL, value)
    if isinstance(value, list):
        return (ARRAY, *[_container_key(element) for element in value])
    if isinstance(value, dict):
        return (OBJECT, *[(key, _container_key(value[key])) for key in sorted(value)])
    return value


# --- order


def compare(left: Value, right: Value) -> int:
    """Return a negative number, 0 or a positive number as `left` is before, equal or after."""
    left_rank, right_rank = rank(left), rank(right)
    if left_rank != right_rank:
        return left_rank - right_rank
    if left_rank < ARRAY:
        return 0 if left_rank == NULL else int(left > right) - int(left < right)
    require_bounded(left)
    require_bounded(right)
    return _compare_inside(left, right)


def _compare_inside(left: Value, right: Value) -> int:
    left_rank, right_rank = rank(left), rank(right)
    if left_rank != right_rank:
        return left_rank - right_rank
    match left_rank:
        case 0:
            return 0
        case 4:
            return _compare_arrays(left, right)
        case 5:
            return _compare_objects(left, right)
        case _:
            return int(left > right) - int(left < right)


def _compare_arrays(left: list[Value], right: list[Value]) -> int:
    for one, other in zip(left, right, strict=False):
        if order := _compare_inside(one, other):
            return order
    return len(left) - len(right)


def _compare_objects(left: dict[str, Value], right: dict[str, Value]) -> int:
    """Compare over the union of keys, absent as null; then the fewer keys, then the keys."""
    for key in sorted(left.keys() | right.keys()):
        if order := _compare_inside(left.get(key), right.get(key)):
            return order
    if len(left) != len(right):
        return len(left) - len(right)
    left_keys, right_keys = sorted(left), sorted(right)
    return (left_keys > right_keys) - (left_keys < right_keys)


def container_order(spend: Callable[[int], None] | None = None) -> Callable[[Value], Any]:
    """Return how Python sorts arrays and objects; each comparison tells `spend` what it may take."""
    if spend is None:
        return cmp_to_key(_compare_inside)

    def compare_and_count(left: Value, right: Value) -> int:
        spend(min(require_bounded(left), require_bounded(right)))
        return _compare_inside(left, right)

    return cmp_to_key(compare_and_count)


_container_order = container_order()


def sort_key(value: Value, order: Callable[[Value], Any] = _container_order) -> Any:
    """Return something that Python sorts in the order of `compare`; `order` is a `container_order`."""
    if isinstance(value, str):
        return (STRING, value)
    place = rank(value)
    if place == NULL:
        return (NULL,)
    if place < ARRAY:
        return (place, value)
    require_bounded(value)
    return (place, order(value))


def less_than(left: Value, right: Value) -> bool:
    """Tell whether `left` is before `right` in the total order."""
    return compare(left, right) < 0


def at_most(left: Value, right: Value) -> bool:
    """Tell whether `left` is before or equal to `right` in the total order."""
    return compare(left, right) <= 0


def greater_than(left: Value, right: Value) -> bool:
    """Tell whether `left` is after `right` in the total order."""
    return compare(left, right) > 0


def at_least(left: Value, right: Value) -> bool:
    """Tell whether `left` is after or equal to `right` in the total order."""
    return compare(left, right) >= 0


# --- arithmetic


def number(value: int | float) -> int | float:
    """Return a computed number as SDBQL keeps it. Raises ExecutionError when it is not finite.

    An integer outside 64 bits becomes a float; a float without a fraction an integer.
    """
    if isinstance(value, int):
        if INTEGER_MIN <= value <= INTEGER_MAX:
            return value
        try:
            return float(value)
        except OverflowError:
            raise ExecutionError("Number out of range") from None
    if not isfinite(value):
        raise ExecutionError("Number out of range")
    if abs(value) < EXACT_FLOAT_MAX and value == int(value):
        return int(value)
    return value


def add(left: Value, right: Value) -> Value:
    """Return the sum of two numbers, or two strings joined."""
    if type(left) is int and type(right) is int:
        result = left + right
        return result if INTEGER_MIN <= result <= INTEGER_MAX else float(result)
    if is_number(left) and is_number(right):
        return number(left + right)
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    advice = _ADDING.get(type_name(left), "") if rank(left) == rank(right) else _conversion(left, right)
    raise ExecutionError(f"Cannot add these types: {type_name(left)} and {type_name(right)}", advice=advice)


_ADDING = {"array": "arrays are joined by APPEND(a, b)", "object": "objects are joined by MERGE(a, b)"}


def _conversion(*operands: Value) -> str:
    """Return what may have been meant by arithmetic with something that is no number."""
    if any(operand is None for operand in operands):
        return "say what stands for null, such as: (u.age ?? 0)"
    if any(isinstance(operand, str) for operand in operands):
        return "TO_NUMBER(value) makes a number of a text, and CONCAT(a, b) joins any values as text"
    return ""


def subtract(left: Value, right: Value) -> Value:
    """Return the difference of two numbers."""
    _require_numbers("subtract", left, right)
    return number(left - right)


def multiply(left: Value, right: Value) -> Value:
    """Return the product of two numbers."""
    _require_numbers("multiply", left, right)
    return number(left * right)


def divide(left: Value, right: Value) -> Value:
    """Return the true quotient of two numbers."""
    _require_numbers("divide", left, right)
    if right == 0:
        raise ExecutionError("Division by zero", advice=TEST_THE_DIVISOR)
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return number(left // right)
    return number(left / right)


def modulus(left: Value, right: Value) -> Value:
    """Return the remainder of two numbers, with the sign of the dividend."""
    _require_numbers("modulus", left, right)
    if right == 0:
        raise ExecutionError("Division by zero", advice=TEST_THE_DIVISOR)
    if isinstance(left, int) and isinstance(right, int):
        remainder = abs(left) % abs(right)
        return -remainder if left < 0 else remainder
    return number(fmod(left, right))


def negate(operand: Value) -> Value:
    """Return the number with the opposite sign."""
    if not is_number(operand):
        raise ExecutionError(f"Cannot negate non-number: {type_name(operand)}", advice=_conversion(operand))
    return number(-operand)


def _require_numbers(verb: str, left: Value, right: Value) -> None:
    if type(left) is int and type(right) is int:
        return
    if not (is_number(left) and is_number(right)):
        found = f"{type_name(left)} and {type_name(right)}"
        raise ExecutionError(f"Cannot {verb} non-numbers: {found}", advice=_conversion(left, right))


# --- bits


def bit_and(left: Value, right: Value) -> int:
    """Return the bits set in both 64-bit integers."""
    return _bits("bitwise AND", left) & _bits("bitwise AND", right)


def bit_or(left: Value, right: Value) -> int:
    """Return the bits set in either 64-bit integer."""
    return _bits("bitwise OR", left) | _bits("bitwise OR", right)


def bit_xor(left: Value, right: Value) -> int:
    """Return the bits set in exactly one of two 64-bit integers."""
    return _bits("bitwise XOR", left) ^ _bits("bitwise XOR", right)


def bit_not(operand: Value) -> int:
    """Return the 64-bit integer with all bits inverted."""
    return ~_bits("bitwise NOT", operand)


def shift_left(left: Value, right: Value) -> int:
    """Return the 64-bit integer shifted left; bits that leave it are lost."""
    bits = _bits("shift left", left) << _shift_distance(right)
    return (bits + 2**63) % 2**64 - 2**63


def shift_right(left: Value, right: Value) -> int:
    """Return the 64-bit integer shifted right, keeping its sign."""
    return _bits("shift right", left) >> _shift_distance(right)


def _bits(verb: str, operand: Value) -> int:
    if not is_number(operand):
        raise ExecutionError(f"Cannot {verb} non-numbers: {type_name(operand)}", advice=_conversion(operand))
    return max(INTEGER_MIN, min(INTEGER_MAX, int(operand)))


def _shift_distance(operand: Value) -> int:
    distance = _bits("shift by", operand)
    if not 0 <= distance <= 63:
        raise ExecutionError(f"Cannot shift by {distance} bits: expected 0 to 63")
    return distance


# --- text


def display(value: Value) -> str:
    """Return the text of a value; null is `null`, and a container is compact JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(number(value)) if abs(value) <= INTEGER_MAX else repr(number(value))
    if isinstance(value, float):
        return repr(plain_number(value))
    return to_json(value)


def plain_number(value: float) -> int | float:
    """Return a float as the 64-bit integer it equals, if there is one: equal numbers show alike."""
    return int(value) if INTEGER_MIN <= value < -INTEGER_MIN and value == int(value) else value


def to_json(value: Value, *, indent: int | None = None) -> str:
    """Return the JSON text of a value, keys in order, integral floats as integers.

    Raises QueryLimitError when that would be too much text, before it is built.
    """
    if isinstance(value, list | dict):
        require_bounded(value)
        if json_size([value], most=2 * TEXT_LENGTH_MAX) > 2 * TEXT_LENGTH_MAX:
            raise QueryLimitError.reached("text_length_max", TEXT_LENGTH_MAX, "the length of a text")
    else:
        rank(value)
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(_plain_numbers(value), ensure_ascii=False, separators=separators, sort_keys=True, indent=indent)


def _plain_numbers(value: Value) -> Value:
    if isinstance(value, float):
        return plain_number(value)
    if isinstance(value, list):
        return [_plain_numbers(element) for element in value]
    if isinstance(value, dict):
        return {key: _plain_numbers(member) for key, member in value.items()}
    return value
