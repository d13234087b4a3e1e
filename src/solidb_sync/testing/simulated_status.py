"""Looking at how the sync of a simulated world stands: on a device, at the server, and in what a round says of itself."""

from __future__ import annotations

import random
from itertools import product
from typing import TYPE_CHECKING

import msgspec

from solidb_sync.protocol import endpoints
from solidb_sync.testing.faulty_network import Request
from solidb_sync.testing.simulated_device import COLLECTIONS, SimulatedDevice
from solidb_sync.testing.simulated_edits import KEYS, Choices, Edits
from solidb_sync.testing.simulated_server import DATABASE, HEADERS
from solidb_sync.testing.status_truth import (
    Exchange,
    Round,
    check_result,
    check_state,
    check_status,
    check_waiting,
    read_round,
)

if TYPE_CHECKING:
    from solidb_sync.testing.simulated_world import World

STATUS_PATH = endpoints.path_for(endpoints.STATUS, DATABASE)
SAVES_BEHIND_MAX = 4
POSITION = ("client_id", "actor", "version_vector", "collections", "excluded", "views", "caught_up", "settings")
"""What a request says of where its device stands; `stored` is in it as well, when the two differ."""


class StatusSteps:
    """The steps that look at counts and results; they change nothing but what a sync changes."""

    def __init__(self, world: World, edits: Edits, rng: random.Random) -> None:
        self._world = world
        self._edits = edits
        self._rng = rng

    def choices(self) -> Choices:
        """Return these steps with their weights."""
        has_status = self._world.weather.has_status
        return {
            "look at status": (6 if has_status else 0, self._look),
            "sync and count": (6 if has_status else 0, self._sync_and_count),
            "see what waits": (3 if has_status else 0, self.see_what_waits),
        }

    async def _look(self, device: SimulatedDevice) -> object:
        device.observe()
        status, waiting = await device.manager.status(), await device.manager.pending_changes()
        check_status(device.truth, status, waiting, self._world.ledger)
        conflicts = device.store.view(lambda reader: reader.open_conflicts())
        open_ones = {(conflict.collection, conflict.key) for conflict in conflicts}
        evicted = device.evicted()
        for place in product(COLLECTIONS, KEYS):
            document = None if place in evicted else await device.manager.get_document(*place, meta=True)
            if document is not None:
                check_state(device.truth, place, document["_sync"]["state"], is_open=place in open_ones)
        return status.pending, status.held, status.rejected

    async def _sync_and_count(self, device: SimulatedDevice) -> object:
        if (await device.manager.status()).is_syncing:
            return None
        seen = await self._round(device)
        await self._look(device)
        return seen and (seen.acknowledged, len(seen.documents))

    async def _round(self, device: SimulatedDevice) -> Round | None:
        """Run a round that nobody has begun before, and hold what it says against what went over the wire."""
        exchanges: list[Exchange] = []
        device.transport.heard = exchanges
        try:
            result = await device.sync()
        finally:
            device.transport.heard = None
        if result is None:
            return None
        seen = read_round(exchanges)
        check_result(device.name, result, seen, was_alone=not device.is_in_background)
        return seen if result.success and seen.is_plain else None

    async def see_what_waits(self, device: SimulatedDevice) -> object:
        """Let others write, ask the server what waits for a device, and see whether that is what comes.

        The server knows where a device stands from its last request; so this only counts when the next says the same, and
        when no copy of the device asks under the same name.
        """
        if device.truth.has_twin:
            return None
        await device.sync()
        before = await self._quiet_round(device)
        if before is None:
            return None
        other = self._rng.choice(self._world.devices)
        if other is not device:
            for _ in range(self._rng.randint(1, SAVES_BEHIND_MAX)):
                await self._edits.save(other)
            await other.sync()
        told, newest = await self._waiting(device), self._world.ledger.newest
        after = await self._quiet_round(device)
        if after is None or self._world.ledger.newest != newest or _position(before.asked[-1]) != _position(after.asked[0]):
            return None
        check_waiting(told, after)
        return told

    async def _quiet_round(self, device: SimulatedDevice) -> Round | None:
        """Return a round that had nothing to send; None when there was something, or it met any trouble."""
        status = await device.manager.status()
        return None if status.is_syncing or status.pending else await self._round(device)

    async def _waiting(self, device: SimulatedDevice) -> int:
        request = Request("GET", STATUS_PATH, f"client_id={device.device_id}", HEADERS, b"")
        answer = await self._world.server.send(request)
        return int(msgspec.json.decode(answer.body)["pending_for_client"])


def _position(asked: object) -> object:
    assert isinstance(asked, dict)
    return [asked.get("stored", asked.get("version_vector", {}).get("server")), *(asked.get(name) for name in POSITION)]
