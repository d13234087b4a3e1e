"""How a simulated device sends and gets its edits, changing while it lives: fields, whole documents, and from where on."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from solidb_sync.testing.simulated_device import COLLECTIONS, SimulatedDevice
from solidb_sync.testing.simulated_edits import Choices

if TYPE_CHECKING:
    from solidb_sync.testing.simulated_world import World

THRESHOLDS = (0.0, 0.1, 0.3, 0.5, 0.8, 1.0)


class DeltaSteps:
    """The steps that change the form of what is sent; what it means stays the same, and so does all that is checked."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng

    def choices(self) -> Choices:
        """Return these steps with their weights."""
        weight = 4 if self._world.weather.has_deltas else 0
        return {"set delta threshold": (weight, self._set_threshold), "turn deltas": (weight, self._turn)}

    async def _set_threshold(self, device: SimulatedDevice) -> object:
        threshold = self._rng.choice(THRESHOLDS)
        await device.manager.set_delta_threshold(threshold)
        return threshold

    async def _turn(self, device: SimulatedDevice) -> object:
        collection, is_on = self._rng.choice(COLLECTIONS), self._rng.random() < 0.5
        await device.manager.enable_delta_sync(collection, is_on)
        return collection, is_on
