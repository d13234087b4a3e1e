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
ASSERTION_FAILED = "Assertion failed"


def is_array(value: Value) -> Value:
    """Tell whether the value is an array.

    IS_ARRAY([]) => true
    IS_ARRAY("[]") => false
    """
    return isinstance(value, list)


def is_bool(value: Value) -> Value:
    """Tell whether the value is true or false.

    IS_BOOL(false) => true
    IS_BOOL(0) => false
    """
    return isinstance(value, bool)


def is_numeric(value: Value) -> Value:
    """Tell whether the value is a number; a bool is not.

    IS_NUMBER(1.5) => true
    IS_NUMBER("1") => false
    IS_NUMBER(true) => false
    """
    return is_number(value)


def is_string(value: Value) -> Value:
    """Tell whether the value is a string.

    IS_STRING("") => true
    IS_STRING(null) => false
    """
    return isinstance(value, str)


def is_null(value: Value) -> Value:
    """Tell whether the value is null.

    IS_NULL(null) => true
    IS_NULL({}.missing) => true
    IS_NULL(0) => false
    """
    return value is None


def is_object(value: Value) -> Value:
    """Tell whether the value is an object.

    IS_OBJECT({}) => true
    IS_OBJECT([]) => false
    """
    return isinstance(value, dict)


def is_integer(value: Value) -> Value:
    """Tell whether the value is a number without a fraction.

    IS_INTEGER(3) => true
    IS_INTEGER(3.0) => true
    IS_INTEGER(3.5) => false
    IS_INTEGER("3") => false
    """
    return is_number(value) and value == int(value)


def is_empty(value: Value) -> Value:
    """Tell whether the value is null, "", [] or {}.

    IS_EMPTY("") => true
    IS_EMPTY({}) => true
    IS_EMPTY(null) => true
    IS_EMPTY(0) => false
    IS_EMPTY(" ") => false
    """
    return value is None or (isinstance(value, str | list | dict) and not value)


def name_of_type(value: Value) -> Value:
    """Return "null", "bool", "number", "string", "array" or "object".

    TYPENAME(1.5) => "number"
    TYPENAME(null) => "null"
    TYPENAME([]) => "array"
    TYPENAME(true) => "bool"
    """
    return type_name(value)


def to_bool(value: Value) -> Value:
    """Tell whether the value counts as true.

    TO_BOOL("false") => true
    TO_BOOL([]) => false
    TO_BOOL(0.0) => false
    """
    return bool(value)


def to_number(value: Value) -> Value:
    """Return the value as a number; 0 for what is none.

    TO_NUMBER(" 12.50 ") => 12.5
    TO_NUMBER("1e3") => 1000
    TO_NUMBER(true) => 1
    TO_NUMBER("12 apples") => 0
    TO_NUMBER(["7"]) => 7
    TO_NUMBER(null) => 0
    """
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
    """Return an array as it is, null as [], an object as its values, else the one value.

    TO_ARRAY("ab") => ["ab"]
    TO_ARRAY({b: 1, a: 2}) => [2, 1]
    TO_ARRAY([1]) => [1]
    TO_ARRAY(null) => []
    """
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    return [] if value is None else [value]


def not_null(*values: Value) -> Value:
    """Return the first value that is not null, or null.

    NOT_NULL(null, 0, 1) => 0
    NOT_NULL(null, null) => null
    NOT_NULL() => Execution error: NOT_NULL requires at least 1 argument(s)
    """
    return next((value for value in values if value is not None), None)


def null_if(value: Value, other: Value) -> Value:
    """Return null if the values are equal, else the first.

    NULLIF("n/a", "n/a") => null
    NULLIF(1, 1.0) => null
    NULLIF(1, true) => 1
    """
    return None if equal(value, other) else value


def choose(condition: Value, then: Value, otherwise: Value) -> Value:
    """Return the second argument if the first is true, else the third.

    IF(5 > 3, "yes", "no") => "yes"
    IF([], "some", "none") => "none"
    """
    return then if condition else otherwise


def is_email(value: Value) -> Value:
    """Tell whether the string looks like an e-mail address.

    IS_EMAIL("ann@example.com") => true
    IS_EMAIL("ann@example") => false
    IS_EMAIL(null) => false
    """
    return isinstance(value, str) and len(value) <= 254 and _EMAIL.fullmatch(value) is not None


def is_url(value: Value) -> Value:
    """Tell whether the string looks like a URL with a host.

    IS_URL("https://example.com/a?b") => true
    IS_URL("example.com") => false
    IS_URL(5) => false
    """
    return isinstance(value, str) and _URL.fullmatch(value) is not None


def is_uuid(value: Value) -> Value:
    """Tell whether the string is a UUID in its usual form.

    IS_UUID("123e4567-e89b-12d3-a456-426614174000") => true
    IS_UUID("123e4567") => false
    IS_UUID(null) => false
    """
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def is_blank(value: Value) -> Value:
    r"""Tell whether the value is null or a string of nothing but white space.

    IS_BLANK(" \n") => true
    IS_BLANK(null) => true
    IS_BLANK("a") => false
    IS_BLANK(0) => false
    """
    return value is None or (isinstance(value, str) and not value.strip())


def require(condition: Value, message: Value = None) -> Value:
    """Return true, or fail with the message if the condition is false.

    ASSERT(1 < 2) => true
    ASSERT(LENGTH([]) > 0, "nobody is there") => Execution error: ASSERT: nobody is there
    ASSERT(null) => Execution error: ASSERT: Assertion failed
    """
    if not condition:
        raise ExecutionError(f"ASSERT: {text(message) or ASSERTION_FAILED}")
    return True


TYPE_FUNCTIONS = table(
    [
        #       name, function, least and most arguments
        Builtin("IS_ARRAY", is_array, 1, 1, total=True, cost=Cost.NONE),
        Builtin("IS_BOOL", is_bool, 1, 1, total=True, cost=Cost.NONE),
        Builtin("IS_NUMBER", is_numeric, 1, 1, total=True, cost=Cost.NONE),
        Builtin("IS_STRING", is_string, 1, 1, total=True, cost=Cost.NONE),
        Builtin("IS_NULL", is_null, 1, 1, total=True, cost=Cost.NONE),
        Builtin("IS_OBJECT", is_object, 1, 1, total=True, cost=Cost.NONE),
        Builtin("IS_INTEGER", is_integer, 1, 1, total=True, cost=Cost.NONE),
        Builtin("IS_EMPTY", is_empty, 1, 1, total=True, cost=Cost.NONE),
        Builtin("TYPENAME", name_of_type, 1, 1, cost=Cost.NONE),
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
