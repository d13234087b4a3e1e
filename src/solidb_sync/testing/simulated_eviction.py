"""Documents that leave a device to save room, and are fetched again when somebody asks for them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from solidb_sync.errors import DocumentEvictedError, SoliDBError
from solidb_sync.testing.invariants import broken
from solidb_sync.testing.model_fields import plain
from solidb_sync.testing.model_oracle import Place
from solidb_sync.testing.simulated_device import COLLECTIONS, SimulatedDevice
from solidb_sync.testing.simulated_edits import Choices, Edits

if TYPE_CHECKING:
    from solidb_sync.testing.simulated_world import World

EVICTED_AT_ONCE_MAX = 3


class EvictionSteps:
    """The steps of worlds in which devices have little room."""

    def __init__(self, world: World, edits: Edits, rng: random.Random) -> None:
        self._world = world
        self._edits = edits
        self._rng = rng

    def choices(self) -> Choices:
        """Return these steps with their weights."""
        has_evictions = self._world.weather.has_evictions
        return {
            "evict": (9 if has_evictions else 0, self._evict),
            "read what was evicted": (6 if has_evictions else 0, self._read),
        }

    async def _evict(self, device: SimulatedDevice) -> object:
        collection = self._rng.choice([None, *COLLECTIONS])
        count = self._rng.randint(1, EVICTED_AT_ONCE_MAX)
        return await self._edits.local(device, lambda: device.manager.evict(collection, count=count))

    async def _read(self, device: SimulatedDevice) -> object:
        """Ask for an evicted document over the network as it is: it may come, or be out of reach."""
        evicted = device.evicted()
        if not evicted:
            return None
        place = self._rng.choice(evicted)
        return place, await device.while_alive(self._read_one(device, place))

    async def _read_one(self, device: SimulatedDevice, place: Place) -> str:
        try:
            document = await device.manager.get_document(*place)
        except DocumentEvictedError:
            return "out of reach"
        except SoliDBError as problem:
            return type(problem).__name__
        device.observe()
        self._check(device, place, document)
        return "nothing" if document is None else "read"

    def _check(self, device: SimulatedDevice, place: Place, document: dict[str, Any] | None) -> None:
        """8 monotonic reads: what is fetched is a version of the server's, and none from before the one that was evicted."""
        body = plain(_own_fields(document))
        unseen = device.truth.evicted.get(place)
        if body is None or unseen is None:
            return  # nothing was fetched, or it is in the store, where it is checked with all else
        if not any(
            _own_fields(version.body) == body and version.seq >= unseen.seq for version in self._world.ledger.versions[place]
        ):
            broken("8 monotonic reads", f"{device.name} fetched {body} for {place}, evicted at {unseen.seq}")

    async def read_all(self) -> None:
        """Read everything that is still evicted, over a network without faults; then it is here."""
        for device in self._world.devices:
            for place in device.evicted():
                await device.manager.get_document(*place)
                device.observe()
            if device.evicted():
                broken("21 convergence", f"{device.name} can't get {device.evicted()} back")


def _own_fields(document: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a document without what the system keeps in it."""
    return None if document is None else {name: value for name, value in document.items() if not name.startswith("_")}
