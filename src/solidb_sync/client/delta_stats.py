"""How much the last round of sync saved by sending fields instead of documents."""

from __future__ import annotations

from dataclasses import dataclass

from solidb_sync.storage.outbox import Batch


@dataclass(frozen=True, slots=True)
class DeltaStats:
    """Bytes of what a round moved, both ways: as it was sent, and with whole documents only; 0 before the first round.

    What a device sends is counted as whole changes, what it gets as fields and documents.
    """

    delta_size: int = 0
    full_size: int = 0
    documents: int = 0

    @property
    def ratio(self) -> float:
        """The part that had to be sent, from 0 to 1; 0 when there was nothing to send."""
        return self.delta_size / self.full_size if self.full_size else 0.0

    def __add__(self, other: DeltaStats) -> DeltaStats:
        return DeltaStats(
            self.delta_size + other.delta_size, self.full_size + other.full_size, self.documents + other.documents
        )


NO_DELTAS = DeltaStats()


def pushed_sizes(batch: Batch) -> DeltaStats:
    """Return what the changes of a request took."""
    sent = sum(form.sent_bytes for form in batch.forms)
    return DeltaStats(sent, sum(form.full_bytes for form in batch.forms), len(batch.forms))
