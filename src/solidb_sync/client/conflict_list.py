"""The conflicts of a round: a list that also stands for its length.

The first documentation shows `result.conflicts` as a number in one place and as a list in another. Both work.
"""

from __future__ import annotations

from solidb_sync.client.conflicts import Conflict


class ConflictList(list[Conflict]):
    """Conflicts, in the order they were found; compared with a number, formatted, or given to `int`, it is how many.

    >>> found = ConflictList()
    >>> found == 0, found < 1, f"{found} conflicts", int(found), found == []
    (True, True, '0 conflicts', 0, True)
    """

    __hash__ = None

    def __int__(self) -> int:
        return len(self)

    def __format__(self, spec: str) -> str:
        return format(len(self), spec)

    def __eq__(self, other: object) -> bool:
        return len(self) == other if isinstance(other, (int, float)) else super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: list[Conflict] | float) -> bool:
        return len(self) < _size(other)

    def __le__(self, other: list[Conflict] | float) -> bool:
        return len(self) <= _size(other)

    def __gt__(self, other: list[Conflict] | float) -> bool:
        return len(self) > _size(other)

    def __ge__(self, other: list[Conflict] | float) -> bool:
        return len(self) >= _size(other)


def _size(other: list[Conflict] | float) -> float:
    """Return the number that something stands for in a comparison of sizes."""
    return len(other) if isinstance(other, list) else other
