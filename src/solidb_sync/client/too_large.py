"""A request that is too large for something on the way (413), and can't be divided: what it carries is set aside.

A proxy may take smaller bodies than the server. A single change, or a transaction, that does not get through would hold up
everything behind it for ever; so it goes where refused changes go, with the reason, and can be retried from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from solidb_sync.client.server_calls import ServerCalls
from solidb_sync.errors import ServerError
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.outbox import set_aside
from solidb_sync.storage.records import StoredChange

REASON = "PayloadTooLarge"


def is_undividable(changes: Sequence[StoredChange]) -> bool:
    """Return whether changes can only be sent together: a single one, or those of one transaction."""
    return len(changes) == 1 or (bool(changes[0].transaction) and len({one.transaction for one in changes}) == 1)


async def set_too_large_aside(
    store: LocalStore, server: ServerCalls, changes: Sequence[StoredChange], problem: ServerError
) -> list[StoredChange]:
    """Set changes aside, with what depends on them, and return all those; raises `problem` when the server has one of them.

    It has when they got through once, on another way, and the answer was lost: retried as new edits they would count twice.
    """
    answer = await server.register(store.device_id, known=[change.change_id for change in changes])
    if answer.known:
        raise problem
    return await store.commit(partial(_set_aside, changes=changes, reason=f"{REASON}: {problem}"))


def _set_aside(engine: StorageEngine, changes: Sequence[StoredChange], reason: str) -> list[StoredChange]:
    kept = {change.id: change for one in changes for change in engine.changes_of(one.collection, one.key)}
    return set_aside(engine, kept[changes[0].id], reason) if changes[0].id in kept else []
