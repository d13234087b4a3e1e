"""The trouble of a simulated world: crashes, power losses, failing disks, partitions, clocks that jump, backups, copies."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from solidb_sync.errors import StorageError
from solidb_sync.testing.crashable_files import CrashableFiles
from solidb_sync.testing.invariants import broken
from solidb_sync.testing.simulated_device import DeviceSnapshot, SimulatedDevice
from solidb_sync.testing.simulated_edits import Choices, Edits
from solidb_sync.testing.virtual_loop import VirtualClock

if TYPE_CHECKING:
    from solidb_sync.testing.simulated_world import World

DEVICES_MAX = 8
OUTAGE_SECONDS = 600.0
SAVES_IN_OUTAGE = 20
ATTEMPTS_UNDER_WAY_MAX = 4
DAY_SECONDS = 86_400.0
YEAR_SECONDS = 365 * DAY_SECONDS
OPERATIONS_OF_A_SAVE = 12
OPERATIONS_OF_A_ROUND = 16
OPERATIONS_OF_A_START = 20


class Trouble:
    """The steps that break something."""

    def __init__(self, world: World, edits: Edits, rng: random.Random) -> None:
        self._world = world
        self._edits = edits
        self._rng = rng
        self._snapshots: dict[str, DeviceSnapshot] = {}

    def choices(self) -> Choices:
        """Return these steps with their weights."""
        weather = self._world.weather
        has_files = self._world.engine == "sqlite"
        return {
            "crash": (3, self._crash),
            "crash in a round": (3, self._crash_in_round),
            "crash in a commit": (3 if weather.has_disk_faults and has_files else 0, self._crash_in_commit),
            "power loss": (2 if weather.has_power_losses and has_files else 0, self._power_loss),
            "partition": (2, self._partition),
            "server restart": (2, self._server_restart),
            "server disk fault": (2 if weather.has_disk_faults else 0, self._server_disk_fault),
            "server power loss": (2 if weather.has_power_losses else 0, self._server_power_loss),
            "outage": (0.5 if weather.has_background else 0, self._outage),
            "clock jump": (1, self._clock_jump),
            "server clock jump": (0.5, self._server_clock_jump),
            "snapshot": (2 if weather.has_restores else 0, self._snapshot),
            "restore": (2 if weather.has_restores else 0, self._restore),
            "clone": (2 if weather.has_clones else 0, self._clone),
        }

    # programs and machines that end

    async def _crash(self, device: SimulatedDevice, *, with_power: bool | None = None) -> object:
        with_power = self._rng.random() < 0.6 if with_power is None else with_power
        await device.crash(with_power=with_power)
        await device.start()
        return with_power

    async def _crash_in_round(self, device: SimulatedDevice) -> object:
        await device.sync(dies_after_points=self._rng.randint(1, 8))
        return await self._crash(device)

    def _break_disk(self, files: CrashableFiles, *, writes_max: int) -> bool | None:
        """Let one of the next writes or syncs fail; returns whether the power must go with it, None for perhaps.

        After a sync that failed only a power loss shows what is on the disk: until then the file reads as if all were well.
        """
        if self._rng.random() < 0.7:
            files.fail_after(writes=self._rng.randint(1, writes_max))
            return None
        files.fail_after(syncs=self._rng.randint(1, 3))
        return True

    async def _crash_in_commit(self, device: SimulatedDevice) -> object:
        """Let the disk fail in the middle of a commit, and the machine with it."""
        files = _files_of(device)
        with_power = self._break_disk(files, writes_max=12)
        work = self._save_blindly(device) if self._rng.random() < 0.5 else device.sync()
        return await _failing(work, files), await self._crash(device, with_power=with_power)

    async def _save_blindly(self, device: SimulatedDevice) -> None:
        await self._edits.local(
            device, lambda: device.manager.save_document(*self._edits.place(), self._edits.document(None))
        )

    async def _power_loss(self, device: SimulatedDevice) -> object:
        """Let the power go at any one operation of a device's disk: in an edit, in a round, or while it starts."""
        files = _files_of(device)
        match self._rng.randrange(4):
            case 0:
                files.lose_power_after(self._rng.randint(1, OPERATIONS_OF_A_SAVE))
                problem = await _failing(self._edits.transaction(device), files)
            case 1:
                await device.crash(with_power=False)
                files.lose_power_after(self._rng.randint(1, OPERATIONS_OF_A_START))
                problem = await _failing(device.start(), files)
            case _:
                files.lose_power_after(self._rng.randint(1, OPERATIONS_OF_A_ROUND))
                problem = await _failing(device.sync(), files)
        await self._crash(device, with_power=True)
        return problem

    async def _partition(self, device: SimulatedDevice) -> object:
        device.network.partition(not device.network.is_partitioned)
        return device.network.is_partitioned

    # clocks

    async def _clock_jump(self, device: SimulatedDevice) -> object:
        return self._jump(device.clock)

    async def _server_clock_jump(self, _: SimulatedDevice) -> object:
        return self._jump(self._world.server.clock)

    def _jump(self, clock: VirtualClock) -> str:
        most = self._rng.choice([60.0, DAY_SECONDS, YEAR_SECONDS])
        seconds = self._rng.uniform(-most, most)
        clock.jump(seconds)
        return f"{seconds:.0f} s"

    # the server

    async def _server_restart(self, _: SimulatedDevice, *, with_power: bool | None = None) -> object:
        with_power = self._rng.random() < 0.6 if with_power is None else with_power
        self._world.server.crash(with_power=with_power)
        await asyncio.sleep(self._rng.choice([0.0, 0.0, 50.0]))
        await self._world.server.start()
        return with_power

    async def _server_disk_fault(self, device: SimulatedDevice) -> object:
        """Let the server's disk fail in a commit, and the machine with it."""
        with_power = self._break_disk(self._world.server.files, writes_max=20)
        await device.sync()
        return await self._server_restart(device, with_power=with_power)

    async def _server_power_loss(self, device: SimulatedDevice) -> object:
        """Let the power go at any one operation of the server's disk: while it answers, or while it starts."""
        server, problem = self._world.server, ""
        if self._rng.random() < 0.3:
            server.crash(with_power=False)
            server.files.lose_power_after(self._rng.randint(1, OPERATIONS_OF_A_START))
            problem = await _failing(server.start(), server.files)
        else:
            server.files.lose_power_after(self._rng.randint(1, OPERATIONS_OF_A_ROUND))
            await device.sync()
        await self._server_restart(device, with_power=True)
        return problem

    async def _outage(self, device: SimulatedDevice) -> object:
        """37 backoff bound: while the server is away, a device asks no more often than its interval, save what it may."""
        config = device.config
        self._world.server.crash(with_power=False)
        before = {other.name: other.life.requests for other in self._world.devices}
        for _ in range(SAVES_IN_OUTAGE):
            await self._edits.save(device)
            await asyncio.sleep(OUTAGE_SECONDS / SAVES_IN_OUTAGE)
        most = config.max_retries + ATTEMPTS_UNDER_WAY_MAX + OUTAGE_SECONDS / config.sync_interval_secs
        for other in self._world.devices:
            attempts = other.life.requests - before[other.name]
            if attempts > most:
                broken(
                    "37 backoff bound", f"{other.name} asked {attempts} times in {OUTAGE_SECONDS} s, at most {most} are due"
                )
        await self._world.server.start()
        return None

    # backups and copies

    async def _snapshot(self, device: SimulatedDevice) -> object:
        if self._can_be_copied(device):
            self._snapshots[device.name] = device.snapshot()
        return None

    def _can_be_copied(self, device: SimulatedDevice) -> bool:
        """Return whether a copy is what the device is: in the middle of a resync that is so of files only."""
        return self._world.engine == "sqlite" or not device.store.view(lambda reader: reader.replica().is_resyncing)

    async def _restore(self, device: SimulatedDevice) -> object:
        snapshot = self._snapshots.get(device.name)
        if snapshot is None:
            return None
        await device.restore(snapshot)
        await device.start()
        return True

    async def _clone(self, device: SimulatedDevice) -> object:
        if len(self._world.devices) >= DEVICES_MAX or not self._can_be_copied(device):
            return None
        name = f"d{len(self._world.devices)}"
        device.observe()
        files = self._world.clone_files(device.files, name)
        device.truth.has_twin = True
        await self._world.install(name, device.device_id, files, device.truth.copy(name), device.configured)
        return name


def _files_of(device: SimulatedDevice) -> CrashableFiles:
    assert isinstance(device.files, CrashableFiles), "only files fail"
    return device.files


async def _failing(work: Awaitable[object], files: CrashableFiles) -> str:
    """Wait for something the disk may fail in; returns the name of the error, if it was one of storage.

    When the power has gone it also ends the files' life, while the error still holds the connections that failed to open.
    """
    try:
        await work
    except StorageError as raised:
        if files.is_dark():
            files.power_loss()
        return type(raised).__name__
    return ""
