"""Ranges by what they contain: which of many ranges hold a value, without looking at all of them.

The ranges stand in the order of their lower ends, below a tree of their greatest upper ends: a look-up goes down only where
a range can still reach the value. New ranges wait in a short list until there are enough of them to build anew.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterator
from typing import Any, Generic, TypeVar

Member = TypeVar("Member", bound=Hashable)

RECENT_MAX = 64
"""How many new ranges are looked through one by one; beyond, half as many as there are."""

LOWEST: Any = ()
HIGHEST: Any = (float("inf"),)
"""Places before and after every `sort_key`."""


class RangeIndex(Generic[Member]):
    """Members, each with a range of `sort_key`s; None is an end that is open."""

    def __init__(self) -> None:
        self._ranges: dict[Member, tuple[Any, Any]] = {}
        self._recent: dict[Member, None] = {}
        self._members: list[Member] = []
        self._lows: list[Any] = []
        self._highs: list[Any] = []
        self.looked_at = 0
        """How many nodes and ranges all look-ups together have visited."""

    def __len__(self) -> int:
        return len(self._ranges)

    def add(self, member: Member, low: Any, high: Any) -> None:
        """Add a member with its range."""
        self._ranges[member] = (LOWEST if low is None else low, HIGHEST if high is None else high)
        self._recent[member] = None

    def discard(self, member: Member) -> None:
        """Take a member out."""
        self._ranges.pop(member, None)
        self._recent.pop(member, None)

    def containing(self, place: Any) -> Iterator[Member]:
        """Yield the members whose range contains a `sort_key`."""
        if len(self._recent) > RECENT_MAX + len(self._members) // 2 or len(self._members) > 2 * len(self) + RECENT_MAX:
            self._build()
        for member in self._recent:
            self.looked_at += 1
            if self._contains(member, place):
                yield member
        for at in self._reaching(bisect_right(self._lows, place), place):
            member = self._members[at]
            if member not in self._recent and self._contains(member, place):
                yield member

    def _contains(self, member: Member, place: Any) -> bool:
        found = self._ranges.get(member)
        return found is not None and found[0] <= place <= found[1]

    def _build(self) -> None:
        self._recent = {}
        self._members = sorted(self._ranges, key=lambda member: self._ranges[member][0])
        self._lows = [self._ranges[member][0] for member in self._members]
        leaves = [self._ranges[member][1] for member in self._members]
        self._highs = [LOWEST] * len(leaves) + leaves
        for node in range(len(leaves) - 1, 0, -1):
            self._highs[node] = max(self._highs[2 * node], self._highs[2 * node + 1])

    def _reaching(self, count: int, place: Any) -> Iterator[int]:
        """Yield the numbers below `count` of the ranges that reach up to a place."""
        size = len(self._members)
        left, right = size, size + count
        while left < right:
            if left & 1:
                yield from self._below(left, place)
                left += 1
            if right & 1:
                right -= 1
                yield from self._below(right, place)
            left //= 2
            right //= 2

    def _below(self, top: int, place: Any) -> Iterator[int]:
        waiting, size = [top], len(self._members)
        while waiting:
            node = waiting.pop()
            self.looked_at += 1
            if self._highs[node] < place:
                continue
            if node >= size:
                yield node - size
            else:
                waiting += (2 * node + 1, 2 * node)
