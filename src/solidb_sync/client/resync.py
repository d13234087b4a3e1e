"""Fetch everything again: for a replica that is suspected to differ from the server, or that missed deletions.

Rows stay readable while it runs: each is replaced when the server sends it, and only at the end those that the server no
longer has are dropped. It can be broken off and goes on with the next round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from solidb_sync.client.incarnation import applied_changes, new_incarnation
from solidb_sync.client.known_views import forget_views
from solidb_sync.client.server_calls import ServerCalls
from solidb_sync.protocol.limits import KNOWN_IDS_MAX
from solidb_sync.protocol.messages import ClientSettings, RegisterAnswer
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.known_versions import forget_sequences
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.outbox import Applied
from solidb_sync.storage.overlay import rebuild
from solidb_sync.storage.records import ChangeState


async def restart(store: LocalStore, server: ServerCalls, settings: ClientSettings, *, discard_local: bool) -> None:
    """Take a new incarnation and forget the cursor; unsent edits are kept unless discarded. The next round fetches all."""
    answer, known = await known_changes(store, server, settings, with_pending=not discard_local)
    await store.commit(
        lambda engine: begin_resync(engine, answer.incarnation, known, epoch=answer.epoch, discard_local=discard_local)
    )


async def known_changes(
    store: LocalStore,
    server: ServerCalls,
    settings: ClientSettings,
    *,
    with_pending: bool = True,
    with_held: bool = False,
    client_id: str = "",
    also: Sequence[str] = (),
) -> tuple[RegisterAnswer, dict[str, Applied]]:
    """Get a new incarnation, and learn which changes of this device the server has, under which dots.

    With a `client_id` it is one of that client, which this store is not yet; `also` are more changes to ask about.
    """
    replica = store.view(lambda reader: reader.replica())
    ids = store.view(lambda reader: _change_ids(reader, with_pending=with_pending, with_held=with_held))
    ids += also
    actor, client_id = client_id or replica.actor, client_id or replica.client_id
    known: dict[str, Applied] = {}
    answer: RegisterAnswer | None = None
    for start in range(0, len(ids) or 1, KNOWN_IDS_MAX):
        asked = ids[start : start + KNOWN_IDS_MAX]
        answer = await server.register(client_id, actor=actor, reset=start == 0, known=asked, settings=settings)
        known.update(applied_changes(answer))
    assert answer is not None
    return answer, known


def _change_ids(reader: EngineReader, *, with_pending: bool, with_held: bool) -> list[str]:
    states = [ChangeState.PENDING] * with_pending + [ChangeState.HELD] * with_held
    return [change.change_id for state in states for change in reader.changes(state=state)]


def begin_resync(
    engine: StorageEngine, incarnation: int, known: Mapping[str, Applied], *, epoch: str, discard_local: bool
) -> None:
    """Go back to the beginning under a new incarnation, with every row marked as not yet seen."""
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
    begins_anew = discard_local or replica.epoch not in ("", epoch)
    engine.save_replica(
        replace(
            replica,
            cursor=0,
            caught_up=0,
            covered=None,
            epoch=epoch,
            run="" if begins_anew else replica.run,
            horizon=0 if begins_anew else replica.horizon,
            offered="",
            stable=0,
            is_resyncing=True,
        )
    )
    if begins_anew:
        forget_sequences(engine)
    engine.mark_all_unseen()
