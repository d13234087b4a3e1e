"""What is known of one device: how far it has come, when it was last here, what it still has to fetch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from solidb_sync.clock import iso_text
from solidb_sync.json_value import decode
from solidb_sync.protocol.client_settings import parse_settings
from solidb_sync.protocol.limits import PULL_CHANGES_MAX
from solidb_sync.protocol.messages import StatusAnswer
from solidb_sync.server.collect_changes import PullQuery, asked_collections
from solidb_sync.server.storage.backend import ReadSession
from solidb_sync.server.storage.records import ClientNote, Echo
from solidb_sync.server.views.selected_changes import count_selected
from solidb_sync.server.views.selection import ViewCall, standing

EVERYTHING = '{"names":null,"excluded":[]}'


def _pending(session: ReadSession, note: ClientNote, asked: Mapping[str, Any], wanted: list[int] | None) -> int:
    """Return how many documents a pull to the end would bring, as things stand."""
    cursor, echo = min(note.cursor, session.head().newest), Echo(note.actor, note.acknowledged)
    filters = parse_settings(session.settings(note.client_id).text).filters
    if filters:
        call = ViewCall(
            client_id=note.client_id,
            filters=filters,
            asked=None if asked["names"] is None else frozenset(asked["names"]),
            excluded=frozenset(asked["excluded"]),
            numbers=asked.get("views", {}),
            base=None,
            cursor=cursor,
            stored=cursor,
        )
        query = PullQuery(cursor, PULL_CHANGES_MAX, asked["names"], echo, excluded=asked["excluded"])
        return count_selected(session, query, standing(session, call, is_trial=True), caught_up=asked.get("caught_up", 0))
    count, at = 0, cursor
    while True:
        count += session.count_after(at, wanted=wanted, echo=echo)
        bound = session.scanned_to(at)
        if bound is None:
            return count
        at = bound


def sync_status(session: ReadSession, client_id: str, unwritten: ClientNote | None) -> StatusAnswer:
    """Return what the server knows of a device; the next pull would send `pending_for_client` documents."""
    newest = session.head().newest
    note = unwritten or session.client(client_id) or ClientNote(client_id, client_id, 0, 0, EVERYTHING, None)
    actor = session.actor(note.actor)
    asked = decode(note.collections)
    found = asked_collections(session, asked["names"], asked["excluded"])
    wanted = list(found) if asked["names"] is not None or asked["excluded"] else None
    pending = _pending(session, note, asked, wanted)
    synced = sorted(found.values()) if asked["names"] is None else asked["names"]
    own = {note.actor: actor.highest} if actor is not None else {}
    return StatusAnswer(
        client_id=client_id,
        server_version={**own, "server": newest},
        pending_for_client=pending,
        last_sync=None if note.last_sync_ms is None else iso_text(note.last_sync_ms),
        collections_synced=synced if note.last_sync_ms is not None else [],
        filters=parse_settings(session.settings(client_id).text).filters,
    )
