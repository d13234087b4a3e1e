"""Fields or whole documents on the wire, and what that comes to."""

from __future__ import annotations

from solidb_sync.client.delta_stats import DeltaStats
from solidb_sync.client.manager.parts import ManagerParts, check_collection
from solidb_sync.client.wanted_settings import THRESHOLD_SETTING, WHOLE_SETTING
from solidb_sync.errors import ConfigError
from solidb_sync.json_value import encode
from solidb_sync.storage.engine import StorageEngine


class DeltaMethods(ManagerParts):
    """Edits mean the same in either form; only the bytes differ."""

    async def enable_delta_sync(self, col: str, enabled: bool = True) -> None:
        """Send and get the changed fields of a collection's documents (the default), or whole ones; kept in the store."""
        check_collection(col)
        if not isinstance(enabled, bool):
            raise ConfigError(f"enabled: expected True or False, found {enabled!r}")
        await self._store.commit(lambda engine: engine.put_setting(WHOLE_SETTING + col, None if enabled else "true"))

    async def set_delta_threshold(self, threshold: float) -> None:
        """Send the whole document when the changed fields take more than this part of it; kept in the store.

        0 always sends documents, 1 sends fields unless the document is no longer. Until it is set, it is
        `SyncConfig.delta_threshold`.
        """
        if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not 0 <= threshold <= 1:
            raise ConfigError(f"threshold: expected 0 to 1, found {threshold!r}")

        def work(engine: StorageEngine) -> None:
            engine.put_setting(THRESHOLD_SETTING, encode(float(threshold)).decode())

        await self._store.commit(work)

    async def get_last_delta_stats(self) -> DeltaStats:
        """Return how many bytes the last round moved, and how many whole documents would have taken; 0 before the first."""
        return self._round.last_deltas
