"""A register: one value, the one written last by a clock that never goes back.

The write with the greater stamp of the hybrid logical clock stays; among equal stamps the greater actor, then its later
edit. That order is total, so all replicas agree. Who writes over a value it has seen always wins, whatever the clocks say.

>>> phone = Register().applied(RegisterOperation("Oslo"), Authorship(Dot("phone", 1), stamp="0001"))
>>> laptop = Register().applied(RegisterOperation("Rome"), Authorship(Dot("laptop", 1), stamp="0001"))
>>> phone.join(laptop).value(), laptop.join(phone).value()
('Oslo', 'Oslo')

Source: Shapiro et al., INRIA RR-7506, 2011, specification 8 (LWW-Register); the clock: S. Kulkarni et al., "Logical
Physical Clocks", OPODIS 2014.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from solidb_sync.model.crdt.authorship import Authorship, OperationError
from solidb_sync.model.crdt.elements import element_text, element_value
from solidb_sync.model.hybrid_clock import next_stamp
from solidb_sync.model.version_vector import Dot

NOTHING_WRITTEN = Dot("", 0)


@dataclass(frozen=True, slots=True)
class RegisterOperation:
    """Write a value."""

    value: Any

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> RegisterOperation:
        """Read `{"set": value}`."""
        if "set" not in fields:
            raise OperationError(".set: expected a value, found nothing")
        return cls(fields["set"])

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {"set": self.value}


@dataclass(frozen=True, slots=True)
class Register:
    """The state of a register: the text of its value, the stamp of the write and its dot."""

    text: str = "null"
    stamp: str = ""
    dot: Dot = NOTHING_WRITTEN

    @classmethod
    def from_plain(cls, value: object, dot: Dot) -> Register:
        """Return the register that a plain value becomes: older than every write to it."""
        return cls(element_text(value), "", dot)

    @classmethod
    def from_json(cls, state: Any) -> Register:
        """Read the stored form."""
        value, stamp, actor, counter = state
        return cls(element_text(value), stamp, Dot(actor, counter))

    def to_json(self) -> Any:
        """Return the stored form, `[value, stamp, actor, counter]`."""
        return [self.value(), self.stamp, *self.dot]

    def join(self, other: Register) -> Register:
        """Return the later of the two."""
        return max(self, other, key=_order)

    def delta(self, operation: RegisterOperation, author: Authorship) -> Register:
        """Return the little state whose join is the effect of an operation.

        Its stamp is raised beyond that of a value which the author had seen, where a clock stood behind.
        """
        written = Register(element_text(operation.value), author.stamp, author.dot)
        if author.base.covers(self.dot) and _order(written) <= _order(self):
            written = replace(written, stamp=next_stamp(now_ms=0, seen=self.stamp))
        return written

    def applied(self, operation: RegisterOperation, author: Authorship) -> Register:
        """Return the state after an operation."""
        return self.join(self.delta(operation, author))

    def value(self) -> Any:
        """Return the plain value."""
        return element_value(self.text)

    def element_count(self) -> int:
        """Return how many entries the state has."""
        return 1

    def operation_to(self, wanted: object) -> RegisterOperation | None:
        """Return the operation by which a plain value is saved over this state, None when nothing changes."""
        return None if element_text(wanted) == self.text else RegisterOperation(wanted)

    def greatest_stamp(self) -> str:
        """Return the stamp of the write that is shown."""
        return self.stamp

    def folded(self, dot: Dot) -> Register:
        """Return this state with another dot in the place of its own."""
        return replace(self, dot=dot)


def _order(written: Register) -> tuple[str, str, int, str]:
    return written.stamp, written.dot.actor, written.dot.counter, written.text
