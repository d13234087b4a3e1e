"""What can happen to a simulated world, one step at a time: edits, rounds, crashes, backups, partitions."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from solidb_sync.errors import StorageError
from solidb_sync.testing.crashable_files import CrashableFiles
from solidb_sync.testing.invariants import broken
from solidb_sync.testing.model_oracle import Place
from solidb_sync.testing.simulated_device import COLLECTIONS, DeviceSnapshot, SimulatedDevice

if TYPE_CHECKING:
    from solidb_sync.testing.simulated_world import World

KEYS = ("a", "b", "c")
FIELDS = ("p", "q", "r")
INNER_FIELDS = ("x", "y")
DEVICES_MAX = 6
OUTAGE_SECONDS = 600.0
SAVES_IN_OUTAGE = 20
ATTEMPTS_UNDER_WAY_MAX = 4

Step = Callable[[SimulatedDevice], Awaitable[object]]


class Steps:
    """Chooses and takes the steps of one world."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._values = 0
        self._snapshots: dict[str, DeviceSnapshot] = {}

    async def take_one(self) -> str:
        """Take a random step on a random device; returns a line that tells of it."""
        choices = self._choices()
        name = self._rng.choices(list(choices), [weight for weight, _ in choices.values()])[0]
        device = self._rng.choice(self._world.devices)
        line = f"{asyncio.get_running_loop().time():.3f} {device.name} {name}"
        return f"{line} {await choices[name][1](device)}"

    def _choices(self) -> dict[str, tuple[float, Step]]:
        weather = self._world.weather
        return {
            "save": (42, self._save),
            "delete": (6, self._delete),
            "recreate": (2, self._recreate),
            "transaction": (4, self._transaction),
            "sync": (22, self._sync),
            "sync on the side": (7, self._sync_on_the_side),
            "wait": (4, self._wait),
            "crash": (3, self._crash),
            "crash in a round": (3, self._crash_in_round),
            "crash in a commit": (3 if weather.has_disk_faults else 0, self._crash_in_commit),
            "partition": (2, self._partition),
            "server restart": (2, self._server_restart),
            "server disk fault": (2 if weather.has_disk_faults else 0, self._server_disk_fault),
            "outage": (0.5 if weather.has_background else 0, self._outage),
            "clock jump": (1, self._clock_jump),
            "snapshot": (2 if weather.has_restores else 0, self._snapshot),
            "restore": (2 if weather.has_restores else 0, self._restore),
            "clone": (2 if weather.has_clones else 0, self._clone),
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
        self._world.server.crash(with_power=with_power)
        await asyncio.sleep(self._rng.choice([0.0, 0.0, 50.0]))
        await self._world.server.start()
        return with_power

    async def _server_disk_fault(self, device: SimulatedDevice) -> object:
        """Let the server's disk fail in a commit, and the machine with it."""
        with_power = self._break_disk(self._world.server.files, writes_max=20)
        outcome = await self._sync(device)
        return outcome, await self._server_restart(device, with_power=with_power)

    async def _outage(self, device: SimulatedDevice) -> object:
        """37 backoff bound: while the server is away, a device asks no more often than its interval, save what it may."""
        config = device.config
        self._world.server.crash(with_power=False)
        before = {other.name: other.life.requests for other in self._world.devices}
        for _ in range(SAVES_IN_OUTAGE):
            await self._local(device, lambda: self._save_at(device, self._place()))
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
        if len(self._world.devices) >= DEVICES_MAX:
            return None
        name = f"d{len(self._world.devices)}"
        device.observe()
        files = self._world.clone_files(device.files, name)
        device.truth.has_twin = True
        await self._world.install(name, device.device_id, files, device.truth.copy(name), device.configured)
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
