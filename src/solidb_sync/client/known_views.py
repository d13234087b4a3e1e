"""The views by which the server knows what this device holds of its filtered collections, and how they follow the filters.

For each filtered collection the device keeps which filter its documents stand for, and the number of the server's view.
When the wanted filter is another one, the collection catches up with a new view in a backfill; `base` says what the device
holds when that begins. Taking a filter away is the same, with a view of everything, forgotten at the end.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from solidb_sync.client.scope import NOT_BEGUN, Scope
from solidb_sync.errors import ProtocolError
from solidb_sync.filters.row_filter import filter_identity
from solidb_sync.protocol.messages import ViewBase, WireFilter
from solidb_sync.storage.departures import doubt
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.records import Replica

VIEWS_SETTING = "views"
EVERYTHING = ""
"""The identity of no filter, while one is being taken away."""


class KnownView(Struct, frozen=True, omit_defaults=True):
    """A view: the identity of its filter, the server's number (0: not begun), and what it is caught up from while it is."""

    filter: str
    number: int = 0
    base: ViewBase | None = None


_views = msgspec.json.Decoder(dict[str, KnownView])


def wanted_filters(reader: EngineReader, scope: Scope) -> dict[str, WireFilter]:
    """Return the filters of the subscriptions, for the collections that are synced."""
    return {
        known.collection: WireFilter(known.filter, dict(known.bind_vars or {}))
        for known in reader.subscriptions()
        if known.filter is not None and known.collection in scope
    }


def known_views(reader: EngineReader) -> dict[str, KnownView]:
    """Return the views this device goes by."""
    text = reader.setting(VIEWS_SETTING)
    return _views.decode(text) if text else {}


def _save(engine: StorageEngine, views: Mapping[str, KnownView]) -> None:
    engine.put_setting(VIEWS_SETTING, msgspec.json.encode(views, order="deterministic").decode() if views else None)


def forget_views(engine: StorageEngine) -> None:
    """Forget all views: everything is fetched anew."""
    _save(engine, {})


def must_adopt(reader: EngineReader, filters: Mapping[str, WireFilter]) -> bool:
    """Return whether the views stand for other filters than these."""
    wanted = {name: filter_identity(wire.query, wire.bind_vars) for name, wire in filters.items()}
    known = {name: view.filter for name, view in known_views(reader).items() if view.filter != EVERYTHING}
    return wanted != known


def adopt_filters(engine: StorageEngine, filters: Mapping[str, WireFilter], scope: Scope) -> None:
    """Make the views stand for these filters; a collection whose filter is another one has to catch up."""
    views = known_views(engine)
    for collection in sorted({*views, *filters}):
        wire = filters.get(collection)
        identity = EVERYTHING if wire is None else filter_identity(wire.query, wire.bind_vars)
        before = views.get(collection)
        if collection not in scope:
            views.pop(collection)
        elif before is None or before.filter != identity:
            view = _begun(engine, collection, identity, before)
            if view is None:
                views.pop(collection, None)
            else:
                views[collection] = view
    _save(engine, views)


def _begun(engine: StorageEngine, collection: str, identity: str, before: KnownView | None) -> KnownView | None:
    """Return the view to begin, None when none is needed; the backfill that it takes is noted."""
    replica = engine.replica()
    if replica.cursor == 0 and (before is None or before.base is None):
        if not replica.is_resyncing:
            doubt(engine, collection)
        return None if identity == EVERYTHING else KnownView(identity)
    base = _base(engine, replica, collection, before)
    if not base.view and not base.whole:
        doubt(engine, collection)
    engine.add_collection(collection)
    if engine.backfills().get(collection) != NOT_BEGUN:
        engine.put_backfill(collection, 0)
    return KnownView(identity, base=base)


def _base(engine: StorageEngine, replica: Replica, collection: str, before: KnownView | None) -> ViewBase:
    """Return what this device holds of a collection whose filter changes."""
    if before is not None and before.number:
        return ViewBase(view=before.number, cursor=replica.cursor, settled=before.base is None)
    if before is not None:
        return before.base or ViewBase()
    is_covered = replica.covered is None or collection in replica.covered
    if is_covered and collection not in engine.backfills():
        return ViewBase(whole=True, cursor=replica.cursor)
    return ViewBase()


def with_numbers(views: dict[str, KnownView], numbers: Mapping[str, int]) -> dict[str, KnownView]:
    """Return views with the numbers the server has given them."""
    if not numbers:
        return views
    return {name: replace(view, number=numbers.get(name, view.number)) for name, view in views.items()}


def note_numbers(engine: StorageEngine, numbers: Mapping[str, int]) -> None:
    """Keep the numbers of views that the server has begun."""
    if numbers:
        _save(engine, with_numbers(known_views(engine), numbers))


def settle_view(engine: StorageEngine, collection: str) -> None:
    """Note that a collection has caught up with its view; a view of everything is no longer needed."""
    views = known_views(engine)
    view = views.get(collection)
    if view is None:
        return
    if view.filter == EVERYTHING:
        del views[collection]
    else:
        views[collection] = replace(view, base=None)
    _save(engine, views)


def begin_again(engine: StorageEngine, collections: list[str]) -> None:
    """Begin new views in the place of those that the server can't go by; what it does not send again has to go."""
    views, replica = known_views(engine), engine.replica()
    for collection in collections:
        if collection not in views:
            raise ProtocolError(f"views_lost: {collection[:64]!r} has no filter here")
        doubt(engine, collection)
        view = KnownView(views[collection].filter)
        if replica.cursor or view.filter == EVERYTHING:
            view = replace(view, base=ViewBase())
            engine.put_backfill(collection, 0)
        else:
            engine.drop_backfill(collection)
        views[collection] = view
    _save(engine, views)
