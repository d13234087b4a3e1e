"""How the conflicts of a simulated device are decided, changing while it lives."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from solidb_sync.client.wanted_settings import STRATEGY_SETTING
from solidb_sync.json_value import encode
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.testing.simulated_device import COLLECTIONS, SimulatedDevice
from solidb_sync.testing.simulated_edits import Choices

if TYPE_CHECKING:
    from solidb_sync.testing.simulated_world import World

STRATEGIES = ("last_write_wins", "first_write_wins", "merge_fields", "merge_fields:manual", "manual", "custom")


class ConflictSteps:
    """The steps that are about conflicts."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng

    def choices(self) -> Choices:
        """Return these steps with their weights."""
        return {"set strategy": (4 if self._world.weather.has_strategies else 0, self._set_strategy)}

    async def _set_strategy(self, device: SimulatedDevice) -> object:
        collection, strategy = self._rng.choice(COLLECTIONS), self._rng.choice(STRATEGIES)

        def work(engine: StorageEngine) -> None:
            engine.put_setting(STRATEGY_SETTING + collection, encode(strategy).decode())

        await device.store.commit(work)
        return collection, strategy
