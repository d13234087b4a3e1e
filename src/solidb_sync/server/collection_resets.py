"""A collection that is emptied or dropped as a whole: one mark in the log instead of a tombstone for every document.

Devices learn of it by name with the page that leads past the mark, and drop what they hold. Unsent edits stay: those of
an emptied collection make its documents anew, those of a dropped one are refused, until their device has learned of it.
"""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from solidb_sync.server.storage.backend import ReadSession, WriteSession
from solidb_sync.server.storage.records import Reset
from solidb_sync.server.sync_request import SyncCall


def reset_collection(session: WriteSession, name: str, *, is_dropped: bool) -> int:
    """Empty or drop a collection and return the sequence of that; 0, with no effect, when there is none."""
    newest = session.head().newest + 1
    if not session.reset_collection(Reset(name, newest, is_dropped)):
        return 0
    session.save_newest(newest)
    return newest


def may_hold_something(call: SyncCall) -> bool:
    """Return whether a device may hold anything: who reads from the beginning and has never edited anything does not.

    What it has sent it may not know to have arrived; and in a later incarnation it may have sent something in one before.
    """
    if not call.cursor and call.pushes is None and call.views:
        return False  # it catches up with a view, and is told of each document it holds
    return bool(call.cursor or call.acknowledged or call.last_counter or call.actor != call.client_id)


def resets_for(session: ReadSession, call: SyncCall, upto: int) -> list[str] | UnsetType:
    """Return the collections a device asks about that were reset in the stretch its page is about; unset for none."""
    if not may_hold_something(call) or upto <= call.cursor:
        return UNSET
    asked, excluded = call.collections, set(call.excluded)
    names = [
        reset.collection
        for reset in session.resets_after(call.cursor)
        if reset.seq <= upto and reset.collection not in excluded and (asked is None or reset.collection in asked)
    ]
    return names or UNSET


def dropped_since(session: ReadSession, cursor: int) -> set[str]:
    """Return the collections that were dropped after a cursor."""
    return {reset.collection for reset in session.resets_after(cursor) if reset.is_dropped}
