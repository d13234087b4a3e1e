"""What maintenance asks of the storage: which tombstones can go, and whose vectors can be written shorter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Tombstone(NamedTuple):
    """A deleted document: its collection's number, its row and the sequence of its deletion."""

    collection: int
    row: int
    seq: int


class Knowledge(NamedTuple):
    """What is known of the edits in a document: its collection's number, its row, its sequence, vector and field dots."""

    collection: int
    row: int
    seq: int
    vector: str
    dots: str


class MaintenanceWrites(Protocol):
    """Reads and writes of maintenance, inside one transaction."""

    def least_stable(self, *, seen_since_ms: int) -> int | None:
        """Return the least `stable` of the devices that were here since a time; None when there is none of them."""

    def old_tombstones(self, *, upto: int, deleted_before_ms: int, limit: int) -> list[Tombstone]:
        """Return tombstones up to a sequence that are older than a time, without replicated fields and open conflicts."""

    def drop_tombstones(self, tombstones: Sequence[Tombstone]) -> None:
        """Forget deleted documents, with all that is kept about them, and raise the floor to the newest of them."""

    def compacted(self) -> int:
        """Return up to which sequence vectors have been compacted."""

    def documents_between(self, after: int, upto: int, *, limit: int) -> list[Knowledge]:
        """Return the live documents whose latest change is in this stretch of the log, in order; `limit` bounds the scan.

        Those with replicated fields are left out: their states go by their vectors.
        """

    def scan_end(self, after: int, upto: int, *, limit: int) -> int:
        """Return the sequence at which `documents_between` stops: `upto` when the limit is not met."""

    def save_compacted(self, documents: Sequence[Knowledge], upto: int) -> None:
        """Write shorter vectors and dots, and remember how far that has come."""
