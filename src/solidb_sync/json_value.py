"""JSON as this system keeps it: one text for one value, and nothing that changes silently.

A document is kept as *canonical text*: compact UTF-8 JSON that decodes and encodes to itself, byte for byte. That one
test proves at C speed that a text has no duplicate keys, no NaN, no lone surrogates and no number that would be read back
differently; `strict_json` applies it to text from outside, `canonical` to what a Python program hands over.

Integers outside 64 bits are kept as floats when that is exact, and refused when it is not: SQLite, JavaScript and
Python disagree about them otherwise.

>>> canonical({"name": "Zoë", "age": 30}).text
b'{"name":"Zo\\xc3\\xab","age":30}'
>>> canonical({"when": float("nan")})
Traceback (most recent call last):
solidb_sync.errors.InvalidDocumentError: document.when: NaN and infinity are not JSON; use null or a string
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import msgspec

from solidb_sync.errors import InvalidDocumentError

JsonValue = None | bool | int | float | str | list[Any] | dict[str, Any]
JsonDocument = dict[str, Any]

DOCUMENT_BYTES_MAX = 1024 * 1024
DEPTH_MAX = 64
NUMBER_DIGITS_MAX = 32
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1

_ALL_DIGITS_ZERO = bytes.maketrans(b"123456789", b"000000000")
_NINETEEN_DIGITS = b"0" * 19
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def encode(value: object) -> bytes:
    """Return the compact JSON text of a value already known to be JSON."""
    return _encode(value)


def decode(text: bytes | str | memoryview) -> Any:
    """Return the value of a text already known to be canonical."""
    return _decode(text)


def may_have_wide_integer(text: bytes) -> bool:
    """Return whether any run of digits is long enough for an integer of more than 64 bits."""
    return _NINETEEN_DIGITS in text.translate(_ALL_DIGITS_ZERO)


def _is_plain(text: bytes, value: object) -> bool:
    """Return whether a text has no number that needs a second look, and no more levels than allowed."""
    if text.count(b"{") + text.count(b"[") > DEPTH_MAX and depth_exceeds(value, DEPTH_MAX):
        return False
    return not may_have_wide_integer(text)


class Canonical(NamedTuple):
    """A document as it is kept: its canonical text, and a private copy of its value."""

    text: bytes
    value: JsonDocument


def canonical(document: object, *, where: str = "document") -> Canonical:
    """Return a Python mapping as it is kept, or raise `InvalidDocumentError` naming the place that is wrong.

    Accepts dict with string keys, list, str, int, float, bool and None, to a depth of 64 and 1 MiB of text. A tuple,
    a date or any other type is refused rather than turned into something else.
    """
    if not isinstance(document, dict):
        raise InvalidDocumentError(f"{where}: expected an object (a dict), found {type_name(document)}")
    try:
        text = _encode(document)
        value = _decode(text)
        is_clean = value == document and _is_plain(text, value)
    except (ValueError, TypeError, RecursionError):
        is_clean = False
    if not is_clean:
        value = checked(document, where)
        text = _encode(value)
    check_size(len(text), where)
    return Canonical(text, value)


def check_size(bytes_count: int, where: str) -> None:
    """Raise unless a document of this size may be kept."""
    if bytes_count > DOCUMENT_BYTES_MAX:
        raise InvalidDocumentError(
            f"{where}: {bytes_count} bytes of JSON, at most {DOCUMENT_BYTES_MAX} are kept in one document"
        )


def checked(value: object, where: str, depth: int = 1) -> Any:
    """Return the value with wide integers made exact floats; raise `InvalidDocumentError` at the first thing not JSON."""
    match value:
        case None | bool():
            return value
        case int():
            return checked_integer(value, where)
        case float():
            if not math.isfinite(value):
                raise InvalidDocumentError(f"{where}: NaN and infinity are not JSON; use null or a string")
            return float(value)
        case str():
            return checked_string(value, where)
        case list():
            check_depth(depth, where)
            return [checked(element, f"{where}[{at}]", depth + 1) for at, element in enumerate(value)]
        case dict():
            check_depth(depth, where)
            return {
                checked_name(name, where): checked(element, f"{where}.{name}", depth + 1) for name, element in value.items()
            }
        case _:
            raise InvalidDocumentError(
                f"{where}: {type_name(value)} is not JSON; use a dict, list, string, number, bool or None"
            )


def checked_integer(value: int, where: str) -> int | float:
    """Return an integer that every part of the system reads alike: 64 bits, or an exact float."""
    if INTEGER_MIN <= value <= INTEGER_MAX:
        return int(value)
    if value.bit_length() <= 1024:
        try:
            if int(float(value)) == value:
                return float(value)
        except OverflowError:
            pass
    raise InvalidDocumentError(
        f"{where}: an integer of {value.bit_length()} bits cannot be kept exactly; keep it as a string"
    )


def checked_string(value: str, where: str) -> str:
    """Return a string that has a UTF-8 form."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as problem:
        raise InvalidDocumentError(f"{where}: a lone surrogate at character {problem.start}") from None
    return str.__str__(value)


def checked_name(name: object, where: str) -> str:
    """Return an attribute name, which must be a string."""
    if not isinstance(name, str):
        raise InvalidDocumentError(f"{where}: attribute names are strings, found {type_name(name)} {name!r}")
    return checked_string(name, where)


def check_depth(depth: int, where: str) -> None:
    """Raise when a value is nested deeper than the limit."""
    if depth > DEPTH_MAX:
        raise InvalidDocumentError(f"{where}: nested deeper than {DEPTH_MAX} levels")


def depth_exceeds(value: object, levels: int) -> bool:
    """Return whether the containers of a decoded value nest deeper than `levels`."""
    layer = [value] if isinstance(value, (dict, list)) else []
    for _ in range(levels):
        if not layer:
            return False
        layer = [
            inner
            for outer in layer
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
    return bool(layer)


def type_name(value: object) -> str:
    """Return the JSON name of a value's type, or the Python name of a type JSON does not have."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case dict():
            return "an object"
        case _:
            return type(value).__name__
