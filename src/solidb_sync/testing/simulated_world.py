"""One simulated world: its devices, its server, the steps that happen to them, and the end when all is quiet."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from solidb_sync.errors import StorageError
from solidb_sync.testing.crashable_files import CrashableFiles
from solidb_sync.testing.device_truth import DeviceTruth, screen_body
from solidb_sync.testing.faulty_network import Faults, FaultyNetwork
from solidb_sync.testing.final_checks import check_everything
from solidb_sync.testing.model_oracle import Ledger, Place
from solidb_sync.testing.simulated_device import COLLECTIONS, DeviceSnapshot, SimulatedDevice
from solidb_sync.testing.simulated_server import SimulatedServer, quieten_server_log
from solidb_sync.testing.virtual_loop import VirtualClock, VirtualClockLoop

KEYS = ("a", "b", "c")
FIELDS = ("p", "q", "r")
INNER_FIELDS = ("x", "y")
DEVICES_MAX = 6
ROUNDS_TO_QUIET_MAX = 12


@dataclass(frozen=True, slots=True)
class Weather:
    """What kinds of trouble a world has."""

    faults: Faults
    has_restores: bool
    has_clones: bool
    has_subscriptions: bool
    has_background: bool
    has_disk_faults: bool


def make_weather(rng: random.Random) -> Weather:
    """Choose the troubles of a world: many worlds have few, so that each kind is also seen by itself."""
    loss = rng.choice([0.0, 0.1, 0.3])
    faults = Faults(
        lose_request=loss,
        lose_answer=loss,
        duplicate=rng.choice([0.0, 0.0, 0.1]),
        delay_max_seconds=rng.choice([0.0, 0.0, 2.0]),
        truncate_answer=rng.choice([0.0, 0.05]),
        truncate_request=rng.choice([0.0, 0.05]),
    )
    return Weather(
        faults,
        has_restores=rng.random() < 0.4,
        has_clones=rng.random() < 0.25,
        has_subscriptions=rng.random() < 0.25,
        has_background=rng.random() < 0.25,
        has_disk_faults=rng.random() < 0.5,
    )


class World:
    """Everything that one seed makes."""

    def __init__(self, seed: int, loop: VirtualClockLoop) -> None:
        quieten_server_log()
        self.seed = seed
        self.trace: list[str] = []
        self.steps_done = 0
        self.ledger = Ledger()
        self.devices: list[SimulatedDevice] = []
        self._loop = loop
        self._rng = random.Random(f"{seed}/steps")  # noqa: S311
        self.weather = make_weather(self._rng)
        self._values = 0
        self._snapshots: dict[str, DeviceSnapshot] = {}
        self._all_files: list[CrashableFiles] = []
        self.server = SimulatedServer(
            self._new_files("server"), VirtualClock(loop), self._source("server"), self.ledger, self.trace.append
        )

    def close(self) -> None:
        """Take the file systems back from SQLite."""
        for files in self._all_files:
            files.close()

    async def live(self) -> None:
        """Live through the whole story."""
        await self.server.start()
        for _ in range(self._rng.randint(2, 4)):
            await self._add_device()
        for _ in range(self._rng.randint(60, 150)):
            await self._step()
        await self._calm_down()
        await check_everything(self)

    # making devices

    def _source(self, name: str) -> random.Random:
        return random.Random(f"{self.seed}/{name}")  # noqa: S311

    def _new_files(self, name: str) -> CrashableFiles:
        files = CrashableFiles(f"sim-{self.seed}-{name}", self._source(f"{name}/files"))
        self._all_files.append(files)
        return files

    async def _add_device(self) -> None:
        name = f"d{len(self.devices)}"
        configured: tuple[str, ...] = ()
        if self.weather.has_subscriptions and self._rng.random() < 0.4:
            configured = self._rng.choice([("notes",), COLLECTIONS])
        await self._install(name, name, self._new_files(name), None, configured)

    async def _install(
        self, name: str, device_id: str, files: CrashableFiles, truth: DeviceTruth | None, configured: tuple[str, ...]
    ) -> None:
        device = SimulatedDevice(
            name,
            device_id,
            files=files,
            network=FaultyNetwork(self._loop, self._source(f"{name}/network"), self.weather.faults),
            server=self.server,
            ledger=self.ledger,
            clock=VirtualClock(self._loop, self._rng.uniform(-100_000, 100_000)),
            rng=self._source(name),
            truth=truth,
            is_in_background=self.weather.has_background and self._rng.random() < 0.7,
            configured=configured,
        )
        self.devices.append(device)
        await device.start()

    # one step

    async def _step(self) -> None:
        choices = self._choices()
        name = self._rng.choices(list(choices), [weight for weight, _ in choices.values()])[0]
        device = self._rng.choice(self.devices)
        line = f"{self.steps_done} {self._loop.time():.3f} {device.name} {name}"
        outcome = await choices[name][1](device)
        self.trace.append(f"{line} {outcome}")
        self.steps_done += 1
        for other in self.devices:
            other.observe()

    def _choices(self) -> dict[str, tuple[float, Callable[[SimulatedDevice], Awaitable[object]]]]:
        weather = self.weather
        return {
            "save": (30, self._save),
            "delete": (6, self._delete),
            "recreate": (2, self._recreate),
            "transaction": (4, self._transaction),
            "sync": (30, self._sync),
            "sync on the side": (8, self._sync_on_the_side),
            "wait": (4, self._wait),
            "crash": (3, self._crash),
            "crash in a round": (3, self._crash_in_round),
            "crash in a commit": (3 if weather.has_disk_faults else 0, self._crash_in_commit),
            "partition": (2, self._partition),
            "server restart": (2, self._server_restart),
            "server disk fault": (2 if weather.has_disk_faults else 0, self._server_disk_fault),
            "clock jump": (1, self._clock_jump),
            "snapshot": (2 if weather.has_restores else 0, self._snapshot),
            "restore": (2 if weather.has_restores else 0, self._restore),
            "clone": (1 if weather.has_clones else 0, self._clone),
            "unsubscribe": (2 if weather.has_subscriptions else 0, self._unsubscribe),
            "subscribe": (3 if weather.has_subscriptions else 0, self._subscribe),
        }

    # edits

    def _place(self) -> Place:
        return self._rng.choice(COLLECTIONS), self._rng.choice(KEYS)

    def _value(self) -> Any:
        self._values += 1
        unique = f"v{self._values}"
        match self._rng.randrange(8):
            case 0:
                return {name: f"{unique}{name}" for name in INNER_FIELDS if self._rng.random() < 0.7}
            case 1:
                return [unique, self._values, None]
            case 2:
                return None
            case _:
                return unique

    def _document(self, before: dict[str, Any] | None) -> dict[str, Any]:
        """Return fields to save: some new ones, sometimes one inside a nested field."""
        fields = {name: self._value() for name in FIELDS if self._rng.random() < 0.4}
        nested = [name for name, value in (before or {}).items() if isinstance(value, dict)]
        if nested and self._rng.random() < 0.7:
            name = self._rng.choice(nested)
            fields[name] = {**(before or {})[name], self._rng.choice(INNER_FIELDS): self._value()}
        return fields

    async def _save(self, device: SimulatedDevice) -> object:
        place = self._place()
        return await self._local(device, lambda: self._save_at(device, place))

    async def _save_at(self, device: SimulatedDevice, place: Place) -> object:
        """Save, and read it back: 7 read your writes."""
        before = await self._shown(device, place)
        merge = self._rng.random() < 0.75
        fields = self._document(before)
        if not merge and before and self._rng.random() < 0.5:
            fields = {name: value for name, value in before.items() if self._rng.random() < 0.6} | fields
        await device.manager.save_document(*place, fields, merge=merge)
        wanted = {**(before or {}), **fields} if merge else fields
        shown = await self._shown(device, place)
        assert shown == wanted, f"7 read your writes: saved {wanted}, read {shown}"
        return place, sorted(fields), merge

    async def _shown(self, device: SimulatedDevice, place: Place) -> dict[str, Any] | None:
        document = await device.manager.get_document(*place)
        return None if document is None else {name: value for name, value in document.items() if not name.startswith("_")}

    async def _delete(self, device: SimulatedDevice) -> object:
        place = self._place()
        return await self._local(device, lambda: self._delete_at(device, place))

    async def _delete_at(self, device: SimulatedDevice, place: Place) -> object:
        await device.manager.delete_document(*place)
        assert await self._shown(device, place) is None, f"7 read your writes: {place} was deleted and is still there"
        return place

    async def _recreate(self, device: SimulatedDevice) -> object:
        place = self._place()
        await self._local(device, lambda: self._delete_at(device, place))
        return await self._local(device, lambda: self._save_at(device, place))

    async def _transaction(self, device: SimulatedDevice) -> object:
        return await self._local(device, lambda: self._transact(device))

    async def _transact(self, device: SimulatedDevice) -> object:
        places = [self._place() for _ in range(self._rng.randint(2, 3))]
        async with device.manager.transaction() as transaction:
            for place in places:
                if self._rng.random() < 0.2:
                    await transaction.delete_document(*place)
                else:
                    await transaction.save_document(*place, self._document(None))
        return places

    async def _local(self, device: SimulatedDevice, work: Callable[[], Awaitable[object]]) -> object:
        """Do something that must not touch the network, and look at the store before and after."""
        device.observe()
        device.life.is_in_local_call = True
        try:
            return await work()
        finally:
            device.life.is_in_local_call = False
            if not device.life.is_over:
                device.observe()

    # rounds

    async def _sync(self, device: SimulatedDevice) -> object:
        result = await device.sync()
        return result and (result.success, result.pulled, result.pushed, result.conflict_count, result.errors)

    async def _sync_on_the_side(self, device: SimulatedDevice) -> object:
        device.in_own_task(device.manager.sync_now())
        for _ in range(self._rng.randint(0, 30)):
            await asyncio.sleep(0)
        return None

    async def _wait(self, device: SimulatedDevice) -> object:
        await asyncio.sleep(self._rng.choice([0.1, 1.0, 10.0, 100.0]) * self._rng.random())
        return None

    # trouble

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
        with_power = self._break_disk(device.files, writes_max=12)
        problem = ""
        try:
            if self._rng.random() < 0.5:
                await device.manager.save_document(*self._place(), self._document(None))
            else:
                await device.sync()
        except StorageError as raised:
            problem = type(raised).__name__
        return problem, await self._crash(device, with_power=with_power)

    async def _partition(self, device: SimulatedDevice) -> object:
        device.network.partition(not device.network.is_partitioned)
        return device.network.is_partitioned

    async def _clock_jump(self, device: SimulatedDevice) -> object:
        device.clock.jump(self._rng.uniform(-100_000, 100_000))
        return None

    async def _server_restart(self, _: SimulatedDevice, *, with_power: bool | None = None) -> object:
        with_power = self._rng.random() < 0.6 if with_power is None else with_power
        self.server.crash(with_power=with_power)
        await asyncio.sleep(self._rng.choice([0.0, 0.0, 50.0]))
        await self.server.start()
        return with_power

    async def _server_disk_fault(self, device: SimulatedDevice) -> object:
        """Let the server's disk fail in a commit, and the machine with it."""
        with_power = self._break_disk(self.server.files, writes_max=20)
        outcome = await self._sync(device)
        return outcome, await self._server_restart(device, with_power=with_power)

    async def _snapshot(self, device: SimulatedDevice) -> object:
        self._snapshots[device.name] = device.snapshot()
        return None

    async def _restore(self, device: SimulatedDevice) -> object:
        snapshot = self._snapshots.get(device.name)
        if snapshot is None:
            return None
        await device.restore(snapshot)
        await device.start()
        return True

    async def _clone(self, device: SimulatedDevice) -> object:
        if len(self.devices) >= DEVICES_MAX:
            return None
        name = f"d{len(self.devices)}"
        device.observe()
        files = device.files.clone(f"sim-{self.seed}-{name}")
        self._all_files.append(files)
        await self._install(name, device.device_id, files, device.truth.copy(name), device.configured)
        return name

    async def _unsubscribe(self, device: SimulatedDevice) -> object:
        collection, purge = self._rng.choice(COLLECTIONS), self._rng.random() < 0.3
        device.observe()
        await device.manager.unsubscribe(collection, purge=purge)
        if purge:
            device.truth.forget(collection)
        return collection, purge

    async def _subscribe(self, device: SimulatedDevice) -> object:
        collection = self._rng.choice(COLLECTIONS)
        await self._local(device, lambda: device.manager.subscribe(collection))
        return collection

    # the end

    async def _calm_down(self) -> None:
        """Let every fault end and what is under way arrive, then sync until nothing moves."""
        for device in self.devices:
            device.network.heal()
        for device in self.devices:
            await device.network.settle()
            device.observe()
            for collection in COLLECTIONS:
                await device.manager.subscribe(collection)
        for number in range(ROUNDS_TO_QUIET_MAX):
            before = self.ledger.newest
            for device in self.devices:
                result = await device.sync()
                assert result is not None
                self.trace.append(f"end {number} {device.name} {result.success} {result.pulled} {result.errors}")
            if before == self.ledger.newest and number:
                return

    def screen(self, device: SimulatedDevice, place: Place) -> Any:
        """Return the document a device shows."""
        return screen_body(device.view(), place)
