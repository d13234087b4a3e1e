"""The values a caller binds to `@name` and `@@name`: found, checked, and made JSON.

This is where Python values enter a query from the caller's side. Tuples become arrays,
integers beyond 64 bits become floats; anything JSON cannot say is refused.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from math import isfinite
from typing import Any

from sdbql.errors import ExecutionError
from sdbql.limits import VALUE_DEPTH_MAX
from sdbql.syntax_tree import Bind, CollectionBind
from sdbql.values import Value, number


def bind_value(bind: Bind, bind_vars: Mapping[str, Any]) -> Value:
    """Return the value bound to `@name` as JSON. Raises ExecutionError."""
    if bind.name not in bind_vars:
        close = get_close_matches(bind.name, list(bind_vars), n=1)
        advice = f"did you mean @{close[0]}?" if close else "pass it among the bind variables"
        raise ExecutionError(f"Bind variable '@{bind.name}' not found", bind.span, advice)
    return _as_json(bind_vars[bind.name], f"@{bind.name}", bind, VALUE_DEPTH_MAX)


def bind_collection(bind: CollectionBind, bind_vars: Mapping[str, Any]) -> str:
    """Return the collection name bound to `@@name`: the bind `@name`, or else `name`."""
    for key in (f"@{bind.name}", bind.name):
        if key in bind_vars:
            value = bind_vars[key]
            if not isinstance(value, str):
                raise ExecutionError(f"Bind variable '@@{bind.name}' must name a collection", bind.span)
            return value
    close = get_close_matches(f"@{bind.name}", list(bind_vars), n=1)
    advice = f"did you mean @{close[0]}?" if close else f"pass the name of a collection as '@{bind.name}'"
    raise ExecutionError(f"Bind variable '@@{bind.name}' not found", bind.span, advice)


def _as_json(value: Any, path: str, bind: Bind, depth: int) -> Value:
    if depth == 0:
        raise ExecutionError(f"Bind variable '{path}' is nested too deeply", bind.span)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, path, bind)
    if isinstance(value, int):
        return number(int(value))
    if isinstance(value, float) and isfinite(value):
        return float(value)
    if isinstance(value, list | tuple):
        return [_as_json(element, f"{path}[{place}]", bind, depth - 1) for place, element in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {_text(key, path, bind): _as_json(member, f"{path}.{key}", bind, depth - 1) for key, member in value.items()}
    raise ExecutionError(f"Bind variable '{path}' is not a JSON value: {type(value).__name__}", bind.span)


def _text(value: str, path: str, bind: Bind) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ExecutionError(f"Bind variable '{path}' holds half a surrogate pair", bind.span) from None
    return str(value)
