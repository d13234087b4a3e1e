"""A set that only grows: joining is the union.

>>> tags = GrowSet().applied(GrowSetOperation(frozenset({'"new"'})), Authorship(Dot("phone", 1)))
>>> tags.join(GrowSet(frozenset({'"big"'}))).value()
['big', 'new']

Source: Shapiro et al., INRIA RR-7506, 2011, specification 11 (G-Set).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from solidb_sync.json_value import type_name
from solidb_sync.model.crdt.authorship import Authorship, OperationError
from solidb_sync.model.crdt.elements import element_text, element_value, read_elements
from solidb_sync.model.version_vector import Dot


@dataclass(frozen=True, slots=True)
class GrowSetOperation:
    """Add elements, given by their texts."""

    add: frozenset[str]

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> GrowSetOperation:
        """Read `{"add": [...]}`."""
        return cls(read_elements(fields.get("add"), ".add"))

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        return {"add": [element_value(text) for text in sorted(self.add)]}


@dataclass(frozen=True, slots=True)
class GrowSet:
    """The state of a set: the texts of its elements."""

    elements: frozenset[str] = frozenset()

    @classmethod
    def from_plain(cls, value: object, dot: Dot) -> GrowSet:
        """Return the set that a plain array becomes; elements that are there twice are one."""
        if not isinstance(value, list):
            raise OperationError(f"expected an array, found {type_name(value)}")
        return cls(frozenset(map(element_text, value)))

    @classmethod
    def from_json(cls, state: Any) -> GrowSet:
        """Read the stored form."""
        return cls(frozenset(map(element_text, state)))

    def to_json(self) -> Any:
        """Return the stored form: the elements in the order of their texts."""
        return self.value()

    def join(self, other: GrowSet) -> GrowSet:
        """Return the union."""
        return GrowSet(self.elements | other.elements)

    def delta(self, operation: GrowSetOperation, author: Authorship) -> GrowSet:
        """Return the little state whose join is the effect of an operation."""
        return GrowSet(operation.add)

    def applied(self, operation: GrowSetOperation, author: Authorship) -> GrowSet:
        """Return the state after an operation."""
        return self.join(self.delta(operation, author))

    def value(self) -> list[Any]:
        """Return the plain value: the elements in the order of their texts, so that all replicas show the same."""
        return [element_value(text) for text in sorted(self.elements)]

    def element_count(self) -> int:
        """Return how many entries the state has."""
        return len(self.elements)

    def operation_to(self, wanted: object) -> GrowSetOperation | None:
        """Return the operation by which a plain value is saved over this state; what it leaves out stays."""
        if not isinstance(wanted, list):
            raise OperationError(f"expected an array, found {type_name(wanted)}")
        new = frozenset(map(element_text, wanted)) - self.elements
        return GrowSetOperation(new) if new else None

    def greatest_stamp(self) -> str:
        """Return nothing: no clock orders additions."""
        return ""

    def folded(self, dot: Dot) -> GrowSet:
        """Return this state: it has no dots."""
        return self
