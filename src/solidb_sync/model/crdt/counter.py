"""A counter that loses no increment: for each actor how much it has added and how much it has taken.

Joining takes the greater total of each actor, so a total that arrives twice counts once. There is no lower bound: whoever
takes more than there is makes the value negative (a counter that never goes below zero is `bounded_counter`). A plain
number that becomes a counter is its `origin`.

>>> one = Counter().applied(CounterOperation(5), Authorship(Dot("phone", 1)))
>>> two = Counter().applied(CounterOperation(-2), Authorship(Dot("laptop", 1)))
>>> one.join(two).join(one).value()
3

Source: M. Shapiro, N. Preguiça, C. Baquero, M. Zawirski, "A comprehensive study of Convergent and Commutative Replicated
Data Types", INRIA RR-7506, 2011, specification 7 (PN-Counter).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from solidb_sync.json_value import type_name
from solidb_sync.model.crdt.authorship import Authorship, BoundError, OperationError
from solidb_sync.model.crdt.elements import whole_number
from solidb_sync.model.version_vector import COUNTER_MAX, Dot


@dataclass(frozen=True, slots=True)
class CounterOperation:
    """Add to a counter; a negative number takes away."""

    add: int

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> CounterOperation:
        """Read `{"add": n}`."""
        return cls(whole_number(fields.get("add"), ".add", least=-COUNTER_MAX))

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {"add": self.add}


@dataclass(frozen=True, slots=True)
class Counter:
    """The state of a counter: `totals` has what each actor has added and taken, both only ever growing."""

    origin: int | float = 0
    totals: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def from_plain(cls, value: object, dot: Dot) -> Counter:
        """Return the counter that a plain number becomes."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise OperationError(f"expected a number, found {type_name(value)}")
        return cls(value)

    @classmethod
    def from_json(cls, state: Any) -> Counter:
        """Read the stored form."""
        origin, totals = state
        return cls(origin, {actor: (added, taken) for actor, (added, taken) in totals.items()})

    def to_json(self) -> Any:
        """Return the stored form, `[origin, {actor: [added, taken]}]`, actors in order."""
        return [self.origin, {actor: list(self.totals[actor]) for actor in sorted(self.totals)}]

    def join(self, other: Counter) -> Counter:
        """Return the least state that includes both."""
        totals = dict(self.totals)
        for actor, (added, taken) in other.totals.items():
            mine = totals.get(actor, (0, 0))
            totals[actor] = (max(added, mine[0]), max(taken, mine[1]))
        return Counter(max(self.origin, other.origin, key=_origin_order), totals)

    def delta(self, operation: CounterOperation, author: Authorship) -> Counter:
        """Return the little state whose join is the effect of an operation; raises `BoundError`."""
        actor = author.dot.actor
        added, taken = self.totals.get(actor, (0, 0))
        total = (added + max(operation.add, 0), taken + max(-operation.add, 0))
        if max(total) > COUNTER_MAX or abs(self.value() + operation.add) > COUNTER_MAX:
            raise BoundError(f"{self.value()} and {operation.add} make more than {COUNTER_MAX}, which no counter keeps")
        return Counter(0, {actor: total} if operation.add else {})

    def applied(self, operation: CounterOperation, author: Authorship) -> Counter:
        """Return the state after an operation."""
        return self.join(self.delta(operation, author))

    def value(self) -> int | float:
        """Return the plain value."""
        return self.origin + sum(added - taken for added, taken in self.totals.values())

    def element_count(self) -> int:
        """Return how many entries the state has."""
        return len(self.totals)

    def operation_to(self, wanted: object) -> CounterOperation | None:
        """Return the operation by which a plain value is saved over this state, None when nothing changes."""
        if isinstance(wanted, bool) or not isinstance(wanted, (int, float)):
            raise OperationError(f"expected a number, found {type_name(wanted)}")
        difference = wanted - self.value()
        if difference != int(difference):
            raise OperationError(f"a counter moves by whole numbers, and {wanted} is {difference} away from {self.value()}")
        return CounterOperation(int(difference)) if difference else None

    def greatest_stamp(self) -> str:
        """Return nothing: no clock orders additions."""
        return ""

    def folded(self, dot: Dot) -> Counter:
        """Return this state: totals are kept by actor, not by dot."""
        return self


def _origin_order(origin: int | float) -> tuple[bool, int | float, bool]:
    return origin != 0, origin, isinstance(origin, float)
