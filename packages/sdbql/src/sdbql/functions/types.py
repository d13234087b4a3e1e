"""Builtins that ask for a value's type, convert it, or choose between values."""

import re
from math import isfinite

from sdbql.errors import ExecutionError
from sdbql.functions.builtin import UNLIMITED, Builtin, Cost, table, text
from sdbql.functions.dates import is_date
from sdbql.values import Value, equal, is_number, number, type_name

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_EMAIL = re.compile(r"[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)+")
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/?#]+[^\s]*")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_INTEGER_LENGTH_MAX = 20


def is_array(value: Value) -> Value:
    """Tell whether the value is an array."""
    return isinstance(value, list)


def is_bool(value: Value) -> Value:
    """Tell whether the value is true or false."""
    return isinstance(value, bool)


def is_string(value: Value) -> Value:
    """Tell whether the value is a string."""
    return isinstance(value, str)


def is_null(value: Value) -> Value:
    """Tell whether the value is null."""
    return value is None


def is_object(value: Value) -> Value:
    """Tell whether the value is an object."""
    return isinstance(value, dict)


def is_integer(value: Value) -> Value:
    """Tell whether the value is a number without a fraction."""
    return is_number(value) and value == int(value)


def is_empty(value: Value) -> Value:
    """Tell whether the value is null, "", [] or {}."""
    return value is None or (isinstance(value, str | list | dict) and not value)


def to_bool(value: Value) -> Value:
    """Tell whether the value counts as true."""
    return bool(value)


def to_number(value: Value) -> Value:
    """Return the value as a number; 0 for what is none."""
    while isinstance(value, list):
        if len(value) != 1:
            return 0
        value = value[0]
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return _parsed(value.strip())
    return value if is_number(value) else 0


def _parsed(written: str) -> int | float:
    if not _NUMBER.fullmatch(written):
        return 0
    if len(written) <= _INTEGER_LENGTH_MAX and written.lstrip("+-").isdigit():
        return number(int(written))
    value = float(written)
    return number(value) if isfinite(value) else 0


def to_array(value: Value) -> Value:
    """Return an array as it is, null as [], an object as its values, else the one value."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    return [] if value is None else [value]


def not_null(*values: Value) -> Value:
    """Return the first value that is not null, or null."""
    return next((value for value in values if value is not None), None)


def null_if(value: Value, other: Value) -> Value:
    """Return null if the values are equal, else the first."""
    return None if equal(value, other) else value


def choose(condition: Value, then: Value, otherwise: Value) -> Value:
    """Return the second argument if the first is true, else the third."""
    return then if condition else otherwise


def is_email(value: Value) -> Value:
    """Tell whether the string looks like an e-mail address."""
    return isinstance(value, str) and len(value) <= 254 and _EMAIL.fullmatch(value) is not None


def is_url(value: Value) -> Value:
    """Tell whether the string looks like a URL with a host."""
    return isinstance(value, str) and _URL.fullmatch(value) is not None


def is_uuid(value: Value) -> Value:
    """Tell whether the string is a UUID in its usual form."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def is_blank(value: Value) -> Value:
    """Tell whether the value is null or a string of nothing but white space."""
    return value is None or (isinstance(value, str) and not value.strip())


def require(condition: Value, message: Value = "Assertion failed") -> Value:
    """Return true, or fail with the message if the condition is false."""
    if not condition:
        raise ExecutionError(f"ASSERT: {text(message)}")
    return True


TYPE_FUNCTIONS = table(
    [
        #       name, function, least and most arguments
        Builtin("IS_ARRAY", is_array, 1, 1, total=True, cost=Cost.NONE),
        Builtin("IS_BOOL", is_bool, 1, 1, total=True, cost=Cost.NONE),
        Builtin("IS_NUMBER", is_number, 1, 1, total=True, cost=Cost.NONE),
        Builtin("IS_STRING", is_string, 1, 1, total=True, cost=Cost.NONE),
        Builtin("IS_NULL", is_null, 1, 1, total=True, cost=Cost.NONE),
        Builtin("IS_OBJECT", is_object, 1, 1, total=True, cost=Cost.NONE),
        Builtin("IS_INTEGER", is_integer, 1, 1, total=True, cost=Cost.NONE),
        Builtin("IS_EMPTY", is_empty, 1, 1, total=True, cost=Cost.NONE),
        Builtin("TYPENAME", type_name, 1, 1, cost=Cost.NONE),
        Builtin("TO_BOOL", to_bool, 1, 1, total=True, cost=Cost.NONE),
        Builtin("TO_NUMBER", to_number, 1, 1, total=True),
        Builtin("TO_ARRAY", to_array, 1, 1, total=True),
        Builtin("NOT_NULL", not_null, 1, UNLIMITED, total=True, cost=Cost.NONE),
        Builtin("NULLIF", null_if, 2, 2, cost=Cost.WHOLE),
        Builtin("IF", choose, 3, 3, total=True, cost=Cost.NONE),
        Builtin("IS_EMAIL", is_email, 1, 1, total=True),
        Builtin("IS_URL", is_url, 1, 1, total=True),
        Builtin("IS_UUID", is_uuid, 1, 1, total=True),
        Builtin("IS_BLANK", is_blank, 1, 1, total=True),
        Builtin("IS_DATETIME", is_date, 1, 1),
        Builtin("ASSERT", require, 1, 2),
    ],
    aliases={
        "IS_LIST": "IS_ARRAY",
        "IS_BOOLEAN": "IS_BOOL",
        "IS_NUMERIC": "IS_NUMBER",
        "IS_DOCUMENT": "IS_OBJECT",
        "IS_INT": "IS_INTEGER",
        "TYPE_OF": "TYPENAME",
        "TYPEOF": "TYPENAME",
        "TO_BOOLEAN": "TO_BOOL",
        "TO_NUM": "TO_NUMBER",
        "TO_LIST": "TO_ARRAY",
        "FIRST_NOT_NULL": "NOT_NULL",
        "COALESCE": "NOT_NULL",
    },
)
