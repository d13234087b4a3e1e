"""Entries that can be removed: each carries the dot of the edit that put it, and a context says which dots were ever seen.

A dot in the context without an entry was removed. So nothing has to remember what is gone, and an entry that a removal had
not seen survives it (*add wins*). The context of a state that is stored is the vector of its document. One edit may put
several entries under its dot; each is removed alone.

Source: P. S. Almeida, A. Shoker, C. Baquero, "Delta State Replicated Data Types", arXiv 1603.01529, 2016, figures 4 and 5;
without tombstones first in A. Bieniusa et al., "An Optimized Conflict-free Replicated Set", arXiv 1210.3368, 2012.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from solidb_sync.model.version_vector import EMPTY_VECTOR, Dot, VersionVector


class Payload(NamedTuple):
    """What an entry holds: the stamp of the edit that put it, and the text of its value."""

    stamp: str
    text: str


NOTHING_HELD = Payload("", "")
Entries = Mapping[str, Mapping[Dot, Payload]]
"""For each name the dots that put it, and what each of them put."""


@dataclass(frozen=True, slots=True)
class CausalContext:
    """Which dots were seen: everything up to a vector, and single dots beyond it."""

    vector: VersionVector = EMPTY_VECTOR
    cloud: frozenset[Dot] = frozenset()

    @classmethod
    def of(cls, vector: VersionVector, dots: Iterable[Dot]) -> CausalContext:
        """Return the context of a vector and further dots; those that follow on it without a gap go into the vector."""
        beyond: list[Dot] = []
        for dot in sorted(dots):
            if dot.counter == vector.counter(dot.actor) + 1:
                vector = vector.with_dot(dot)
            elif not vector.covers(dot):
                beyond.append(dot)
        return cls(vector, frozenset(beyond))

    def covers(self, dot: Dot) -> bool:
        """Return whether a dot was seen."""
        return dot in self.cloud or self.vector.covers(dot)

    def join(self, other: CausalContext) -> CausalContext:
        """Return the context that has seen what either has."""
        return CausalContext.of(self.vector.merge(other.vector), self.cloud | other.cloud)


EMPTY_CONTEXT = CausalContext()


@dataclass(frozen=True, slots=True)
class CausalEntries:
    """Entries with their context."""

    entries: Entries
    context: CausalContext = EMPTY_CONTEXT

    def join(self, other: CausalEntries) -> CausalEntries:
        """Return what survives of both: an entry stays unless the side that lacks it has seen its dot."""
        joined: dict[str, Mapping[Dot, Payload]] = {}
        for name in self.entries.keys() | other.entries.keys():
            mine, others = self.entries.get(name, {}), other.entries.get(name, {})
            dots = {**_surviving(mine, others, other.context), **_surviving(others, mine, self.context)}
            if dots:
                joined[name] = dots
        return CausalEntries(joined, self.context.join(other.context))

    def delta(self, put: Mapping[str, Payload], removed: Iterable[str], *, dot: Dot, base: VersionVector) -> CausalEntries:
        """Return the little state of an edit: it puts entries under its dot, in place of those it had seen of the same name.

        Removing takes away the entries of a name that `base` has seen. What else was put under the dots that go stays.
        """
        touched = {*put, *removed}
        seen = {known for name in touched for known in self.entries.get(name, {}) if base.covers(known)}
        left: dict[str, dict[Dot, Payload]] = {name: {dot: payload} for name, payload in put.items()}
        for name, dots in self.entries.items() if seen else ():
            kept = {known: payload for known, payload in dots.items() if known in seen} if name not in touched else {}
            if kept:
                left[name] = kept
        return CausalEntries(left, CausalContext.of(EMPTY_VECTOR, {*seen, dot}))

    def after(self, put: Mapping[str, Payload], removed: Iterable[str], *, dot: Dot, base: VersionVector) -> CausalEntries:
        """Return the state after an edit: the join with its delta, without a look at the names it does not touch."""
        entries = dict(self.entries)
        seen = {dot}
        for name in {*put, *removed}:
            dots = entries.pop(name, {})
            seen.update(known for known in dots if base.covers(known))
            left = {known: payload for known, payload in dots.items() if known not in seen}
            if name in put:
                left[dot] = put[name]
            if left:
                entries[name] = left
        return CausalEntries(entries, self.context.join(CausalContext.of(EMPTY_VECTOR, seen)))

    def shown(self) -> dict[str, str]:
        """Return for each name the text that is shown: among concurrent ones that with the greatest stamp, then actor."""
        return {name: max(dots.items(), key=_order)[1].text for name, dots in self.entries.items()}

    def count(self) -> int:
        """Return how many entries there are, hidden ones too."""
        return sum(map(len, self.entries.values()))

    def folded(self, dot: Dot) -> CausalEntries:
        """Return the entries under one dot in the place of theirs; of concurrent ones only that which is shown stays."""
        return CausalEntries(
            {name: {dot: max(dots.items(), key=_order)[1]} for name, dots in self.entries.items()}, self.context
        )


NO_ENTRIES = CausalEntries({})


def _surviving(mine: Mapping[Dot, Payload], others: Mapping[Dot, Payload], context: CausalContext) -> dict[Dot, Payload]:
    return {dot: payload for dot, payload in mine.items() if dot in others or not context.covers(dot)}


def _order(entry: tuple[Dot, Payload]) -> tuple[str, str, int, str]:
    dot, payload = entry
    return payload.stamp, dot.actor, dot.counter, payload.text
