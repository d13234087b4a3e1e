"""Fetch everything again: for a replica that is suspected to differ from the server.

Rows stay readable while it runs: each is replaced when the server sends it, and only at the end those that the server no
longer has are dropped. It can be broken off and goes on with the next round.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from solidb_sync.client.incarnation import new_incarnation
from solidb_sync.client.known_views import forget_views
from solidb_sync.client.server_calls import ServerCalls
from solidb_sync.client.sync_round import RoundOutcome, SyncRound
from solidb_sync.errors import ResyncRequiredError
from solidb_sync.model.version_vector import Dot
from solidb_sync.protocol.limits import KNOWN_IDS_MAX
from solidb_sync.protocol.names import actor_name
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.overlay import rebuild
from solidb_sync.storage.records import ChangeState


class Resync:
    """Begins a resync and runs it to the end."""

    def __init__(self, store: LocalStore, server: ServerCalls, sync_round: SyncRound, *, discard_local: bool) -> None:
        self._store = store
        self._server = server
        self._round = sync_round
        self._discard_local = discard_local

    async def run(self, outcome: RoundOutcome) -> None:
        """Take a new incarnation, forget the cursor, and pull everything; unsent edits are kept unless discarded."""
        replica = self._store.view(lambda reader: reader.replica())
        actor = actor_name(replica.device_id, replica.incarnation)
        pending = self._store.view(lambda reader: reader.changes(state=ChangeState.PENDING, limit=KNOWN_IDS_MAX))
        ids = [] if self._discard_local else [change.change_id for change in pending]
        answer = await self._server.register(
            replica.device_id, actor=actor, reset=True, known=ids, settings=self._round.wanted_settings().settings
        )
        if replica.epoch and replica.epoch != answer.epoch and not self._discard_local:
            raise ResyncRequiredError(
                "the server's database is another one than before, and documents may exist only here; "
                "nothing was changed. To take the server's state all the same, say discard_local=True"
            )
        known = {change_id: Dot(*dot) for change_id, dot in answer.known.items()}
        await self._store.commit(
            lambda engine: begin_resync(
                engine, answer.incarnation, known, epoch=answer.epoch, discard_local=self._discard_local
            )
        )
        await self._round.run(outcome)


def begin_resync(
    engine: StorageEngine, incarnation: int, known: Mapping[str, Dot], *, epoch: str, discard_local: bool
) -> None:
    """Go back to the beginning under a new incarnation, with every row without changes marked as not yet seen."""
    if discard_local:
        discarded = engine.changes(state=None)
        engine.drop_changes(change.id for change in discarded)
        for collection, key in {(change.collection, change.key) for change in discarded}:
            if engine.base(collection, key) is None:
                engine.drop_row(collection, key)  # it was only ever here
            else:
                rebuild(engine, collection, key)
    new_incarnation(engine, incarnation, known)
    for collection in engine.backfills():
        engine.drop_backfill(collection)
    forget_views(engine)
    replica = engine.replica()
    engine.save_replica(replace(replica, cursor=0, caught_up=0, covered=None, epoch=epoch, is_resyncing=True))
    engine.mark_all_unseen()
