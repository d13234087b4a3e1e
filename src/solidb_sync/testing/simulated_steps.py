"""What can happen to a simulated world, one step at a time: this chooses.

The steps themselves are in the modules beside it, by subject.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from solidb_sync.testing.simulated_attachments import AttachmentSteps
from solidb_sync.testing.simulated_conflicts import ConflictSteps
from solidb_sync.testing.simulated_decisions import DecisionSteps
from solidb_sync.testing.simulated_deltas import DeltaSteps
from solidb_sync.testing.simulated_device import SimulatedDevice
from solidb_sync.testing.simulated_edits import Choices, Edits
from solidb_sync.testing.simulated_eviction import EvictionSteps
from solidb_sync.testing.simulated_fields import FieldSteps
from solidb_sync.testing.simulated_quarantine import QuarantineSteps
from solidb_sync.testing.simulated_resets import ResetSteps
from solidb_sync.testing.simulated_scope import ScopeSteps
from solidb_sync.testing.simulated_status import StatusSteps
from solidb_sync.testing.simulated_trouble import Trouble

if TYPE_CHECKING:
    from solidb_sync.testing.simulated_world import World

DEVICES_ASKED_ABOUT_MAX = 3


class Steps:
    """Chooses and takes the steps of one world."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        weather = world.weather
        edits = Edits(rng, has_rejections=weather.document_bytes_max is not None, has_filters=weather.has_filters)
        self._status = StatusSteps(world, edits, rng)
        self._decisions = DecisionSteps(world, edits, rng)
        self._evictions = EvictionSteps(world, edits, rng)
        self._attachments = AttachmentSteps(world, edits, rng)
        self._choices: Choices = {
            **edits.choices(),
            "sync": (22, sync),
            "sync on the side": (7, self._sync_on_the_side),
            "wait": (4, self._wait),
            **Trouble(world, edits, rng).choices(),
            **ScopeSteps(world, edits, rng).choices(),
            **QuarantineSteps(world, rng).choices(),
            **ConflictSteps(world, rng).choices(),
            **FieldSteps(world, edits, rng).choices(),
            **DeltaSteps(world, rng).choices(),
            **ResetSteps(world, rng).choices(),
            **self._status.choices(),
            **self._decisions.choices(),
            **self._evictions.choices(),
            **self._attachments.choices(),
        }
        self._names = list(self._choices)
        self._weights = [weight for weight, _ in self._choices.values()]

    async def take_one(self) -> str:
        """Take a random step on a random device; returns a line that tells of it."""
        name = self._rng.choices(self._names, self._weights)[0]
        device = self._rng.choice(self._world.devices)
        line = f"{asyncio.get_running_loop().time():.3f} {device.name} {name}"
        line = f"{line} {await self._choices[name][1](device)}"
        if self._world.weather.has_attachments:
            self._attachments.look()
        return line

    async def take_last(self) -> None:
        """Take the steps that need a world without faults."""
        if self._world.weather.has_evictions:
            await self._evictions.read_all()
            await self._world.sync_until_quiet()
        if self._world.weather.has_status:
            for device in self._world.devices[:DEVICES_ASKED_ABOUT_MAX]:
                await self._status.see_what_waits(device)
            await self._world.sync_until_quiet()
        if self._world.weather.has_attachments:
            await self._attachments.finish()
        if self._world.weather.has_decisions:
            await self._decisions.decide_all()

    async def _sync_on_the_side(self, device: SimulatedDevice) -> object:
        device.in_own_task(device.manager.sync_now())
        for _ in range(self._rng.randint(0, 30)):
            await asyncio.sleep(0)
        return None

    async def _wait(self, device: SimulatedDevice) -> object:
        await asyncio.sleep(self._rng.choice([0.1, 1.0, 10.0, 100.0]) * self._rng.random())
        return None


async def sync(device: SimulatedDevice) -> object:
    """Run a round on a device and tell what came of it."""
    result = await device.sync()
    return result and (result.success, result.pulled, result.pushed, result.conflict_count, result.errors)
