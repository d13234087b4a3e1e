"""A counter that never goes below zero, however many devices take from it without hearing of each other.

Whoever takes needs *rights*, one for each unit. Adding gives the author rights; a pool holds those that belong to nobody:
what the counter began with, and what others have released. Only the one place that applies operations for good (the
server) gives from the pool, as much as is there of what `reserve` asks for. Rights belong to a client and outlive the
incarnations of its store; the totals are kept by actor, and only ever grow, so joining takes the greater one.

>>> phone = Authorship(Dot("phone", 1))
>>> stock = BoundedCounter(10).applied(BoundedCounterOperation(reserve=3), phone)
>>> stock.rights("phone"), stock.pool(), stock.value()
(3, 7, 10)
>>> stock.applied(BoundedCounterOperation(take=4), phone)
Traceback (most recent call last):
solidb_sync.model.crdt.authorship.BoundError: 'phone' may take 3, not 4: reserve or add first

Source: V. Balegas et al., "Extending Eventually Consistent Cloud Databases for Enforcing Numeric Invariants", SRDS 2015;
escrow: P. O'Neil, "The Escrow Transactional Method", ACM TODS 11(4), 1986. Rights move through the pool here instead of
from replica to replica, as all of them sync with one server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from solidb_sync.json_value import type_name
from solidb_sync.model.crdt.authorship import Authorship, BoundError, OperationError
from solidb_sync.model.crdt.elements import whole_number
from solidb_sync.model.version_vector import COUNTER_MAX, Dot

INCARNATION_SEPARATOR = "~"


class Totals(NamedTuple):
    """What one actor has done in all."""

    added: int = 0
    taken: int = 0
    reserved: int = 0
    released: int = 0


NOTHING_DONE = Totals()


@dataclass(frozen=True, slots=True)
class BoundedCounterOperation:
    """Add, take, reserve rights from the pool or release own rights into it."""

    add: int = 0
    take: int = 0
    reserve: int = 0
    release: int = 0

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> BoundedCounterOperation:
        """Read `{"add": n, "take": n, "reserve": n, "release": n}`, of which any may be missing but not all."""
        if not {"add", "take", "reserve", "release"} & fields.keys():
            raise OperationError(": expected add, take, reserve or release, found none of them")
        return cls(
            whole_number(fields.get("add", 0), ".add", least=0),
            whole_number(fields.get("take", 0), ".take", least=0),
            whole_number(fields.get("reserve", 0), ".reserve", least=0),
            whole_number(fields.get("release", 0), ".release", least=0),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        parts = {"add": self.add, "take": self.take, "reserve": self.reserve, "release": self.release}
        return {name: amount for name, amount in parts.items() if amount} or {"add": 0}


@dataclass(frozen=True, slots=True)
class BoundedCounter:
    """The state of a bounded counter: what the pool began with, and the totals of each actor."""

    origin: int = 0
    totals: Mapping[str, Totals] = field(default_factory=dict)

    @classmethod
    def from_plain(cls, value: object, dot: Dot) -> BoundedCounter:
        """Return the counter that a plain whole number becomes: all of it in the pool."""
        try:
            return cls(whole_number(value, "", least=0))
        except OperationError:
            shown = value if isinstance(value, (int, float)) else type_name(value)
            raise OperationError(f"expected a whole number that is not negative, found {shown}") from None

    @classmethod
    def from_json(cls, state: Any) -> BoundedCounter:
        """Read the stored form."""
        origin, totals = state
        return cls(origin, {actor: Totals(*done) for actor, done in totals.items()})

    def to_json(self) -> Any:
        """Return the stored form, `[origin, {actor: [added, taken, reserved, released]}]`, actors in order."""
        return [self.origin, {actor: list(self.totals[actor]) for actor in sorted(self.totals)}]

    def join(self, other: BoundedCounter) -> BoundedCounter:
        """Return the least state that includes both."""
        totals = dict(self.totals)
        for actor, done in other.totals.items():
            totals[actor] = Totals(*map(max, done, totals.get(actor, NOTHING_DONE)))
        return BoundedCounter(max(self.origin, other.origin), totals)

    def delta(self, operation: BoundedCounterOperation, author: Authorship) -> BoundedCounter:
        """Return the little state whose join is the effect of an operation; raises `BoundError`.

        What is added, and what the pool gives, may be taken and released by the same operation.
        """
        client = client_of(author.dot.actor)
        granted = min(operation.reserve, self.pool()) if author.is_final else 0
        free = self.rights(client) + operation.add + granted
        if operation.take + operation.release > free:
            raise BoundError(f"{client!r} may take {free}, not {operation.take + operation.release}: reserve or add first")
        before = self.totals.get(author.dot.actor, NOTHING_DONE)
        after = Totals(
            before.added + operation.add,
            before.taken + operation.take,
            before.reserved + granted,
            before.released + operation.release,
        )
        if max(*after, self.value() + operation.add) > COUNTER_MAX:
            raise BoundError(f"{self.value()} and {operation.add} make more than {COUNTER_MAX}, which no counter keeps")
        return BoundedCounter(0, {author.dot.actor: after} if any(after) else {})

    def applied(self, operation: BoundedCounterOperation, author: Authorship) -> BoundedCounter:
        """Return the state after an operation; raises `BoundError` when its author may not take so much."""
        return self.join(self.delta(operation, author))

    def rights(self, client: str) -> int:
        """Return how much a client may take."""
        return sum(
            done.added + done.reserved - done.taken - done.released
            for actor, done in self.totals.items()
            if client_of(actor) == client
        )

    def pool(self) -> int:
        """Return how much belongs to nobody."""
        return self.origin + sum(done.released - done.reserved for done in self.totals.values())

    def value(self) -> int:
        """Return the plain value."""
        return self.origin + sum(done.added - done.taken for done in self.totals.values())

    def element_count(self) -> int:
        """Return how many entries the state has."""
        return len(self.totals)

    def operation_to(self, wanted: object) -> BoundedCounterOperation | None:
        """Return the operation by which a plain value is saved over this state, None when nothing changes."""
        if isinstance(wanted, float) and wanted == int(wanted):
            wanted = int(wanted)
        if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 0:
            shown = wanted if isinstance(wanted, (int, float)) else type_name(wanted)
            raise OperationError(f"expected a whole number that is not negative, found {shown}")
        difference = wanted - self.value()
        if not difference:
            return None
        return BoundedCounterOperation(add=max(difference, 0), take=max(-difference, 0))

    def greatest_stamp(self) -> str:
        """Return nothing: no clock orders additions."""
        return ""

    def folded(self, dot: Dot) -> BoundedCounter:
        """Return this state: totals are kept by actor, not by dot."""
        return self


def client_of(actor: str) -> str:
    """Return the client whose store's life an actor is.

    >>> client_of("phone~2")
    'phone'
    """
    return actor.partition(INCARNATION_SEPARATOR)[0]
