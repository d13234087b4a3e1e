"""A version vector: for each actor, how many of its edits a version of a document includes.

Two versions are compared by inclusion, which gives four answers: equal, before, after, or concurrent (each has edits the
other has not seen). The wire form is the flat map `{"client-A": 5, "server": 8}`.

>>> phone = VersionVector({"phone": 2, "server": 1})
>>> laptop = VersionVector({"laptop": 2, "server": 1})
>>> phone.compare(laptop)
<Causality.CONCURRENT: 'concurrent'>
>>> phone.merge(laptop)
VersionVector({'laptop': 2, 'phone': 2, 'server': 1})

Source: D. S. Parker et al., "Detection of Mutual Inconsistency in Distributed Systems", IEEE TSE 9(3), 1983.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import NamedTuple

from solidb_sync.json_value import encode

COUNTER_MAX = 2**53 - 1
"""The largest counter: every JSON reader keeps integers up to here exactly."""


class Dot(NamedTuple):
    """One edit: the counter-th of an actor."""

    actor: str
    counter: int


class Causality(Enum):
    """How one version stands to another."""

    EQUAL = "equal"
    BEFORE = "before"
    AFTER = "after"
    CONCURRENT = "concurrent"


class VersionVector(Mapping[str, int]):
    """An immutable map from actor to the number of its edits included; actors with 0 are left out."""

    __slots__ = ("_counts",)

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        self._counts: dict[str, int] = {actor: count for actor, count in (counts or {}).items() if count > 0}

    def __getitem__(self, actor: str) -> int:
        return self._counts[actor]

    def __iter__(self) -> Iterator[str]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    def __repr__(self) -> str:
        return f"VersionVector({dict(sorted(self._counts.items()))})"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, VersionVector):
            return self._counts == other._counts
        return self._counts == other

    def __hash__(self) -> int:
        return hash(frozenset(self._counts.items()))

    def counter(self, actor: str) -> int:
        """Return how many edits of `actor` are included, 0 for none."""
        return self._counts.get(actor, 0)

    def covers(self, dot: Dot) -> bool:
        """Return whether the edit `dot` is included."""
        return self._counts.get(dot.actor, 0) >= dot.counter

    def includes(self, other: VersionVector) -> bool:
        """Return whether everything `other` has seen is included here."""
        mine = self._counts
        return all(mine.get(actor, 0) >= count for actor, count in other._counts.items())

    def compare(self, other: VersionVector) -> Causality:
        """Return how this version stands to `other`."""
        match self.includes(other), other.includes(self):
            case True, True:
                return Causality.EQUAL
            case True, False:
                return Causality.AFTER
            case False, True:
                return Causality.BEFORE
            case _:
                return Causality.CONCURRENT

    def merge(self, other: VersionVector) -> VersionVector:
        """Return the least vector that includes everything either side has seen."""
        if not other._counts:
            return self
        merged = dict(self._counts)
        for actor, count in other._counts.items():
            if count > merged.get(actor, 0):
                merged[actor] = count
        return _vector(merged)

    def with_dot(self, dot: Dot) -> VersionVector:
        """Return this vector with one more edit included."""
        if self.covers(dot):
            return self
        return _vector({**self._counts, dot.actor: dot.counter})

    def exchanged(self, dot: Dot, other: Dot, *, before: int) -> VersionVector:
        """Return this vector with `other` in the place of `dot`, if it has that; `before` is the actor's count below it."""
        if not self.covers(dot):
            return self
        counts = dict(self._counts)
        if counts[dot.actor] == dot.counter:
            counts[dot.actor] = min(before, dot.counter - 1)
        counts[other.actor] = max(other.counter, counts.get(other.actor, 0))
        return VersionVector(counts)

    def clipped(self, limits: Mapping[str, int]) -> VersionVector:
        """Return this vector without anything beyond `limits`; actors not named there are left out."""
        return VersionVector({actor: min(count, limits.get(actor, 0)) for actor, count in self._counts.items()})

    def to_json(self) -> bytes:
        """Return the flat map as JSON text, actors in order."""
        return encode(dict(sorted(self._counts.items())))


def _vector(counts: dict[str, int]) -> VersionVector:
    """Return the vector of counts that are known to be positive, and nobody else's."""
    vector = VersionVector.__new__(VersionVector)
    vector._counts = counts
    return vector


EMPTY_VECTOR = VersionVector()
