"""Strict JSON from outside: its canonical text and its value, or an error that says what is wrong and where.

Strict means: UTF-8, no duplicate keys, no NaN or infinity, no lone surrogates, no number written with more than 32 digits,
no deeper than allowed. Text that encodes back to itself is proved strict at once, at C speed; any other takes the slow
road, which finds the exact place of the problem, or rewrites the text (spaces, escapes, exponents) without changing the
value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from solidb_sync.errors import InvalidDocumentError
from solidb_sync.json_value import (
    DEPTH_MAX,
    NUMBER_DIGITS_MAX,
    checked_integer,
    checked_string,
    depth_exceeds,
    encode,
    may_have_wide_integer,
)

ENVELOPE_LEVELS_MAX = 288
"""How deep a whole message may nest; how deep each document in it may, its receiver looks at document by document."""

_LONG_NUMBER = re.compile(rb"(?:^|[:,\[])-?[0-9]{19}")
_decode = msgspec.json.Decoder().decode


class JsonTextError(ValueError):
    """A text that is not strict JSON; the message says what and where."""


def strict_json(text: bytes, *, is_envelope: bool = False) -> tuple[bytes, Any]:
    """Return the canonical text and the value of strict JSON, or raise `JsonTextError`.

    An envelope may nest to 288 levels, anything else to the 64 of a document.
    """
    levels_max = ENVELOPE_LEVELS_MAX if is_envelope else DEPTH_MAX
    try:
        value = _decode(text)
        if encode(value) == text and not _has_wide_integer(text) and (is_envelope or not depth_exceeds(value, levels_max)):
            return text, value
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # the slow road below finds the place
    value = _slowly_decoded(text, levels_max)
    return encode(value), value


def are_canonical(texts: Sequence[msgspec.Raw]) -> bool:
    """Return whether each of these JSON texts is canonical, at C speed. Raises what decoding raises."""
    joined = b"[%s]" % b",".join(texts)
    values = _decode(joined)
    return len(values) == len(texts) and encode(values) == joined and not _has_wide_integer(joined)


def _has_wide_integer(text: bytes) -> bool:
    """Return whether an integer may be too wide for 64 bits; digits like it inside a string are all right."""
    return may_have_wide_integer(text) and _LONG_NUMBER.search(text) is not None


def _slowly_decoded(text: bytes, levels_max: int) -> Any:
    try:
        decoded = text.decode("utf-8")
        _check_nesting(decoded, levels_max)
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


def _check_nesting(text: str, levels_max: int) -> None:
    depth = 0
    for bracket in re.finditer(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', text, re.DOTALL):
        if bracket[0] in "[{":
            depth += 1
            if depth > levels_max:
                raise JsonTextError(f"nested deeper than {levels_max} levels")
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
