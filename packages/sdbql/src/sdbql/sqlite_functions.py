"""The functions that SQL needs and SQLite lacks, as plain Python; a store registers them on its connections.

They see stored values as JSON text, and are called only for what SQLite cannot do itself: comparing and ordering arrays
and objects, and matching patterns. None of them raises, and all accept NULL, because SQLite may evaluate both sides of
an AND.
"""

import json
import struct
from collections.abc import Callable
from typing import Any

from sdbql.regular_expressions import is_like
from sdbql.values import ARRAY, BOOL, NULL, NUMBER, OBJECT, STRING, Value, compare, display, rank

JsonText = str | None


def compare_json(left: JsonText, right: JsonText) -> int:
    """Return a negative number, 0 or a positive number as the left value is before, equal or after."""
    return compare(_value(left), _value(right))


def has_key(container: JsonText, key: object) -> int:
    """Return 1 if the value is an object with this key."""
    found = _value(container)
    return int(isinstance(found, dict) and isinstance(key, str) and key in found)


def like(text: object, pattern: str) -> int:
    """Return 1 if the text is like the pattern; what is no text is not."""
    return int(isinstance(text, str) and is_like(text, pattern))


def like_json(value: JsonText, pattern: str) -> int:
    """Return 1 if the display of a value is like the pattern."""
    found = _value(value)
    return int(is_like("" if found is None else display(found), pattern))


def sort_blob(value: JsonText) -> bytes:
    """Return bytes that SQLite sorts in the order of the language.

    >>> [1] < [1, 2] < [2]
    True
    >>> sort_blob("[1]") < sort_blob("[1,2]") < sort_blob("[2]") < sort_blob('{"a":1}')
    True
    """
    return b"".join(_pieces(_value(value)))


SQL_FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "sdb_compare": (compare_json, 2),
    "sdb_has_key": (has_key, 2),
    "sdb_like": (like, 2),
    "sdb_like_json": (like_json, 2),
    "sdb_key": (sort_blob, 1),
}
"""By name: the function and how many arguments it has. All are deterministic."""


def _value(text: JsonText) -> Value:
    return None if text is None else json.loads(text)


# --- bytes in the order of the language

_END, _MORE = b"\x00", b"\x01"


def _pieces(value: Value) -> list[bytes]:
    """Return the encoding of a value: its type, then what orders values of that type."""
    place = rank(value)
    pieces = [bytes([place + 2])]
    match place:
        case kind if kind == NULL:
            pass
        case kind if kind == BOOL:
            pieces.append(bytes([value]))
        case kind if kind == NUMBER:
            pieces.append(_number(value))
        case kind if kind == STRING:
            pieces.append(_text(value))
        case kind if kind == ARRAY:
            for element in value:
                pieces += [_MORE, *_pieces(element)]
            pieces.append(_END)
        case kind if kind == OBJECT:
            pieces += _members(value)
    return pieces


def _number(value: int | float) -> bytes:
    """Encode the nearest float so that its bytes are in order, then how far the number is from it."""
    near = float(value) + 0.0  # -0.0 becomes 0.0
    (bits,) = struct.unpack(">Q", struct.pack(">d", near))
    bits = bits ^ 0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else bits | 1 << 63
    apart = value - int(near) if isinstance(value, int) else 0
    return struct.pack(">QH", bits, apart + 0x8000)


def _text(text: str) -> bytes:
    """Encode text so that it is before every text it begins."""
    return text.encode().replace(b"\x00", b"\x00\xff") + b"\x00\x00"


def _members(value: dict[str, Value]) -> list[bytes]:
    """Encode an object as it is compared: over the union of keys, absent as null; then how many keys; then the keys.

    Where two objects first differ in a key, the one with the earlier key has a value where the other has null, so it
    comes later: keys are encoded the other way round.
    """
    keys = sorted(value)
    pieces = []
    for key in keys:
        if value[key] is not None:
            pieces += [_MORE, bytes([255 - byte for byte in _text(key)]), *_pieces(value[key])]
    return [*pieces, _END, struct.pack(">I", len(keys)), *[_text(key) for key in keys]]
