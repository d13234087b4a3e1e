"""`NAME=VALUE`: a bind parameter as people write it."""

import json
from typing import Any


def bind_argument(text: str) -> tuple[str, Any]:
    """Return name and value; the value is JSON, or else plain text. Raises ValueError.

    >>> bind_argument("min=18"), bind_argument("city=Oslo")
    (('min', 18), ('city', 'Oslo'))
    """
    name, equals, value = text.partition("=")
    name = name.strip().lstrip("@")
    if not equals or not name:
        raise ValueError(f"{text}: expected NAME=VALUE, such as min=18")
    try:
        return name, json.loads(value, parse_constant=_as_text)
    except ValueError:
        return name, value


def _as_text(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")
