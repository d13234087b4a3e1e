"""A delta: what one edit changed in a document, field by field.

A *path* names a field: a tuple of attribute names. Nested objects are edited by path, an array is one value. On the wire
a path is a top-level name (`status`), or, when it reaches into a nested object, an RFC 6901 pointer
(`/address/city`); a top-level name that is empty or begins with `/` is written as a pointer too, so the two can't be
confused. `null` is a value, never a removal; removed fields are listed apart.

`apply_delta(old, diff(old, new)) == new` for all documents.

>>> diff({"name": "Ann", "address": {"city": "Oslo", "zip": "1"}}, {"address": {"city": "Rome", "zip": "1"}})
Delta(values={('address', 'city'): 'Rome'}, removed=(('name',),))
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from solidb_sync.json_value import JsonDocument, encode

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """Fields set (with their new values) and fields removed; no path is a prefix of another."""

    values: Mapping[Path, Any] = field(default_factory=dict)
    removed: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.values) or bool(self.removed)

    def at(self, path: Path) -> Delta:
        """Return the part of this delta that writes one path."""
        return Delta({path: self.values[path]}) if path in self.values else Delta(removed=(path,))

    def without(self, paths: Container[Path]) -> Delta:
        """Return this delta without some of its paths."""
        values = {path: value for path, value in self.values.items() if path not in paths}
        return Delta(values, tuple(path for path in self.removed if path not in paths))

    def paths(self) -> Iterator[Path]:
        """Yield every path this delta writes."""
        yield from self.values
        yield from self.removed


class MissingParentError(LookupError):
    """A delta reaches into an object that is not there; `path` is the shallowest place that is not an object."""

    def __init__(self, path: Path) -> None:
        super().__init__(path_text(path))
        self.path = path


def path_text(path: Path) -> str:
    """Return the wire form of a path.

    >>> path_text(("status",)), path_text(("address", "city")), path_text(("/odd~name",))
    ('status', '/address/city', '/~1odd~0name')
    """
    if len(path) == 1 and path[0] and not path[0].startswith("/"):
        return path[0]
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in path)


def parse_path(text: str) -> Path:
    """Return the path that a wire form names.

    >>> parse_path("status"), parse_path("/address/city"), parse_path("/~1odd~0name"), parse_path("/")
    (('status',), ('address', 'city'), ('/odd~name',), ('',))
    """
    if not text.startswith("/"):
        return (text,)
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in text[1:].split("/"))


def is_prefix(shorter: Path, longer: Path) -> bool:
    """Return whether `shorter` is `longer` or names something that contains it."""
    return longer[: len(shorter)] == shorter


def paths_overlap(one: Path, other: Path) -> bool:
    """Return whether writing one path touches the other."""
    return is_prefix(one, other) or is_prefix(other, one)


def diff(old: JsonDocument, new: JsonDocument) -> Delta:
    """Return the delta that turns `old` into `new`."""
    values: dict[Path, Any] = {}
    removed: list[Path] = []
    _collect(old, new, (), values, removed)
    return Delta(values, tuple(removed))


def _collect(old: JsonDocument, new: JsonDocument, at: Path, values: dict[Path, Any], removed: list[Path]) -> None:
    for name, before in old.items():
        if name not in new:
            removed.append((*at, name))
            continue
        after = new[name]
        if isinstance(before, dict) and isinstance(after, dict) and before and after:
            _collect(before, after, (*at, name), values, removed)
        elif not same_value(before, after):
            values[(*at, name)] = after
    for name, after in new.items():
        if name not in old:
            values[(*at, name)] = after


def same_value(one: object, other: object) -> bool:
    """Return whether two JSON values are the same text; 1, 1.0 and true are three values, key order is none."""
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, (dict, list, float)):
        return sorted_text(one) == sorted_text(other)
    return True


def sorted_text(value: object) -> bytes:
    """Return a text that two values share exactly when they are the same."""
    return encode(_sorted(value))


def _sorted(value: object) -> object:
    match value:
        case dict():
            return {name: _sorted(value[name]) for name in sorted(value)}
        case list():
            return [_sorted(element) for element in value]
        case _:
            return value


def apply_delta(document: JsonDocument, delta: Delta) -> JsonDocument:
    """Return a new document with the delta applied; the given one is not changed.

    Raises `MissingParentError` when a value goes into something that is not an object. Removing what is not there is
    no change.
    """
    changed = dict(document)
    copied: dict[Path, JsonDocument] = {(): changed}
    for path in delta.removed:
        parent = _parent(copied, path, must_exist=False)
        if parent is not None:
            parent.pop(path[-1], None)
    for path, value in delta.values.items():
        parent = _parent(copied, path, must_exist=True)
        assert parent is not None
        parent[path[-1]] = value
    return changed


def _parent(copied: dict[Path, JsonDocument], path: Path, *, must_exist: bool) -> JsonDocument | None:
    """Return a private copy of the object that holds the last name of `path`, copying what leads there once."""
    for depth in range(1, len(path)):
        here = path[:depth]
        if here in copied:
            continue
        inner = copied[path[: depth - 1]].get(path[depth - 1])
        if not isinstance(inner, dict):
            if must_exist:
                raise MissingParentError(here)
            return None
        copied[here] = copied[path[: depth - 1]][path[depth - 1]] = dict(inner)
    return copied[path[:-1]]


def value_at(document: JsonDocument, path: Path) -> tuple[bool, Any]:
    """Return whether the path is present in the document, and its value."""
    here: Any = document
    for name in path:
        if not isinstance(here, dict) or name not in here:
            return False, None
        here = here[name]
    return True, here
