"""The text of a request body as strict JSON, and its value, in one decode.

The envelope may nest a few levels deeper than a document: a document that is too deep is the fault of its change, not
of the request. Text that encodes back to itself is proved strict at once; any other takes the slow road.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from solidb_sync.errors import InvalidDocumentError
from solidb_sync.json_value import (
    DEPTH_MAX,
    ENVELOPE_DEPTH,
    NUMBER_DIGITS_MAX,
    JsonTextError,
    checked_integer,
    checked_string,
    encode,
)

BODY_DEPTH_MAX = 4 * (DEPTH_MAX + ENVELOPE_DEPTH)
_ALL_DIGITS_ZERO = bytes.maketrans(b"123456789", b"000000000")
_NINETEEN_DIGITS = b"0" * 19
_LONG_NUMBER = re.compile(rb"[:,\[]-?[0-9]{19}")
_decode = msgspec.json.Decoder().decode


def strict_body(text: bytes) -> tuple[bytes, Any]:
    """Return the canonical text of a body and its value, or raise `JsonTextError` saying what is wrong.

    Strict as `json_value.strict_text` is, except that it nests to `BODY_DEPTH_MAX`.
    """
    try:
        value = _decode(text)
        if encode(value) == text and not _may_have_wide_integer(text):
            return text, value
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # the slow road below finds the place
    value = _slowly_decoded(text)
    return encode(value), value


def _may_have_wide_integer(text: bytes) -> bool:
    """Return whether an integer may be too wide for 64 bits; a digit string like it inside a string is all right."""
    return _NINETEEN_DIGITS in text.translate(_ALL_DIGITS_ZERO) and _LONG_NUMBER.search(text) is not None


def _slowly_decoded(text: bytes) -> Any:
    try:
        decoded = text.decode("utf-8")
        _check_nesting(decoded)
        value = json.loads(
            decoded,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
        _check_strings(value)
    except UnicodeDecodeError as problem:
        raise JsonTextError(f"not UTF-8 at byte {problem.start}") from None
    except json.JSONDecodeError as problem:
        raise JsonTextError(f"not JSON at line {problem.lineno}, column {problem.colno}: {problem.msg}") from None
    except InvalidDocumentError as problem:
        raise JsonTextError(str(problem)) from None
    return value


def _check_nesting(text: str) -> None:
    depth = 0
    for bracket in re.finditer(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', text, re.DOTALL):
        if bracket[0] in "[{":
            depth += 1
            if depth > BODY_DEPTH_MAX:
                raise JsonTextError(f"nested deeper than {BODY_DEPTH_MAX} levels")
        elif bracket[0] in "]}":
            depth -= 1


def _check_strings(value: object) -> None:
    match value:
        case str():
            checked_string(value, "body")
        case list():
            for element in value:
                _check_strings(element)
        case dict():
            for name, element in value.items():
                checked_string(name, "body")
                _check_strings(element)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise JsonTextError(f"the key {name!r} stands twice in one object")
            seen.add(name)
    return value


def _integer(digits: str) -> int | float:
    if len(digits.lstrip("-")) > NUMBER_DIGITS_MAX:
        raise JsonTextError(f"a number of {len(digits)} digits, at most {NUMBER_DIGITS_MAX} are read")
    return checked_integer(int(digits), "body")


def _float(digits: str) -> float:
    if sum(character.isdigit() for character in digits) > NUMBER_DIGITS_MAX:
        raise JsonTextError(f"a number of {len(digits)} characters, at most {NUMBER_DIGITS_MAX} digits are read")
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise JsonTextError(f"the number {digits} is out of range")
    return value


def _constant(name: str) -> object:
    raise JsonTextError(f"{name} is not JSON")
