"""What the collection of attachments asks of the storage: the texts that may name one."""

from __future__ import annotations

from typing import Protocol


class AttachmentReads(Protocol):
    """Reads of what names attachments."""

    def attachments_after(self, collection: int, row: int, *, limit: int) -> tuple[list[str], int | None]:
        """Return the texts of documents that name an attachment, of the next `limit` rows of a collection.

        And the last of those rows, None when there are no more.
        """

    def attachments_in_conflicts(self) -> list[str]:
        """Return the texts of the sides of conflicts that name an attachment."""
