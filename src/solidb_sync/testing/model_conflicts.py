"""Which conflicts are open, worked out from the order in which edits were accepted: what people still have to decide.

A device has at most one open conflict about a document: a further one takes its place, an accepted edit that says so
settles it. Nothing here reads a log of the engine's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

ID_PREFIX = "conflict-"
OPEN, SETTLED, REPLACED = "pending", "resolved", "replaced"

Topic = tuple[str, tuple[str, str]]
"""A client and the document its conflict is about."""


@dataclass(slots=True)
class ConflictsTruth:
    """How each conflict that was left to people stands, by the change that met it."""

    status: dict[str, str] = field(default_factory=dict)
    settled_at: dict[str, int] = field(default_factory=dict)
    """The sequence of the edit that settled each."""
    _open: dict[Topic, str] = field(default_factory=dict)
    _topics: dict[str, Topic] = field(default_factory=dict)

    def settle(self, conflicts: Sequence[str], place: tuple[str, str], seq: int) -> None:
        """Take in that an accepted edit of a document settles these conflicts."""
        for change_id in map(change_of, conflicts):
            if self.status.get(change_id) == OPEN and self._topics[change_id][1] == place:
                self.status[change_id] = SETTLED
                self.settled_at[change_id] = seq
                del self._open[self._topics[change_id]]

    def leave_open(self, change_id: str, client: str, place: tuple[str, str]) -> None:
        """Take in that an edit met a conflict that nothing decides by itself."""
        topic = client, place
        older = self._open.get(topic)
        if older is not None:
            self.status[older] = REPLACED
        self.status[change_id] = OPEN
        self._open[topic], self._topics[change_id] = change_id, topic

    def open_of(self, client: str) -> set[str]:
        """Return the conflicts of a client that are open, by the changes that met them."""
        return {change_id for (owner, _), change_id in self._open.items() if owner == client}


def change_of(conflict_id: str) -> str:
    """Return the change that met a conflict."""
    return conflict_id.removeprefix(ID_PREFIX)
