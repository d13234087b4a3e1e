"""What the doorbell is told of a commit, so that it rings only for those whom it concerns."""

from __future__ import annotations

from collections.abc import Mapping

from solidb_sync.filters.row_filter import RowFilter, shown_row
from solidb_sync.json_value import decode
from solidb_sync.protocol.client_settings import parse_settings
from solidb_sync.server.collect_changes import documents_of
from solidb_sync.server.live.selective_bell import CHANGES_LOOKED_UP_MAX, Commit
from solidb_sync.server.live_copies import has_copies
from solidb_sync.server.storage.backend import ReadSession
from solidb_sync.server.storage.records import Echo
from solidb_sync.server.views.selection import ready_filter

NO_ECHO = Echo("", 0)


def commit_of(session: ReadSession, after: int) -> Commit | None:
    """Return what has changed after a sequence, None when it is so much that everybody is concerned."""
    entries = session.log_after(after, wanted=None, echo=NO_ECHO, limit=CHANGES_LOOKED_UP_MAX + 1)
    if len(entries) > CHANGES_LOOKED_UP_MAX:
        return None
    names = session.collection_ids(None)
    rows = [
        (names[entry.collection], shown_row(names[entry.collection], stored.key, decode(stored.body)))
        for entry, stored in documents_of(session, entries)
        if stored.body is not None
    ]
    return Commit(
        collections=frozenset(names[entry.collection] for entry in entries),
        rows=rows,
        holders=frozenset(session.holders([entry.row for entry in entries])),
    )


def registered_filters(session: ReadSession, client_id: str) -> Mapping[str, RowFilter]:
    """Return the filters a device has registered, by collection, ready to be used; none when it has live copies."""
    if has_copies(session, client_id):
        return {}
    filters = parse_settings(session.settings(client_id).text).filters
    return {collection: ready_filter(collection, wire) for collection, wire in filters.items()}
