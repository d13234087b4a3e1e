"""How far a long pull has come, worked out from what every page tells: where it leads, and where the log ends.

What is still to come is estimated from how many documents the stretch of the log so far has brought. That is exact while
documents are as thick in the rest of the log, as they are when a device fetches a database for the first time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

TOLD_EVERY_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far a long pull has come: so far, and about how much there is and how long it takes; None is unknown."""

    documents: int
    documents_total: int | None = None
    bytes: int = 0
    seconds_left: float | None = None


class PullProgress:
    """The progress of one round's pull; `began_at` is the cursor it begins from."""

    def __init__(self, began_at: int, monotonic: Callable[[], float]) -> None:
        self._began_at = began_at
        self._monotonic = monotonic
        self._begun = self._told = monotonic()
        self._documents = 0
        self._bytes = 0

    def page(self, *, cursor: int, target: int, documents: int, content_bytes: int) -> SyncProgress | None:
        """Take note of a page that leads to `cursor`; return how far things are when it is time to say so again."""
        self._documents += documents
        self._bytes += content_bytes
        now = self._monotonic()
        if cursor < target and now - self._told < TOLD_EVERY_SECONDS:
            return None
        self._told = now
        done, left = cursor - self._began_at, max(target - cursor, 0)
        if done <= 0:
            return SyncProgress(self._documents, bytes=self._bytes)
        return SyncProgress(
            documents=self._documents,
            documents_total=self._documents + round(self._documents * left / done),
            bytes=self._bytes,
            seconds_left=(now - self._begun) * left / done,
        )
