"""A set whose elements can be removed: a removal takes away what its author had seen, and an addition it had not seen wins.

>>> first = ObservedRemoveSet().applied(ObservedRemoveSetOperation(frozenset({'"x"'})), Authorship(Dot("phone", 1)))
>>> seen = VersionVector({"phone": 1})
>>> gone = first.applied(
...     ObservedRemoveSetOperation(removed=frozenset({'"x"'})), Authorship(Dot("phone", 2), seen))
>>> again = first.applied(ObservedRemoveSetOperation(frozenset({'"x"'})), Authorship(Dot("laptop", 1), seen))
>>> gone.value(), gone.join(again).value()
([], ['x'])

Source: see `causal`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from solidb_sync.json_value import type_name
from solidb_sync.model.crdt.authorship import Authorship, OperationError
from solidb_sync.model.crdt.causal import NO_ENTRIES, NOTHING_HELD, CausalContext, CausalEntries
from solidb_sync.model.crdt.elements import element_text, element_value, read_elements
from solidb_sync.model.version_vector import EMPTY_VECTOR, Dot, VersionVector


@dataclass(frozen=True, slots=True)
class ObservedRemoveSetOperation:
    """Remove elements, then add some, both given by their texts."""

    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> ObservedRemoveSetOperation:
        """Read `{"add": [...], "remove": [...]}`, either of which may be missing."""
        if not {"add", "remove"} & fields.keys():
            raise OperationError(": expected add or remove, found neither")
        return cls(read_elements(fields.get("add", []), ".add"), read_elements(fields.get("remove", []), ".remove"))

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        parts = {"add": self.added, "remove": self.removed}
        return {name: [element_value(text) for text in sorted(texts)] for name, texts in parts.items() if texts} or {
            "add": []
        }


@dataclass(frozen=True, slots=True)
class ObservedRemoveSet:
    """The state of a set: for the text of each element the dots that added it."""

    kept: CausalEntries = NO_ENTRIES

    @classmethod
    def from_plain(cls, value: object, dot: Dot) -> ObservedRemoveSet:
        """Return the set that a plain array becomes, as if the edit that wrote it had added the elements."""
        if not isinstance(value, list):
            raise OperationError(f"expected an array, found {type_name(value)}")
        return cls(CausalEntries({element_text(element): {dot: NOTHING_HELD} for element in value}))

    @classmethod
    def from_json(cls, state: Any, vector: VersionVector = EMPTY_VECTOR) -> ObservedRemoveSet:
        """Read the stored form; `vector` is what the document has seen."""
        entries = {
            element_text(value): {Dot(actor, counter): NOTHING_HELD for actor, counter in dots} for value, dots in state
        }
        return cls(CausalEntries(entries, CausalContext(vector)))

    def to_json(self) -> Any:
        """Return the stored form, `[[element, [[actor, counter], ...]], ...]` in order; the context is left out."""
        return [
            [element_value(text), [list(dot) for dot in sorted(dots)]] for text, dots in sorted(self.kept.entries.items())
        ]

    def join(self, other: ObservedRemoveSet) -> ObservedRemoveSet:
        """Return the least state that includes both."""
        return ObservedRemoveSet(self.kept.join(other.kept))

    def delta(self, operation: ObservedRemoveSetOperation, author: Authorship) -> ObservedRemoveSet:
        """Return the little state whose join is the effect of an operation."""
        put = dict.fromkeys(operation.added, NOTHING_HELD)
        return ObservedRemoveSet(self.kept.delta(put, operation.removed, dot=author.dot, base=author.base))

    def applied(self, operation: ObservedRemoveSetOperation, author: Authorship) -> ObservedRemoveSet:
        """Return the state after an operation."""
        put = dict.fromkeys(operation.added, NOTHING_HELD)
        return ObservedRemoveSet(self.kept.after(put, operation.removed, dot=author.dot, base=author.base))

    def value(self) -> list[Any]:
        """Return the plain value: the elements in the order of their texts, so that all replicas show the same."""
        return [element_value(text) for text in sorted(self.kept.entries)]

    def element_count(self) -> int:
        """Return how many entries the state has."""
        return self.kept.count()

    def operation_to(self, wanted: object) -> ObservedRemoveSetOperation | None:
        """Return the operation by which a plain value is saved over this state, None when nothing changes."""
        if not isinstance(wanted, list):
            raise OperationError(f"expected an array, found {type_name(wanted)}")
        after, before = frozenset(map(element_text, wanted)), frozenset(self.kept.entries)
        return ObservedRemoveSetOperation(after - before, before - after) if after != before else None

    def greatest_stamp(self) -> str:
        """Return nothing: no clock orders additions."""
        return ""

    def folded(self, dot: Dot) -> ObservedRemoveSet:
        """Return this state with one dot in the place of all others."""
        return ObservedRemoveSet(self.kept.folded(dot))
