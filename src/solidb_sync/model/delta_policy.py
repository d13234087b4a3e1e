"""When the fields of an edit are sent, and when the whole document is.

The result is the same: this only weighs bytes against the chance that the other end has to ask for the whole document.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeltaPolicy:
    """Whole documents for the collections in `whole`, and past the `threshold`, a part of the document from 0 to 1."""

    threshold: float
    whole: frozenset[str] = frozenset()

    def sends_fields(self, collection: str, *, delta_bytes: int, document_bytes: int) -> bool:
        """Return whether fields that take so many bytes are sent, rather than the document.

        With a threshold of 0 they never are, with 1 unless they are no shorter than the document.

        >>> policy = DeltaPolicy(0.5, frozenset({"photos"}))
        >>> policy.sends_fields("notes", delta_bytes=50, document_bytes=100)
        True
        >>> policy.sends_fields("notes", delta_bytes=51, document_bytes=100)
        False
        >>> policy.sends_fields("photos", delta_bytes=5, document_bytes=100)
        False
        """
        if collection in self.whole or delta_bytes >= document_bytes:
            return False
        return delta_bytes <= self.threshold * document_bytes
