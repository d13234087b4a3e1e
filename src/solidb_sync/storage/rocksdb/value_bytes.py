"""Bytes that sort as SDBQL sorts values: what an index is made of.

Null is not indexed; a bool comes before a number, that before a string, an array, an object. Two values have the same bytes
exactly when SDBQL has them equal (1 and 1.0, 0 and -0.0), and the bytes of one value never begin those of another. Objects
are only told apart, not sorted. Longer bytes than `BYTES_MAX` are cut: then equal bytes are a hint, to be looked into.
"""

from __future__ import annotations

import struct
from typing import Any

BYTES_MAX = 1024
"""So much of a value stands in an index."""

FALSE, TRUE, NUMBER, STRING, ARRAY, OBJECT = b"\x10", b"\x11", b"\x20", b"\x30", b"\x40", b"\x50"
END = b"\0"
NUMBER_BYTES = 11
_DEPTHS = {ARRAY: 1, OBJECT: 1, END: -1}
_DOUBLE = struct.Struct(">d")
_SIGN = 1 << 63
_ALL = (1 << 64) - 1
_RESIDUE_ZERO = 1 << 15
"""An integer of 64 bits is at most 1,024 / 2 from the nearest double."""


def value_bytes(value: Any) -> bytes:
    """Return the bytes of a value that is not null.

    >>> [-1.5, 0, 1, 2**53, 2**53 + 1] == sorted([2**53 + 1, 1, -1.5, 2**53, 0], key=value_bytes)
    True
    >>> value_bytes(1) == value_bytes(1.0) != value_bytes(True)
    True
    """
    parts: list[bytes] = []
    _write(value, parts, BYTES_MAX)
    return b"".join(parts)[:BYTES_MAX]


def is_cut(found: bytes) -> bool:
    """Return whether other values may have the same bytes."""
    return len(found) >= BYTES_MAX


def _write(value: Any, parts: list[bytes], room: int) -> int:
    """Add the bytes of a value; return the room that is left, at which nothing more is added."""
    if room <= 0:
        return room
    match value:
        case None:
            written = b"\x08"
        case bool():
            written = TRUE if value else FALSE
        case int() | float():
            written = NUMBER + _number(value)
        case str():
            written = STRING + _text(value)
        case list():
            return _write_all(value, parts, room, ARRAY)
        case dict():
            members = [part for name in sorted(value) for part in (name, value[name])]
            return _write_all(members, parts, room, OBJECT)
        case _:
            raise TypeError(f"a value of the Python type {type(value).__name__} is not JSON")
    parts.append(written)
    return room - len(written)


def _write_all(values: list[Any], parts: list[bytes], room: int, kind: bytes) -> int:
    parts.append(kind)
    room -= 1
    for value in values:
        room = _write(value, parts, room)
    parts.append(END)
    return room - 1


def _number(value: float) -> bytes:
    """Return a double's bytes in order, and how far the number is from it, which is 0 for all but large integers."""
    near = float(value) + 0.0  # -0.0 + 0.0 is 0.0
    (bits,) = struct.unpack(">Q", _DOUBLE.pack(near))
    bits = bits ^ _ALL if bits & _SIGN else bits | _SIGN
    residue = value - int(near) if isinstance(value, int) else 0
    return int(bits).to_bytes(8) + (residue + _RESIDUE_ZERO).to_bytes(2)


def _text(value: str) -> bytes:
    """Return UTF-8 with its end marked; a zero byte inside is told from the end by what follows it."""
    text = value[:BYTES_MAX].encode("utf-8", "surrogatepass")
    return text.replace(b"\0", b"\0\xff") + END


def value_length(found: bytes) -> int | None:
    """Return how many bytes of `found` are the value it begins with; None when no whole value is there.

    >>> value_length(value_bytes(["a", {"b": None}]) + b"what follows")
    11
    """
    at = depth = 0
    while at < min(len(found), BYTES_MAX):
        kind = found[at : at + 1]
        if kind == STRING:
            at = _end_of_text(found, at + 1)
        elif kind == NUMBER:
            at += NUMBER_BYTES
        else:
            depth += _DEPTHS.get(kind, 0)
            at += 1
        if depth == 0:
            break
    whole = at >= BYTES_MAX or (at > 0 and depth == 0)
    return min(at, BYTES_MAX) if whole and min(at, BYTES_MAX) <= len(found) else None


def _end_of_text(found: bytes, start: int) -> int:
    """Return where a text ends that begins at `start`; beyond `BYTES_MAX` when it was cut."""
    end = found.find(END, start)
    while end >= 0 and found[end + 1 : end + 2] == b"\xff":
        end = found.find(END, end + 2)
    return end + 1 if end >= 0 else max(BYTES_MAX, len(found) + 1)
