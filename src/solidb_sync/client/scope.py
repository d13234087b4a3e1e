"""Which collections a device syncs, and what has to be caught up when that changes.

The pull cursor speaks for a set of collections. A collection that joins later has documents below the cursor, so it first
catches up with a cursor of its own (a *backfill*). Changes made while a collection was not synced get new dots when it
joins, because later changes of other collections have gone out before them. All pending changes get them, in their order,
so that transactions stay together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from solidb_sync.storage.departures import doubt, trust
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.other_users import readdress_all
from solidb_sync.storage.records import Replica, Subscription

NOT_BEGUN = -1
"""The cursor of a backfill that the next round has to begin: new dots are given only between requests."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The collections to sync: `names`, or all (None) but the `excluded`."""

    names: frozenset[str] | None
    excluded: frozenset[str] = frozenset()

    @property
    def limits(self) -> Scope | None:
        """This scope, None when it is everything."""
        return None if self.names is None and not self.excluded else self

    def __contains__(self, collection: object) -> bool:
        if self.names is None:
            return collection not in self.excluded
        return collection in self.names


def wanted_scope(reader: EngineReader, configured: Iterable[str]) -> Scope:
    """Return the scope that the configuration and the subscriptions ask for."""
    excluded = frozenset(reader.replica().excluded)
    names = frozenset(configured)
    if not names:
        return Scope(None, excluded)
    subscribed = {subscription.collection for subscription in reader.subscriptions()}
    return Scope((names | subscribed) - excluded)


def adopt_scope(engine: StorageEngine, wanted: Scope) -> None:
    """Make the replica cover the wanted scope, noting which collections must catch up."""
    replica = engine.replica()
    if wanted.names is None:
        if replica.covered is not None:
            _begin_from_nothing(engine)
        return
    if replica.covered is not None and set(replica.covered) == wanted.names:
        return
    joining = _joining(replica, wanted.names)
    engine.save_replica(replace(replica, covered=tuple(sorted(wanted.names - joining))))
    for collection in sorted(joining - engine.backfills().keys()):
        begin_backfill(engine, collection)


def _begin_from_nothing(engine: StorageEngine) -> None:
    """Fetch everything, of all collections, so that what was deleted while they were not synced goes.

    Under a new incarnation: what the server does not send, because it is this device's own edit, would seem to be gone.
    """
    everything = replace(engine.replica(), covered=None, cursor=0, caught_up=0, stable=0, is_resyncing=True, must_renew=True)
    engine.save_replica(everything)
    engine.mark_all_unseen()


def _joining(replica: Replica, names: frozenset[str]) -> frozenset[str]:
    if replica.cursor == 0 or replica.covered is None:
        return frozenset()
    return names - set(replica.covered)


def begin_backfill(engine: StorageEngine, collection: str) -> None:
    """Let a collection catch up from the beginning; rows of it that are not sent again have to go."""
    engine.add_collection(collection)
    doubt(engine, collection)
    engine.put_backfill(collection, 0)
    readdress_all(engine)


def end_backfill(engine: StorageEngine, collection: str) -> None:
    """Let the cursor speak for a collection that has caught up."""
    engine.drop_backfill(collection)
    replica = engine.replica()
    if replica.covered is not None:
        engine.save_replica(replace(replica, covered=tuple(sorted({*replica.covered, collection}))))


def include(engine: StorageEngine, collection: str) -> None:
    """Take a collection back that was excluded: the next round lets it catch up from the beginning."""
    replica = engine.replica()
    if collection in replica.excluded:
        kept = tuple(name for name in replica.excluded if name != collection)
        engine.save_replica(replace(replica, excluded=kept))
        if replica.covered is None and collection not in engine.backfills():
            engine.put_backfill(collection, NOT_BEGUN)


def subscribe_to(engine: StorageEngine, subscriptions: Sequence[Subscription], *, lift_others: bool) -> None:
    """Put subscriptions in the place of those before; with `lift_others` the other collections lose their filters."""
    if lift_others:
        named = {subscription.collection for subscription in subscriptions}
        for known in engine.subscriptions():
            if known.filter is not None and known.collection not in named:
                engine.put_subscription(Subscription(known.collection))
    for subscription in subscriptions:
        engine.put_subscription(subscription)
        engine.add_collection(subscription.collection)
        include(engine, subscription.collection)


def exclude(engine: StorageEngine, collection: str) -> None:
    """Stop syncing a collection; what is queued for it stays queued, and what is here of it stays."""
    engine.drop_subscription(collection)
    engine.drop_backfill(collection)
    trust(engine, collection)
    replica = engine.replica()
    covered = None if replica.covered is None else tuple(name for name in replica.covered if name != collection)
    excluded = tuple(sorted({*replica.excluded, collection}))
    engine.save_replica(replace(replica, covered=covered, excluded=excluded))


def purge(engine: StorageEngine, collection: str) -> int:
    """Drop the documents of a collection that have no changes of this device; return how many.

    Their vectors go with them, and so does what this device knew of its own edits in them. A new edit under the same actor
    would claim to include those, so the next round takes a new incarnation.
    """
    keys = [key for key, _ in engine.all_rows(collection)]
    clean = [key for key in keys if not engine.has_changes_of(collection, key)]
    for key in clean:
        engine.drop_row(collection, key)
    if clean:
        engine.save_replica(replace(engine.replica(), must_renew=True))
    return len(clean)
