"""What apps do with replicated fields in a simulated world: count, write, add and remove."""

from __future__ import annotations

import random
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from solidb_sync.testing.model_fields import COUNTER, GROWING, MAP, REGISTER, SET
from solidb_sync.testing.simulated_device import SimulatedDevice
from solidb_sync.testing.simulated_edits import Choices, Edits

if TYPE_CHECKING:
    from solidb_sync.testing.simulated_world import World

ELEMENTS = ("red", "green", "blue")


class FieldSteps:
    """The steps that operate on replicated fields; every document has one of each type."""

    def __init__(self, world: World, edits: Edits, rng: random.Random) -> None:
        self._world = world
        self._edits = edits
        self._rng = rng
        self._values = 0

    def choices(self) -> Choices:
        """Return these steps with their weights."""
        has_fields = self._world.weather.has_fields
        return {"count": (10 if has_fields else 0, self._count), "operate": (10 if has_fields else 0, self._operate)}

    async def _count(self, device: SimulatedDevice) -> object:
        """7 read your writes: a counter shows what it did, and what was added."""
        place, amount = self._edits.place(), self._rng.randint(1, 9)
        sign = self._rng.choice([1, 1, -1])
        manager = device.manager

        async def work() -> None:
            here = None if place in device.evicted() else await manager.get_document(*place)
            before = (here or {}).get(COUNTER, 0)
            count = manager.crdt_increment if sign > 0 else manager.crdt_decrement
            value = await count(*place, COUNTER, amount)
            assert not before or value == before + sign * amount, (
                f"7 read your writes: {place} counted {before}, {sign * amount} was added, it is {value}"
            )

        await self._edits.local(device, work)
        return place, sign * amount

    async def _operate(self, device: SimulatedDevice) -> object:
        place, element = self._edits.place(), self._rng.choice(ELEMENTS)
        self._values += 1
        value, manager = f"f{self._values}", device.manager
        kind = self._rng.choice(("add", "set add", "set remove", "put", "remove", "write"))

        def operate() -> Awaitable[object]:
            match kind:
                case "add":
                    return manager.crdt_add_to_set(*place, GROWING, element)
                case "set add":
                    return manager.crdt_orset_add(*place, SET, element)
                case "set remove":
                    return manager.crdt_orset_remove(*place, SET, element)
                case "put":
                    return manager.crdt_map_put(*place, MAP, element, value)
                case "remove":
                    return manager.crdt_map_remove(*place, MAP, element)
                case _:
                    return manager.crdt_set(*place, REGISTER, value)

        await self._edits.local(device, operate)
        return place, kind, element
