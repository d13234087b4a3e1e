"""What an app does with changes that the server refused: tries again, or lets them go."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Literal

from solidb_sync.testing.refused_changes import refused_ids, settle_refused
from solidb_sync.testing.simulated_device import SimulatedDevice
from solidb_sync.testing.simulated_edits import Choices

if TYPE_CHECKING:
    from solidb_sync.testing.simulated_world import World


class QuarantineSteps:
    """The steps that decide about refused changes."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng

    def choices(self) -> Choices:
        """Return these steps with their weights."""
        has_rejections = self._world.weather.document_bytes_max is not None
        return {
            "retry": (2 if has_rejections else 0, self._retry),
            "discard": (2 if has_rejections else 0, self._discard),
        }

    async def _retry(self, device: SimulatedDevice) -> object:
        return await self._decide(device, "retried")

    async def _discard(self, device: SimulatedDevice) -> object:
        return await self._decide(device, "let go")

    async def _decide(self, device: SimulatedDevice, how: Literal["let go", "retried"]) -> object:
        refused = refused_ids(device)
        return await settle_refused(device, self._rng.choice(refused), how) if refused else None
