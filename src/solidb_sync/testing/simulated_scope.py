"""What a simulated device syncs, changing while it lives: subscriptions and filters."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from solidb_sync.testing.model_filters import SELECTIONS
from solidb_sync.testing.simulated_device import COLLECTIONS, SimulatedDevice
from solidb_sync.testing.simulated_edits import Choices, Edits
from solidb_sync.testing.simulated_subscriptions import subscribe

if TYPE_CHECKING:
    from solidb_sync.testing.simulated_world import World


class ScopeSteps:
    """The steps that change which collections a device syncs."""

    def __init__(self, world: World, edits: Edits, rng: random.Random) -> None:
        self._world = world
        self._edits = edits
        self._rng = rng

    def choices(self) -> Choices:
        """Return these steps with their weights."""
        weather = self._world.weather
        return {
            "unsubscribe": (2 if weather.has_subscriptions else 0, self._unsubscribe),
            "subscribe": (3 if weather.has_subscriptions else 0, self._subscribe),
            "set filter": (4 if weather.has_filters else 0, self._set_filter),
        }

    async def _unsubscribe(self, device: SimulatedDevice) -> object:
        collection, purge = self._rng.choice(COLLECTIONS), self._rng.random() < 0.3
        device.observe()
        await device.manager.unsubscribe(collection, purge=purge)
        if purge:
            device.truth.forget(collection)
        return collection, purge

    async def _subscribe(self, device: SimulatedDevice) -> object:
        collection = self._rng.choice(COLLECTIONS)
        await self._edits.local(device, lambda: subscribe(device, collection))
        return collection

    async def _set_filter(self, device: SimulatedDevice) -> object:
        collection, name = self._rng.choice(COLLECTIONS), self._rng.choice([*SELECTIONS, ""])
        device.observe()
        device.truth.selections[collection] = name
        await self._edits.local(device, lambda: subscribe(device, collection))
        return collection, name
