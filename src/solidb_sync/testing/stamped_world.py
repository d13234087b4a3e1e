"""A small world where the later edit wins by the devices' hybrid clocks: the order in which anybody syncs must not matter.

Devices whose clocks are minutes apart, and set now and then, write fields of a few documents over a network with faults, and
are killed. The account knows of every edit the stamp that went along with it: at the end each field of each document shows
the value with the greatest stamp, everywhere. Nothing is deleted here, and no clock is further ahead than a server believes.
"""

from __future__ import annotations

import random
from typing import Any

from solidb_sync.client.config import SyncConfig
from solidb_sync.client.conflict_strategy import ConflictStrategy
from solidb_sync.client.sync_manager import SyncManager
from solidb_sync.json_value import decode
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.records import ChangeState
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.testing.counting_world import FAULTS, Link
from solidb_sync.testing.crashable_files import CrashableFiles
from solidb_sync.testing.faulty_network import FaultyNetwork
from solidb_sync.testing.invariants import broken
from solidb_sync.testing.recovery_world import RestorableServer
from solidb_sync.testing.virtual_loop import VirtualClock, VirtualClockLoop, run

STEPS = 60
ROUNDS_TO_QUIET = 8
ITERATIONS_MAX = 300_000
CLOCK_SECONDS_AHEAD_MAX = 120.0
"""Well within the five minutes that a server believes, however long a request is under way."""
CLOCK_SECONDS_BEHIND_MAX = 365 * 86_400.0
COLLECTION = "notes"
KEYS = ("a", "b")
FIELDS = ("p", "q", "r")

Stamped = tuple[str, str, Any]
"""A value with its stamp and the life of the device that wrote it, in the order in which they win."""


class StampedDevice:
    """One device, whose clock is its own."""

    def __init__(self, world: StampedWorld, name: str) -> None:
        self.world = world
        self.name = name
        self.files = CrashableFiles(f"stamp-{world.seed}-{name}", world.chance)

    async def open(self) -> None:
        """Start the program over the files as they are."""
        world = self.world
        self.clock = VirtualClock(world.loop, world.offset())
        location = FileLocation("store.db", vfs=self.files.name, is_exclusive=True)
        self.store = LocalStore.open_at(location, self.name, clock=self.clock, random_bytes=world.chance.randbytes)
        config = SyncConfig(auto_sync=False, batch_size=world.chance.randint(1, 4))
        self.manager = SyncManager(self.store, Link(world.network, world.server.send), config)
        await self.manager.set_conflict_strategy(COLLECTION, ConflictStrategy.last_write_wins(clock="hlc"))

    async def shown(self, key: str) -> dict[str, Any]:
        """Return what the app reads, without what the system adds."""
        document = await self.manager.get_document(COLLECTION, key) or {}
        return {name: at for name, at in document.items() if not name.startswith("_")}


class StampedWorld:
    """Everything that one seed makes."""

    def __init__(self, seed: int, loop: VirtualClockLoop) -> None:
        self.seed = seed
        self.chance = random.Random(f"stamped {seed}")
        self.loop = loop
        self.network = FaultyNetwork(loop, self.chance, FAULTS)
        self.server = RestorableServer(seed, loop, self.chance)
        self.devices = [StampedDevice(self, f"d{number}") for number in range(self.chance.randint(2, 4))]
        self._latest: dict[tuple[str, str], Stamped] = {}
        """For each field of each document, the value with the greatest stamp."""
        self._values = 0

    def offset(self) -> float:
        """Return by how many seconds a clock is wrong: a little either way, or far behind."""
        if self.chance.random() < 0.2:
            return -self.chance.uniform(0, CLOCK_SECONDS_BEHIND_MAX)
        return self.chance.uniform(-CLOCK_SECONDS_AHEAD_MAX, CLOCK_SECONDS_AHEAD_MAX)

    def close(self) -> None:
        """Take the file systems back from SQLite."""
        for files in (self.server.files, *(device.files for device in self.devices)):
            files.close()

    async def live(self) -> None:
        """Go through the story and look at its end."""
        for device in self.devices:
            await device.open()
        for _ in range(STEPS):
            device = self.chance.choice(self.devices)
            match self.chance.choices(range(3), [30, 22, 3])[0]:
                case 0:
                    await self._save(device)
                case 1:
                    await device.manager.sync_now()
                case _:
                    device.files.kill()
                    await device.open()
        self.network.heal()
        await self.network.settle()
        for _ in range(ROUNDS_TO_QUIET):
            for device in self.devices:
                await device.manager.sync_now()
        for device in self.devices:
            await self._check(device)

    async def _save(self, device: StampedDevice) -> None:
        key = self.chance.choice(KEYS)
        self._values += 1
        fields = {name: f"v{self._values}{name}" for name in FIELDS if self.chance.random() < 0.5}
        before = device.store.view(lambda reader: reader.replica().last_change)
        await device.manager.save_document(COLLECTION, key, fields)
        for change in device.store.view(lambda reader: reader.changes(state=ChangeState.PENDING, after=before)):
            stamp = decode(change.wire).get("hlc", "")
            for name, value in fields.items():
                known = self._latest.get((key, name), ("", "", None))
                self._latest[key, name] = max(known, (stamp, change.actor, value), key=lambda one: one[:2])

    async def _check(self, device: StampedDevice) -> None:
        """24 strategy laws: every field shows what was written last by the stamps."""
        for key in KEYS:
            wanted = {name: value for (place, name), (_, _, value) in self._latest.items() if place == key}
            shown = await device.shown(key)
            if shown != wanted:
                broken("24 strategy laws", f"{device.name}: {key} shows {shown}, by the stamps it is {wanted}")


def live_by_stamps(seed: int) -> None:
    """Live through the world of a seed; raises `AssertionError` when a promise was broken."""
    loop = VirtualClockLoop(iterations_max=ITERATIONS_MAX)
    world = StampedWorld(seed, loop)
    try:
        run(world.live(), loop=loop)
    finally:
        world.close()
