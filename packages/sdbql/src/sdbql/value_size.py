"""How large a value is: as JSON text, and to walk.

A query can build a value whose parts are shared, so that it is small in memory and yet
endless to print. So nothing here assumes that a walk ends: each has a bound.
"""

from collections.abc import Callable, Collection, Iterable
from itertools import chain
from typing import Any

from sdbql.errors import QueryLimitError
from sdbql.limits import VALUE_DEPTH_MAX, VALUE_SIZE_MAX

BLOCK = 4_096
"""How many values are looked at together; larger containers are looked at one by one."""
TEXT_MARKS, NUMBER_LENGTH, CONTAINER_MARKS, SEPARATOR = 2, 8, 2, 1


def _ignore(visited: int) -> None:
    """Count nothing."""


def json_size(values: Iterable[Any], *, most: float, visit: Callable[[int], None] = _ignore) -> int:
    """Return about how many characters of JSON the values take; stops when that passes `most`.

    Texts and keys count their characters and two quotes, everything else 8 (a container 2 and
    what is in it), and a comma or colon follows each. `visit` is told how many values are
    about to be looked at, and may raise.
    """
    size = 0
    waiting: list[Collection[Any]] = [list(values)]
    while waiting and size <= most:
        members = waiting.pop()
        if isinstance(members, dict):
            size += _keys_size([members])
            members = members.values()
        visit(len(members))
        texts = [member for member in members if isinstance(member, str)]
        objects = [member for member in members if isinstance(member, dict)]
        arrays = [member for member in members if isinstance(member, list)]
        others = len(members) - len(texts) - len(objects) - len(arrays)
        size += sum(map(len, texts)) + TEXT_MARKS * len(texts) + NUMBER_LENGTH * others
        size += CONTAINER_MARKS * (len(objects) + len(arrays)) + SEPARATOR * len(members)
        if sum(map(len, objects)) + sum(map(len, arrays)) > BLOCK:
            waiting += objects
            waiting += arrays
            continue
        if objects:
            size += _keys_size(objects)
            waiting.append(list(chain.from_iterable(map(dict.values, objects))))
        if arrays:
            waiting.append(list(chain.from_iterable(arrays)))
    return size


def _keys_size(objects: list[dict[str, Any]]) -> int:
    keys = sum(map(len, objects))
    return sum(map(len, chain.from_iterable(objects))) + (TEXT_MARKS + SEPARATOR) * keys


def require_bounded(value: Any) -> int:
    """Return how many values are inside an array or object, unless it is too deep or too large.

    Everything that walks a whole value asks here first. Raises QueryLimitError.
    """
    left = VALUE_SIZE_MAX
    layer = [value]
    for _ in range(VALUE_DEPTH_MAX):
        inner: list[Any] = []
        for container in layer:
            members = container.values() if isinstance(container, dict) else container
            left -= len(container)
            if left < 0:
                raise QueryLimitError.reached("value_size_max", VALUE_SIZE_MAX, "the size of a value")
            inner += [member for member in members if isinstance(member, (list, dict))]
        if not inner:
            return VALUE_SIZE_MAX - left
        layer = inner
    raise QueryLimitError.reached("value_depth_max", VALUE_DEPTH_MAX, "the nesting of a value")
