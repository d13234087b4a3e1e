"""The first rows of a sorted read, found by the values alone where that is provably right.

SQLite orders stored values null < numbers < text. The language's order is null < bool < number < string < array < object,
and SQLite shows a bool as 0 or 1, an array or object as text that begins with `[` or `{`. So the two orders differ only by
*odd* values: bools, arrays and objects. Asking each row for the type of its key costs as much again as sorting; it is enough
to ask the rows that came back, if what did not come back cannot hold an odd value that belongs before them:

- fewer rows came than were asked for: all of them were seen;
- descending, and the last value is no text, or text before `[`: arrays and objects would have come before it, and bools
  belong behind every number and string;
- ascending, and the last value is null, text, or a number greater than 1: bools would have come before it (or all that
  came is null, and nothing belongs before null), and arrays and objects belong behind every string.

In every other case, and when an odd value did come, the rows are asked for again by rank and value.
"""

from collections.abc import Sequence
from typing import Any

ODD_RANKS = frozenset([1, 3, 4])
"""The ranks of bools, arrays and objects; null has 0, a number or a string 2."""

SqlRow = Sequence[Any]
"""A row whose last two columns are the value of its sort key and the rank of its type."""


def is_proved(rows: Sequence[SqlRow], *, count: int, descending: bool) -> bool:
    """Tell whether these rows, the first `count` by value, are the first in the order of the language.

    >>> is_proved([("a", "b", 2)], count=1, descending=True)
    False
    >>> is_proved([("a", "2024", 2)], count=1, descending=True)
    True
    """
    if any(row[-1] in ODD_RANKS for row in rows):
        return False
    if len(rows) < count:
        return True
    last = rows[-1][-2]
    if last is None:
        return True
    if isinstance(last, str):
        return not descending or last < "["
    return descending or bool(last > 1)
