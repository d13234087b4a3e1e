"""Rows as a table of plain text.

Made here rather than with a library: it has to work where only Python is installed, and it needs nothing but the width of
characters, which `unicodedata` knows well enough: wide ones (East Asian, most emoji) take two columns, combining ones none.
Sequences of several characters that a terminal joins into one sign are counted apart and may be set too wide.

>>> print("\\n".join(table_lines([{"name": "Ann", "age": 30}, {"name": "李", "age": None}])))
name   age
----  ----
Ann     30
李    null
"""

import unicodedata
from collections.abc import Sequence
from typing import Any

from sdbql.values import to_json

CELL_WIDTH_MAX = 60
CELL_WIDTH_MIN = 6
GAP = "  "
CUT = "…"
SINGLE_COLUMN = "result"
_ESCAPED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def table_lines(rows: Sequence[Any], *, width: int | None = None) -> list[str]:
    """Return the lines of a table: a column for each attribute, or one column if some row is no object.

    An attribute that a row lacks is empty; null is `null`. Long cells are cut, the longest columns first if the table
    is to be no wider than `width` (each column keeps 6).
    """
    names, cells = _columns(rows)
    numeric = [all(_is_numeric(row[place]) for row in cells) for place in range(len(names))]
    texts = [[cell_text(name) for name in names], *[[_shown(cell) for cell in row] for row in cells]]
    widths = [min(CELL_WIDTH_MAX, max(display_width(row[place]) for row in texts)) for place in range(len(names))]
    widths = _fitted(widths, width)
    header, *body = [_line(row, widths, numeric) for row in texts]
    return [header, GAP.join("-" * one for one in widths), *body]


def cell_text(value: Any) -> str:
    """Return a value as one line: a string as it is, anything else as JSON; what steers a terminal is escaped."""
    text = value if isinstance(value, str) else to_json(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _ESCAPED.get(char, f"\\u{ord(char):04x}") for char in text)


def display_width(text: str) -> int:
    """Return how many columns a text takes on a terminal.

    >>> [display_width(text) for text in ("abc", "李", "e\\u0301", "😀")]
    [3, 2, 1, 2]
    """
    if text.isascii():
        return len(text)
    return sum(_char_width(char) for char in text)


def _char_width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


_ABSENT = object()


def _columns(rows: Sequence[Any]) -> tuple[list[str], list[list[Any]]]:
    if not rows or not all(isinstance(row, dict) for row in rows) or not any(rows):
        return [SINGLE_COLUMN], [[row] for row in rows]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return names, [[row.get(name, _ABSENT) for name in names] for row in rows]


def _is_numeric(value: Any) -> bool:
    return value is _ABSENT or value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _shown(cell: Any) -> str:
    return "" if cell is _ABSENT else cell_text(cell)


def _fitted(widths: list[int], width: int | None) -> list[int]:
    """Return the widths, the greatest cut down until the line fits."""
    room = None if width is None else width - len(GAP) * (len(widths) - 1)
    if room is None or sum(widths) <= room:
        return widths
    cap = max(widths)
    while cap > CELL_WIDTH_MIN and sum(min(one, cap) for one in widths) > room:
        cap -= 1
    return [min(one, cap) for one in widths]


def _line(texts: list[str], widths: list[int], numeric: list[bool]) -> str:
    cells = [_aligned(*cell) for cell in zip(texts, widths, numeric, strict=True)]
    return GAP.join(cells).rstrip()


def _aligned(text: str, width: int, is_numeric: bool) -> str:
    taken = display_width(text)
    if taken > width:
        text = _cut(text, width)
        taken = display_width(text)
    padding = " " * (width - taken)
    return padding + text if is_numeric else text + padding


def _cut(text: str, width: int) -> str:
    kept, taken = [], 0
    for char in text:
        taken += _char_width(char)
        if taken > width - 1:
            break
        kept.append(char)
    return "".join(kept) + CUT
