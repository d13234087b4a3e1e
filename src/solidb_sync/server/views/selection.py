"""Which view a request goes by for each filtered collection, and the upkeep of views between requests.

A device names the view of each of its filtered collections. The server goes by it only if it is this device's, has the
filter the device has registered, and forgets nothing the device may still hold; otherwise it says the view is *lost*, sends
nothing, and the device begins a new one. No request destroys what a later one needs: a view is forgotten only when its
device has shown that it goes by a newer one, and not even then when copies of the device live (`server/live_copies`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from solidb_sync.filters.row_filter import RowFilter, row_filter
from solidb_sync.protocol.messages import ViewBase, WireFilter
from solidb_sync.server.live_copies import has_copies
from solidb_sync.server.storage.backend import ReadSession, WriteSession
from solidb_sync.server.storage.views import View

FILTERS_HELD_MAX = 4_096
"""How many filters are kept ready to be used."""

VIEWS_PER_COLLECTION_MAX = 8
"""How many views of one collection a device may have at once; when requests that begin one come again, the oldest goes."""

EVERYTHING = ""
"""The identity of no filter at all, for a collection whose filter is being taken away."""

_encoder = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class ViewCall:
    """What a request says of its views.

    `asked` are the collections it pulls, None for all; `base` is set while a device catches up with a new filter, and
    then there is one collection. `horizon` is the highest sequence of which the device holds something.
    """

    client_id: str
    filters: Mapping[str, WireFilter]
    asked: frozenset[str] | None
    excluded: frozenset[str]
    numbers: Mapping[str, int]
    base: ViewBase | None
    cursor: int
    stored: int
    horizon: int = 0
    is_by_hand: bool = False

    def pulls(self, collection: str) -> bool:
        """Return whether the request is about a collection."""
        return collection not in self.excluded and (self.asked is None or collection in self.asked)


@dataclass(frozen=True, slots=True)
class Selection:
    """A view with its filter; None is every document."""

    view: View
    filter: RowFilter | None


@dataclass(slots=True)
class Standing:
    """How a request stands: the selections it goes by, views to begin, those that are lost, and what upkeep is due."""

    selections: dict[str, Selection] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    to_begin: list[str] = field(default_factory=list)
    to_settle: list[View] = field(default_factory=list)
    to_drop: list[int] = field(default_factory=list)
    has_left: bool = False
    shows_copy: bool = False
    """True when the device goes by what another device, a copy of it, has had taken away or has left behind."""

    @property
    def needs_writing(self) -> bool:
        """True when something has to be written before the page may be read."""
        return bool(self.to_begin or self.to_settle or self.to_drop or self.has_left)


def ready_filter(collection: str, wire: WireFilter) -> RowFilter:
    """Return a registered filter, ready to be used."""
    return _ready_filter(collection, wire.query, _encoder.encode(wire.bind_vars))


@lru_cache(maxsize=FILTERS_HELD_MAX)
def _ready_filter(collection: str, query: str, bind_vars: bytes) -> RowFilter:
    return row_filter(query, msgspec.json.decode(bind_vars), collection=collection)


def standing(session: ReadSession, call: ViewCall, *, is_trial: bool = False) -> Standing:
    """Return which views a request goes by, without writing anything; for a trial those to begin are there, and empty."""
    stands = Standing()
    views = {view.number: view for view in session.views_of(call.client_id)}
    for collection in _selected(call):
        wire = call.filters.get(collection)
        row_filter_ = None if wire is None else ready_filter(collection, wire)
        identity = EVERYTHING if row_filter_ is None else row_filter_.identity
        number = _number(call, collection, identity, views)
        view = views.get(number or 0)
        stands.shows_copy |= _shows_copy(call, number or 0, views)
        if number == 0 and _may_begin(call, collection, views):
            stands.to_begin.append(collection)
        elif view is None or not _is_right(view, call, collection, identity):
            stands.lost.append(collection)
        else:
            stands.selections[collection] = Selection(view, row_filter_)
        if is_trial and collection not in stands.selections:
            stands.selections[collection] = Selection(View(0, call.client_id, collection, identity, True, 0), row_filter_)
    if call.base is None and not stands.lost:
        _note_upkeep(session, stands, call, list(views.values()))
    return stands


def _selected(call: ViewCall) -> list[str]:
    """Return the collections a request pulls by a view."""
    names = {name for name in call.filters if call.pulls(name)}
    if call.base is not None:
        names |= {name for name in call.numbers if call.pulls(name)}
    return sorted(names)


def _number(call: ViewCall, collection: str, identity: str, views: Mapping[int, View]) -> int | None:
    if not call.is_by_hand:
        return call.numbers.get(collection)
    return max(
        [view.number for view in views.values() if (view.collection, view.filter) == (collection, identity)], default=0
    )


def _may_begin(call: ViewCall, collection: str, views: Mapping[int, View]) -> bool:
    """Return whether a view may be begun by this request: at the beginning, and on a base that is still known here."""
    base = call.base
    if base is None or not base.view:
        return call.cursor == 0 or call.is_by_hand
    view = views.get(base.view)
    return (
        view is not None
        and call.cursor == 0
        and view.collection == collection
        and base.cursor >= view.floor
        and (base.settled or not view.is_settled)
    )


def _is_right(view: View, call: ViewCall, collection: str, identity: str) -> bool:
    if (view.collection, view.filter) != (collection, identity):
        return False
    if call.base is not None:
        return not view.is_settled  # a store from before it had caught up may hold what was told to leave since
    return call.is_by_hand or call.stored >= view.floor


def _shows_copy(call: ViewCall, number: int, views: Mapping[int, View]) -> bool:
    """Return whether a view is named that is gone, or one in ordinary use that is older than one caught up with since."""
    if not number or call.is_by_hand:
        return False
    view = views.get(number)
    if view is None:
        return True
    return call.base is None and any(
        newer.number > number and newer.is_settled and newer.collection == view.collection for newer in views.values()
    )


def _note_upkeep(session: ReadSession, stands: Standing, call: ViewCall, views: list[View]) -> None:
    """Note what the arrival of an ordinary pull proves: that every view it names has been caught up with."""
    named = {collection: selection.view.number for collection, selection in stands.selections.items()}
    stands.to_settle = [selection.view for selection in stands.selections.values() if not selection.view.is_settled]
    stands.has_left = any(session.has_left(number, call.stored) for number in named.values())
    to_drop = [
        view.number
        for view in views
        if view.number < named.get(view.collection, 0)
        or (call.pulls(view.collection) and view.collection not in call.filters)
    ]
    if to_drop and not has_copies(session, call.client_id):
        stands.to_drop = to_drop


def establish(session: WriteSession, call: ViewCall) -> Standing:
    """Do what upkeep is due, begin what views are to be begun, and return which views the request goes by."""
    stands = standing(session, call)
    if stands.lost:
        return stands
    for view in stands.to_settle:
        session.settle_view(view.number)
    session.drop_views(stands.to_drop)
    if call.base is None:
        for selection in stands.selections.values():
            session.drop_left(selection.view.number, call.stored)
    views = {view.number: view for view in session.views_of(call.client_id)}
    begun = {collection: _begin(session, call, collection, views) for collection in stands.to_begin}
    views = {view.number: view for view in session.views_of(call.client_id)}
    kept = {collection: selection.view.number for collection, selection in stands.selections.items()}
    selections = {
        collection: Selection(views[number], _filter_of(call, collection))
        for collection, number in {**kept, **begun}.items()
    }
    return Standing(selections, to_begin=list(begun))


def take_into_views(session: WriteSession, client_id: str, *, after: int) -> None:
    """Take what a device has changed after a sequence into its views: it holds that, whether it matches or not."""
    if session.views_of(client_id):
        session.add_pushed(client_id, after=after)


def _filter_of(call: ViewCall, collection: str) -> RowFilter | None:
    wire = call.filters.get(collection)
    return None if wire is None else ready_filter(collection, wire)


def _begin(session: WriteSession, call: ViewCall, collection: str, views: Mapping[int, View]) -> int:
    """Begin a view, filled with what the device may hold already."""
    row_filter_ = _filter_of(call, collection)
    identity = EVERYTHING if row_filter_ is None else row_filter_.identity
    base = call.base
    older = [view.number for view in views.values() if view.collection == collection]
    session.drop_views([one for one in older[: 1 - VIEWS_PER_COLLECTION_MAX] if base is None or one != base.view])
    number = session.add_view(call.client_id, collection, identity, is_settled=call.base is None)
    if base is not None and base.view in views and views[base.view].collection == collection:
        session.copy_view(views[base.view], number, cursor=base.cursor)
    else:
        if base is not None and base.whole:
            session.fill_with_collection(number, collection, cursor=base.cursor, horizon=call.horizon)
        session.fill_with_own(number, collection, call.client_id)
    return number
