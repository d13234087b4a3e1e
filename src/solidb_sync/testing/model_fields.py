"""What the replicated fields of a simulated document must show, worked out from the operations that the server has taken.

Each type has one field, which plain edits never touch. The rules are the definitions themselves: a counter is a sum, a set
is what was added and not removed by somebody who had seen it. Operations are never lost, whatever becomes of their document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COUNTER, GROWING, SET, MAP, REGISTER = "n", "g", "s", "m", "w"
FIELD_NAMES = frozenset({COUNTER, GROWING, SET, MAP, REGISTER})
STAMPED = frozenset({MAP, REGISTER})
"""Fields whose operations go by their author's clock: the server may give them another stamp than they came with."""

Operations = Mapping[str, Mapping[str, Any]]


def plain(body: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a document without its replicated fields."""
    if body is None or FIELD_NAMES.isdisjoint(body):
        return body
    return {name: value for name, value in body.items() if name not in FIELD_NAMES}


@dataclass(slots=True)
class FieldsTruth:
    """The replicated fields of one document: every operation that was taken, with who made it and what that one had seen."""

    used: set[str] = field(default_factory=set)
    total: int = 0
    grown: set[str] = field(default_factory=set)
    added: dict[str, str] = field(default_factory=dict)
    """The elements in the set, by the edit that put each there."""
    puts: dict[str, tuple[str, Any]] = field(default_factory=dict)
    written: list[Any] = field(default_factory=list)

    def take(self, change_id: str, operations: Operations, knew: frozenset[str]) -> None:
        """Add the operations of an edit, in the order the server took them."""
        for name, operation in operations.items():
            self.used.add(name)
            match name:
                case "n":
                    self.total += operation["add"]
                case "g":
                    self.grown.update(operation["add"])
                case "s":
                    self._change_set(change_id, operation.get("add", ()), operation.get("remove", ()), knew)
                case "m":
                    self._change_map(change_id, operation.get("put", {}), operation.get("remove", ()), knew)
                case _:
                    self.written.append(operation["set"])

    def _change_set(self, change_id: str, add: Sequence[str], remove: Sequence[str], knew: frozenset[str]) -> None:
        gone = {*remove, *add}  # who adds an element again has its own addition stand for those it had seen
        self.added = {edit: element for edit, element in self.added.items() if element not in gone or edit not in knew}
        for element in add:
            self.added[change_id] = element

    def _change_map(self, change_id: str, put: Mapping[str, Any], remove: Sequence[str], knew: frozenset[str]) -> None:
        gone = {*remove, *put}
        self.puts = {edit: entry for edit, entry in self.puts.items() if entry[0] not in gone or edit not in knew}
        for name, value in put.items():
            self.puts[change_id] = (name, value)

    def problem(self, body: dict[str, Any]) -> tuple[str, str] | None:
        """Return which promise a live document breaks, and how; None when it shows what it must."""
        shown = {name: body[name] for name in FIELD_NAMES if name in body}
        if shown.keys() != self.used:
            return "31 counter conservation", f"shows the fields {sorted(shown)}, operations were on {sorted(self.used)}"
        if shown.get(COUNTER, 0) != self.total:
            return "31 counter conservation", f"counts {shown[COUNTER]}, all that was added comes to {self.total}"
        if set(shown.get(GROWING, ())) != self.grown:
            return "33 add-wins", f"has {shown[GROWING]} in a set that only grows, {sorted(self.grown)} was added"
        if set(shown.get(SET, ())) != set(self.added.values()):
            return "33 add-wins", f"has {shown[SET]} in a set, {sorted(self.added.values())} was added and not removed"
        return self._map_problem(shown.get(MAP, {}))

    def _map_problem(self, shown: Mapping[str, Any]) -> tuple[str, str] | None:
        entries: dict[str, list[Any]] = {}
        for name, value in self.puts.values():
            entries.setdefault(name, []).append(value)
        if shown.keys() != entries.keys() or any(shown[name] not in values for name, values in entries.items()):
            return "33 add-wins", f"has {shown} in a map, {entries} was put and not removed"
        return None
