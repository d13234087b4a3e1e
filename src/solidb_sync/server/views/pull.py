"""Pull for a device with filters: find its views, collect the page, and write what becomes of them before it goes out.

Most pulls change nothing in the views and are read like any other. Only when a document enters or leaves a view is there
a transaction to wait for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from solidb_sync.server.client_settings import settings_of
from solidb_sync.server.collect_changes import Page, PullQuery
from solidb_sync.server.databases import Database
from solidb_sync.server.live_copies import is_due
from solidb_sync.server.storage.backend import ReadSession, WriteSession
from solidb_sync.server.sync_request import SyncCall
from solidb_sync.server.views.selected_changes import SelectedPage, collect_selected
from solidb_sync.server.views.selection import Standing, ViewCall, establish, standing


@dataclass(slots=True)
class Pulled:
    """A page, the views that it begins, and those that can't be gone by (then the page is empty)."""

    page: Page
    views: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Ready:
    """A page that was read, and by what."""

    standing: Standing
    selected: SelectedPage | None


def view_call(session: ReadSession, call: SyncCall) -> ViewCall | None:
    """Return what a request says of its views, None when its device has no filters and no views left from any."""
    filters = settings_of(session, call.client_id, call.named_settings).filters
    if not filters and call.view_base is None and not session.views_of(call.client_id):
        return None
    return ViewCall(
        client_id=call.client_id,
        filters=filters,
        asked=None if call.collections is None else frozenset(call.collections),
        excluded=frozenset(call.excluded),
        numbers=call.views,
        base=call.view_base,
        cursor=call.cursor,
        stored=call.stored,
        horizon=call.horizon,
        is_by_hand=not call.protocol,
    )


async def pull_selected(database: Database, call: ViewCall, query: PullQuery, *, caught_up: int, now_ms: int) -> Pulled:
    """Return the next page by the views of a device; what becomes of them is durable then."""
    ready = await database.read(lambda session: _read(session, call, query, caught_up), is_small=False)
    stands, selected = ready.standing, ready.selected
    if stands.shows_copy and await database.read(lambda session: is_due(session, call.client_id, now_ms)):
        await database.write(lambda session: session.note_copies(call.client_id, now_ms))
    if stands.lost:
        return Pulled(_nothing(query), lost=stands.lost)
    if selected is not None and not selected.edits:
        return Pulled(selected.page)
    return await database.write(lambda session: _write(session, call, query, caught_up, ready))


def _read(session: ReadSession, call: ViewCall, query: PullQuery, caught_up: int) -> _Ready:
    stands = standing(session, call)
    if stands.lost or stands.needs_writing:
        return _Ready(stands, None)
    return _Ready(stands, collect_selected(session, query, stands.selections, caught_up=caught_up))


def _write(session: WriteSession, call: ViewCall, query: PullQuery, caught_up: int, ready: _Ready) -> Pulled:
    stands, selected = establish(session, call), ready.selected
    if stands.lost:
        return Pulled(_nothing(query), lost=stands.lost)
    is_as_read = stands == ready.standing and selected is not None and selected.page.target_seq == session.head().newest
    if selected is None or not is_as_read:
        selected = collect_selected(session, query, stands.selections, caught_up=caught_up)
    for view, rows in selected.edits.items():
        session.put_view_rows(view, rows)
    views = {collection: stands.selections[collection].view.number for collection in stands.to_begin}
    return Pulled(selected.page, views)


def _nothing(query: PullQuery) -> Page:
    return Page([], query.cursor, False, query.cursor)
