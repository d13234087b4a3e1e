"""Turn the decoder's complaint about a type into a sentence that names the field and what was found there.

>>> value = {"client_id": "a", "limit": "ten"}
>>> field_problem(msgspec.ValidationError("Expected `int | null`, got `str` - at `$.limit`"), value)
'limit: expected an integer or null, found a string'
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from solidb_sync.json_value import type_name

_MISSING = re.compile(r"missing required field `([^`]+)`")
_EXPECTED = re.compile(r"Expected `([^`]+)`")
_PLACE = re.compile(r"at `(?:key in )?\$([^`]*)`")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")
_NAMES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "object": "an object",
    "array": "an array",
    "null": "null",
}


def field_problem(problem: msgspec.ValidationError, value: Any, *, prefix: str = "") -> str:
    """Return `field: expected …, found …` for a value that the decoder refused."""
    text = str(problem)
    place = _PLACE.search(text)
    path = place[1] if place else ""
    missing = _MISSING.search(text)
    if missing:
        return f"{_joined(prefix, f'{path}.{missing[1]}')}: required, but missing"
    expected = _EXPECTED.search(text)
    if expected is None:
        return f"{_joined(prefix, path) or 'body'}: {text.partition(' - at ')[0]}"
    wanted = " or ".join(_NAMES.get(name, name) for name in expected[1].split(" | "))
    return f"{_joined(prefix, path) or 'body'}: expected {wanted}, found {_found(value, path)}"


def _joined(prefix: str, path: str) -> str:
    return (prefix + path) if prefix else path.removeprefix(".")


def _found(value: Any, path: str) -> str:
    """Return the type of what is at the path; `[...]` stands for the first value there that is no integer."""
    here = value
    for step in _STEP.finditer(path):
        name, index = step[1], step[2]
        if name is not None and isinstance(here, dict):
            here = here.get(name)
        elif index is not None and isinstance(here, list):
            here = here[int(index)]
        elif isinstance(here, dict):
            here = next((one for one in here.values() if isinstance(one, bool) or not isinstance(one, int)), None)
    if isinstance(here, (int, float)) and not isinstance(here, bool):
        return f"the number {here}"
    return type_name(here)
