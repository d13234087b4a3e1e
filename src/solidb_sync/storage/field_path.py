"""A field by its path: `city`, or `address.city` for an attribute of an object in a document.

A part that is no plain word is written between backticks, as in SDBQL: `` `given name` ``, or `` `a.b`.c `` for the
attribute `c` of the attribute `a.b`. A name with a backtick, a quotation mark, a backslash or a control character in it has
no path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sdbql.sqlite_paths import PATH_DEPTH_MAX, path_literal
from solidb_sync.errors import ConfigError

FieldPath = tuple[str, ...]

FIELD_CHARACTERS_MAX = 1_000
SYSTEM_FIELDS = frozenset({"_key", "_id", "_rev", "_version", "_timestamp", "_sync", "_crdt"})
"""What reads add to a document and saves leave out: it is in no stored document."""

_WORD = re.compile(r"[^\W\d]\w*")
_PART = re.compile(r"`([^`]+)`|([^`.]+)")


def parse_field(field: str) -> FieldPath:
    """Return the path that a text names; raises `ConfigError` saying what would be right.

    >>> parse_field("address.city"), parse_field("`a.b`.c")
    (('address', 'city'), ('a.b', 'c'))
    """
    if not isinstance(field, str):
        raise ConfigError(f"field: expected a string such as 'city' or 'address.city', found {type(field).__name__}")
    if not 0 < len(field) <= FIELD_CHARACTERS_MAX:
        raise ConfigError(
            f"field: a path such as 'address.city' has 1 to {FIELD_CHARACTERS_MAX} characters, found {len(field)}"
        )
    path = _parts(field)
    if path_literal(path) is None:
        raise ConfigError(
            f"field: {field!r}: a field that can have an index has 1 to {PATH_DEPTH_MAX} parts without quotation marks, "
            "backslashes and control characters"
        )
    _check_is_stored(path, field)
    return path


def _parts(field: str) -> FieldPath:
    parts: list[str] = []
    position = 0
    while True:
        found = _PART.match(field, position)
        if found is None:
            raise ConfigError(f"field: {field!r} has an empty part or an open backtick at character {position + 1}")
        parts.append(_part(field, found))
        position = found.end()
        if position == len(field):
            return tuple(parts)
        if field[position] != ".":
            raise ConfigError(f"field: {field!r}: expected '.' at character {position + 1}, found {field[position]!r}")
        position += 1


def _part(field: str, found: re.Match[str]) -> str:
    quoted, plain = found.groups()
    if quoted is not None:
        return quoted
    if "[" in plain:
        raise ConfigError(f"field: {field!r}: an index reaches into objects only, not into arrays; name the array itself")
    if not _WORD.fullmatch(plain):
        raise ConfigError(f"field: {field!r}: write the part {plain!r} between backticks: `{plain}`")
    return plain


def _check_is_stored(path: FieldPath, field: str) -> None:
    if path[0] in ("_key", "_id"):
        raise ConfigError(f"field: {field!r} needs no index: documents are found by their key at once")
    if path[0] in SYSTEM_FIELDS:
        raise ConfigError(f"field: {field!r} is no attribute of a document but what a read adds to it; name another field")


def field_text(path: FieldPath) -> str:
    """Return the one text of a path, with backticks only where they are needed.

    >>> field_text(parse_field("`address`.`zip code`"))
    'address.`zip code`'
    """
    return ".".join(part if _WORD.fullmatch(part) else f"`{part}`" for part in path)


def value_at(document: Mapping[str, Any], path: FieldPath) -> Any:
    """Return the value at a path; None also stands for one that is not there."""
    value: Any = document
    for part in path:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value
