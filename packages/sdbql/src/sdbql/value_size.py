"""How large a value is: as JSON text, and to walk.

A query can build a value whose parts are shared, so that it is small in memory and yet
endless to print. So nothing here assumes that a walk ends: each has a bound.
"""

from collections.abc import Callable
from itertools import chain
from typing import Any

from sdbql.errors import QueryLimitError
from sdbql.limits import VALUE_DEPTH_MAX, VALUE_SIZE_MAX

BLOCK = 4_096
"""How many values are looked at together; larger containers are looked at one by one."""
SAMPLE = 8
TEXT_MARKS, NUMBER_LENGTH, CONTAINER_MARKS, SEPARATOR = 2, 8, 2, 1


def _ignore(visited: int) -> None:
    """Count nothing."""


def json_size(values: list[Any], *, most: float, visit: Callable[[int], None] = _ignore, is_sampled: bool = False) -> int:
    """Return about how many characters of JSON the values take; stops when that passes `most`.

    Texts and keys count their characters and two quotes, everything else 8 (a container 2 and
    what is in it), and a comma or colon follows each. `visit` is told how many values are
    about to be looked at, and may raise. With `is_sampled`, of more than `SAMPLE` objects or
    arrays side by side only about so many are looked into, and stand for the others.
    """
    size = 0
    waiting: list[tuple[int, list[Any]]] = [(1, [values])]
    while waiting and size <= most:
        weight, group = waiting.pop()
        inside = sum(map(len, group))
        if inside > BLOCK and len(group) > 1:
            width = max(1, len(group) * BLOCK // inside)
            waiting += [(weight, group[start : start + width]) for start in range(0, len(group), width)]
            continue
        visit(inside)
        if isinstance(group[0], dict):
            size += weight * (sum(map(len, chain.from_iterable(group))) + (TEXT_MARKS + SEPARATOR) * inside)
            members = list(chain.from_iterable(map(dict.values, group)))
        else:
            members = group[0] if len(group) == 1 else list(chain.from_iterable(group))
        flat, *groups = _parts(members)
        size += weight * flat
        for containers in groups:
            step = max(1, len(containers) // SAMPLE) if is_sampled else 1
            waiting.append((weight * step, containers[::step]))
    return size


def _parts(members: list[Any]) -> tuple[Any, ...]:
    """Return the size of values without what is inside arrays and objects, and those by kind."""
    kinds = set(map(type, members))
    texts = _of_kind(members, kinds, str)
    containers = [found for kind in (dict, list) if (found := _of_kind(members, kinds, kind))]
    inside = sum(map(len, containers))
    others = len(members) - len(texts) - inside
    size = sum(map(len, texts)) + TEXT_MARKS * len(texts) + CONTAINER_MARKS * inside
    return size + NUMBER_LENGTH * others + SEPARATOR * len(members), *containers


def _of_kind(members: list[Any], kinds: set[type], kind: type) -> list[Any]:
    if kinds == {kind}:
        return members
    if not any(issubclass(found, kind) for found in kinds):
        return []
    return [member for member in members if isinstance(member, kind)]


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
