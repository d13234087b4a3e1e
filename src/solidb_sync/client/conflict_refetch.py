"""Fetch the open conflicts again after a store has begun a new life: its log may know others than the server does."""

from __future__ import annotations

from dataclasses import replace

from solidb_sync.client.server_calls import ServerCalls
from solidb_sync.errors import ProtocolError
from solidb_sync.protocol.messages import WireConflict
from solidb_sync.storage.conflict_log import PENDING, RESOLVED, record_conflicts
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.local_store import LocalStore

REFETCH_SETTING = "conflicts_to_fetch"
PAGES_MAX = 10_000


def fetch_again(engine: StorageEngine) -> None:
    """Have the next round fetch the open conflicts."""
    engine.put_setting(REFETCH_SETTING, "true")


async def fetch_again_if_due(store: LocalStore, server: ServerCalls) -> None:
    """Fetch the open conflicts if that is due, and make the log agree with them."""
    if store.view(lambda reader: reader.setting(REFETCH_SETTING)) is None:
        return
    found: list[WireConflict] = []
    for _ in range(PAGES_MAX):
        page = await server.open_conflicts(store.client_id, after=found[-1].id if found else "")
        found += page.conflicts
        if not page.has_more:
            break
    else:
        raise ProtocolError(f"conflicts: more than {PAGES_MAX} pages")
    stamp = store.stamp()
    await store.commit(lambda engine: _agree(engine, found, stamp))


def _agree(engine: StorageEngine, found: list[WireConflict], stamp: str) -> None:
    ids = {conflict.id for conflict in found}
    for known in engine.open_conflicts():
        if known.id not in ids:
            engine.put_conflict(replace(known, status=RESOLVED))
    for conflict in found:
        known_one = engine.conflict(conflict.id)
        if known_one is not None and known_one.status != PENDING and not _is_being_resolved(engine, known_one.id):
            engine.put_conflict(replace(known_one, status=PENDING, winner=""))
    record_conflicts(engine, found, stamp)
    engine.put_setting(REFETCH_SETTING, None)


def _is_being_resolved(engine: StorageEngine, conflict_id: str) -> bool:
    """Return whether a change that settles the conflict is still on its way."""
    conflict = engine.conflict(conflict_id)
    assert conflict is not None
    return any(f'"{conflict_id}"' in change.wire for change in engine.changes_of(conflict.collection, conflict.key))
