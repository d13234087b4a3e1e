"""Let a page that ends in the middle of the log show every transaction whole.

A device that reads page after page would see one document of a transaction and not yet the others. So a page that is not
the last takes along the current versions of all documents that transactions, since the device last had everything, wrote
with those it shows, in any number of steps. They come again at their place in the log, and change nothing then.

The price is bounded: when more than `TOGETHER_DOCUMENTS_MAX` documents hang together (each sale of a year has touched the
same stock), or they are too long, the page goes without them, and what it shows is whole only when the device has caught up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from solidb_sync.server.storage.backend import ReadSession
from solidb_sync.server.storage.records import Echo, LogEntry, is_echo

TOGETHER_DOCUMENTS_MAX = 1_000
Row = tuple[int, int]
"""The number of a collection, and of a document in it."""


def entries_with(
    session: ReadSession, shown: Iterable[Row], *, upto: int, since: int, wanted: Sequence[int] | None, echo: Echo
) -> list[LogEntry]:
    """Return the entries after `upto` of what belongs together with the documents shown; none when that is too much.

    `since` is the sequence up to which the device has had everything; its own edits that it knows as applied are left out.
    """
    linked = session.linked_documents(list(shown), since=since, limit=TOGETHER_DOCUMENTS_MAX)
    by_collection: dict[int, list[int]] = {}
    for collection, row in linked or ():
        if wanted is None or collection in wanted:
            by_collection.setdefault(collection, []).append(row)
    found = [
        entry
        for collection, rows in by_collection.items()
        for entry in session.entries_of(collection, rows)
        if entry.seq > upto and not is_echo(entry, echo)
    ]
    return sorted(found)
