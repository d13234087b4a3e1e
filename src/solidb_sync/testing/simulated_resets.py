"""Collections that are emptied or dropped at the server while the world goes on."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from solidb_sync.testing.simulated_device import COLLECTIONS, SimulatedDevice
from solidb_sync.testing.simulated_edits import Choices

if TYPE_CHECKING:
    from solidb_sync.testing.simulated_world import World

DROPPED_SHARE = 0.3


class ResetSteps:
    """The steps that take a whole collection away: by one mark in the log, with no tombstones."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng

    def choices(self) -> Choices:
        """Return these steps with their weights."""
        return {"reset a collection": (3 if self._world.weather.has_resets else 0, self._reset)}

    async def _reset(self, _: SimulatedDevice) -> object:
        collection, is_dropped = self._rng.choice(COLLECTIONS), self._rng.random() < DROPPED_SHARE
        await self._world.server.reset(collection, is_dropped=is_dropped)
        return collection, "dropped" if is_dropped else "emptied"
