"""A map whose keys can be removed: a removal takes away what its author had seen, and a put it had not seen wins.

Concurrent puts of one key are all kept until an edit that has seen them takes their place; shown is the one with the
greatest stamp of the hybrid logical clock, then of the greatest actor.

>>> first = ObservedRemoveMap().applied(ObservedRemoveMapOperation({"theme": "dark"}), Authorship(Dot("phone", 1)))
>>> gone = first.applied(
...     ObservedRemoveMapOperation(removed=frozenset({"theme"})), Authorship(Dot("phone", 2), VersionVector({"phone": 1})))
>>> other = ObservedRemoveMap().applied(ObservedRemoveMapOperation({"theme": "light"}), Authorship(Dot("laptop", 1)))
>>> gone.value(), gone.join(other).value()
({}, {'theme': 'light'})

Source: see `causal`; the map of the same paper, section 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from solidb_sync.json_value import type_name
from solidb_sync.model.crdt.authorship import Authorship, OperationError
from solidb_sync.model.crdt.causal import NO_ENTRIES, CausalContext, CausalEntries, Payload
from solidb_sync.model.crdt.elements import ELEMENTS_PER_OPERATION_MAX, element_text, element_value
from solidb_sync.model.version_vector import EMPTY_VECTOR, Dot, VersionVector


@dataclass(frozen=True, slots=True)
class ObservedRemoveMapOperation:
    """Remove keys, then put some."""

    put: Mapping[str, Any] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> ObservedRemoveMapOperation:
        """Read `{"put": {...}, "remove": [...]}`, either of which may be missing."""
        if not {"put", "remove"} & fields.keys():
            raise OperationError(": expected put or remove, found neither")
        put, removed = fields.get("put", {}), fields.get("remove", [])
        if not isinstance(put, dict):
            raise OperationError(f".put: expected an object, found {type_name(put)}")
        if not isinstance(removed, list) or not all(isinstance(name, str) for name in removed):
            raise OperationError(".remove: expected an array of keys, which are strings")
        if len(put) + len(removed) > ELEMENTS_PER_OPERATION_MAX:
            raise OperationError(f": {len(put) + len(removed)} keys, at most {ELEMENTS_PER_OPERATION_MAX} in one operation")
        return cls(put, frozenset(removed))

    def to_json(self) -> dict[str, Any]:
        """Return the wire form."""
        parts = {"put": dict(self.put), "remove": sorted(self.removed)}
        return {name: part for name, part in parts.items() if part} or {"put": {}}


@dataclass(frozen=True, slots=True)
class ObservedRemoveMap:
    """The state of a map: for each key the dots that put it, with stamp and value."""

    kept: CausalEntries = NO_ENTRIES

    @classmethod
    def from_plain(cls, value: object, dot: Dot) -> ObservedRemoveMap:
        """Return the map that a plain object becomes, as if the edit that wrote it had put each key."""
        if not isinstance(value, dict):
            raise OperationError(f"expected an object, found {type_name(value)}")
        entries = {name: {dot: Payload("", element_text(inner))} for name, inner in value.items()}
        return cls(CausalEntries(entries))

    @classmethod
    def from_json(cls, state: Any, vector: VersionVector = EMPTY_VECTOR) -> ObservedRemoveMap:
        """Read the stored form; `vector` is what the document has seen."""
        entries = {
            name: {Dot(actor, counter): Payload(stamp, element_text(value)) for actor, counter, stamp, value in puts}
            for name, puts in state.items()
        }
        return cls(CausalEntries(entries, CausalContext(vector)))

    def to_json(self) -> Any:
        """Return the stored form, `{key: [[actor, counter, stamp, value], ...]}` in order; the context is left out."""
        return {
            name: [[*dot, dots[dot].stamp, element_value(dots[dot].text)] for dot in sorted(dots)]
            for name, dots in sorted(self.kept.entries.items())
        }

    def join(self, other: ObservedRemoveMap) -> ObservedRemoveMap:
        """Return the least state that includes both."""
        return ObservedRemoveMap(self.kept.join(other.kept))

    def delta(self, operation: ObservedRemoveMapOperation, author: Authorship) -> ObservedRemoveMap:
        """Return the little state whose join is the effect of an operation."""
        put = _payloads(operation, author)
        return ObservedRemoveMap(self.kept.delta(put, operation.removed, dot=author.dot, base=author.base))

    def applied(self, operation: ObservedRemoveMapOperation, author: Authorship) -> ObservedRemoveMap:
        """Return the state after an operation."""
        put = _payloads(operation, author)
        return ObservedRemoveMap(self.kept.after(put, operation.removed, dot=author.dot, base=author.base))

    def value(self) -> dict[str, Any]:
        """Return the plain value, with its keys in order."""
        return {name: element_value(text) for name, text in sorted(self.kept.shown().items())}

    def element_count(self) -> int:
        """Return how many entries the state has."""
        return self.kept.count()

    def operation_to(self, wanted: object) -> ObservedRemoveMapOperation | None:
        """Return the operation by which a plain value is saved over this state, None when nothing changes."""
        if not isinstance(wanted, dict):
            raise OperationError(f"expected an object, found {type_name(wanted)}")
        before = self.kept.shown()
        put = {name: value for name, value in wanted.items() if before.get(name) != element_text(value)}
        removed = frozenset(before.keys() - wanted.keys())
        return ObservedRemoveMapOperation(put, removed) if put or removed else None

    def greatest_stamp(self) -> str:
        """Return the greatest stamp of the puts there are."""
        return max((payload.stamp for dots in self.kept.entries.values() for payload in dots.values()), default="")

    def folded(self, dot: Dot) -> ObservedRemoveMap:
        """Return this state with one dot in the place of all others."""
        return ObservedRemoveMap(self.kept.folded(dot))


def _payloads(operation: ObservedRemoveMapOperation, author: Authorship) -> dict[str, Payload]:
    return {name: Payload(author.stamp, element_text(value)) for name, value in operation.put.items()}
