"""What the tests of replicated fields ask of devices over a real server."""

from __future__ import annotations

from typing import Any

from solidb_sync import SyncManager
from solidb_sync.storage.engine import EngineReader


async def in_step(*managers: SyncManager) -> None:
    """Let every device send what it has and bring what the others sent."""
    for _ in range(2):
        for manager in managers:
            result = await manager.sync_now()
            assert result.success, result.errors


async def field(manager: SyncManager, name: str, key: str = "k") -> Any:
    document = await manager.get_document("notes", key)
    return None if document is None else document.get(name)


def states(manager: SyncManager, key: str = "k") -> Any:
    """Return the states a device holds, and that nothing is on its way."""

    def read(reader: EngineReader) -> Any:
        assert not reader.has_changes()
        kept = reader.states("notes", key)
        assert kept is None or kept.base == kept.visible
        return kept

    return manager._store.view(read)
