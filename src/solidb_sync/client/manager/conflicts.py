"""Conflicts: the log, and those that wait for somebody to decide."""

from __future__ import annotations

from solidb_sync.client.conflicts import Conflict, ConflictStatus, public_conflict
from solidb_sync.client.manager.parts import ManagerParts


class ConflictMethods(ManagerParts):
    """What could not be kept side by side."""

    async def conflict_log(self) -> list[Conflict]:
        """Return every conflict found so far, oldest first, with both versions and the base."""
        return [public_conflict(conflict) for conflict in self._view(lambda reader: reader.conflicts())]

    async def get_conflicts(self, col: str | None = None) -> list[Conflict]:
        """Return the conflicts that wait for somebody to decide."""
        return [
            conflict
            for conflict in await self.conflict_log()
            if conflict.status is ConflictStatus.PENDING and col in (None, conflict.collection)
        ]
