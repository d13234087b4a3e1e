"""What the server remembers of the documents that a filtered device holds: its *views*.

A view is the record of one collection on one device under one filter: which documents may be there. It always holds at
least what the device holds, because a document that stops matching is taken away only if it is in it. Views are
numbered; a device names the one it goes by in every request, so that a store that went back in time, or an old request,
never goes by a record that is not its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol


class RowState(IntEnum):
    """How surely a device holds a document of its view.

    HELD: since the sequence beside it, as soon as the device's cursor has passed that. LEAVING: it was told at that
    sequence to drop it. UNSURE: it may hold it, or an edit of its own on top of nothing. SENT: sent whole while the view
    was being begun.
    """

    HELD = 1
    LEAVING = 2
    UNSURE = 3
    SENT = 4


class View(NamedTuple):
    """A view. `filter` is the identity of its filter, empty for all documents.

    `is_settled` is false until the device has caught up with it. `floor` is the highest sequence at which a document was
    told to leave and is forgotten: whoever comes from before that may hold more than the view says.
    """

    number: int
    client_id: str
    collection: str
    filter: str
    is_settled: bool
    floor: int


class ViewRow(NamedTuple):
    """A document of a view: its row in the database, how surely it is held, and since when."""

    row: int
    since: int
    state: RowState


class ViewReads(Protocol):
    """What can be asked about views."""

    def views_of(self, client_id: str) -> list[View]:
        """Return the views of a device, oldest first."""

    def view_rows(self, view: int, rows: Sequence[int]) -> dict[int, ViewRow]:
        """Return those of these documents that are in a view."""

    def has_left(self, view: int, upto: int) -> bool:
        """Return whether a document of the view was told to leave at or below a sequence."""

    def holders(self, rows: Sequence[int]) -> set[str]:
        """Return the devices that have one of these documents in a view."""


class ViewWrites(ViewReads, Protocol):
    """What can be done with views."""

    def add_view(self, client_id: str, collection: str, filter_: str, *, is_settled: bool) -> int:
        """Add an empty view and return its number, greater than all before."""

    def copy_view(self, base: View, view: int, *, cursor: int) -> None:
        """Fill a new view with what a device with this cursor may hold by an older one."""

    def fill_with_collection(self, view: int, collection: str, *, cursor: int, horizon: int) -> None:
        """Fill a new view with what a device has that holds the collection up to a cursor, and nothing beyond a horizon."""

    def fill_with_own(self, view: int, collection: str, client_id: str) -> None:
        """Add the documents that the device has edited itself, unless they are in the view already."""

    def put_view_rows(self, view: int, rows: Sequence[ViewRow]) -> None:
        """Insert or replace documents of a view."""

    def drop_left(self, view: int, upto: int) -> None:
        """Forget the documents that were told to leave at or below a sequence, and raise the floor to there."""

    def settle_view(self, view: int) -> None:
        """Note that the device has caught up with a view: what was sent is held."""

    def drop_views(self, numbers: Sequence[int]) -> None:
        """Forget views with all their documents."""

    def add_pushed(self, client_id: str, *, after: int) -> None:
        """Take the documents changed after a sequence, by an edit of this device, into its views of their collections."""
