"""A device inside the simulation: the real store and the real manager, through one life after another."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Any

from solidb_sync.client.config import SyncConfig
from solidb_sync.client.results import SyncResult
from solidb_sync.client.sync_manager import SyncManager
from solidb_sync.errors import StorageError
from solidb_sync.testing.device_truth import DeviceTruth, DeviceView, evicted_places, read_view
from solidb_sync.testing.faulty_network import FaultyNetwork
from solidb_sync.testing.model_oracle import Ledger
from solidb_sync.testing.simulated_disks import DeviceDisk
from solidb_sync.testing.simulated_server import SimulatedServer
from solidb_sync.testing.simulated_transport import DeviceLife, SimulatedTransport
from solidb_sync.testing.virtual_loop import NumberedTask, VirtualClock

COLLECTIONS = ("notes", "tasks")
BATCH_SIZE_MAX = 5
ENDING_SECONDS_MAX = 600.0

_LIFE: ContextVar[DeviceLife | None] = ContextVar("life", default=None)


@dataclass(frozen=True, slots=True)
class DeviceSnapshot:
    """A backup of a device, and what was true of it then."""

    files: Any
    truth: DeviceTruth


class SimulatedDevice:
    """One device. `name` is its own; `device_id` it may share with a clone."""

    def __init__(
        self,
        name: str,
        device_id: str,
        *,
        files: DeviceDisk,
        network: FaultyNetwork,
        server: SimulatedServer,
        ledger: Ledger,
        findings: list[AssertionError],
        clock: VirtualClock,
        rng: random.Random,
        truth: DeviceTruth | None = None,
        is_in_background: bool = False,
        configured: tuple[str, ...] = (),
        key: bytes | None = None,
        has_decisions: bool = False,
        attachments: str = "eager",
    ) -> None:
        self.name = name
        self.device_id = device_id
        self.files = files
        self.network = network
        self.truth = truth or DeviceTruth(name)
        self.is_in_background = is_in_background
        self.configured = configured
        self.key = key
        """What the store is sealed with, None for one that anybody can read."""
        self.clock = clock
        self.has_decisions = has_decisions
        self.attachments = attachments
        """When the bytes of files are fetched: as `SyncConfig` says it."""
        self.restores = 0
        """How often a backup was put in the place of everything."""
        self._server = server
        self._ledger = ledger
        self._findings = findings
        self._rng = rng

    async def start(self) -> None:
        """Start the program: open the store as it is, look at it, and begin to sync if this device does so by itself."""
        self.life = DeviceLife(self.observe, self.files)
        self._context = Context()
        self._context.run(_LIFE.set, self.life)
        self.store = self.files.open_store(self.device_id, clock=self.clock, random_bytes=self._rng.randbytes, key=self.key)
        self.config = SyncConfig(
            batch_size=self._rng.randint(1, 5),
            auto_sync=self.is_in_background,
            collections=self.configured,
            attachments=self.attachments,
        )
        self.transport = SimulatedTransport(self.life, self.network, self._server)
        jitter = random.Random(self._rng.random())
        self.manager = SyncManager(self.store, self.transport, self.config, random_source=jitter)
        self._writes_seen = -1
        self.observe()
        if self.is_in_background:
            await self.in_own_task(self.manager.start())

    def in_own_task(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task that belongs to this life and ends with it."""
        return asyncio.get_running_loop().create_task(work, context=self._context.copy())

    def observe(self) -> None:
        """Compare the store with the truth, if anything was written since the last time and the power is on."""
        if self.files.is_dark() or self.files.writes == self._writes_seen:
            return
        self._writes_seen = self.files.writes
        try:
            self.truth.observe(self.view(), self._ledger)
        except AssertionError as problem:
            self._findings.append(problem)
            raise

    def view(self) -> DeviceView:
        """Return what the store says now."""
        return self.store.view(lambda reader: read_view(reader, COLLECTIONS, with_conflicts=self.has_decisions))

    async def sync(self, *, dies_after_points: int = 0) -> SyncResult | None:
        """Run a round to its end; None when the program died on the way."""
        self.life.dies_after_points = dies_after_points
        syncing = self.in_own_task(self.manager.sync_now())
        dying = asyncio.ensure_future(self.life.death.wait())
        await asyncio.wait([syncing, dying], return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        self.life.dies_after_points = 0
        if not syncing.done():
            return None
        self.observe()
        result: SyncResult = syncing.result()
        return result

    async def while_alive(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something that may touch the network; "died" when the program did on the way."""
        doing = self.in_own_task(work)
        dying = asyncio.ensure_future(self.life.death.wait())
        await asyncio.wait([doing, dying], return_when=asyncio.FIRST_COMPLETED)
        dying.cancel()
        return doing.result() if doing.done() else "died"

    async def crash(self, *, with_power: bool) -> None:
        """End the program, or the machine under it, whatever it is doing."""
        self.end()
        if with_power:
            self.files.power_loss()
        else:
            self.files.kill()
        await self._bury()

    async def restore(self, snapshot: DeviceSnapshot) -> None:
        """End the program and put an old backup in the place of everything."""
        self.end()
        self.restores += 1
        self.files.restore(snapshot.files)
        self.truth = snapshot.truth.copy(self.name)
        await self._bury()

    def end(self) -> None:
        """Let nothing of this life act any more."""
        self.life.is_over = True
        self._remains = [task for task in asyncio.all_tasks() if _belongs_to(task, self.life)]
        for task in self._remains:
            task.cancel()

    async def _bury(self) -> None:
        """Wait until the cancelled tasks have ended; what they still tried failed at the closed store."""
        if self._remains:
            _, unfinished = await asyncio.wait(self._remains, timeout=ENDING_SECONDS_MAX)
            assert not unfinished, f"{self.name}: tasks that do not end when cancelled: {unfinished}"
            for task in self._remains:
                if not task.cancelled() and not isinstance(task.exception(), StorageError | None):
                    task.result()

    def evicted(self) -> list[tuple[str, str]]:
        """Return the documents that are on the server only, because they were dropped here."""
        return self.store.view(lambda reader: sorted(evicted_places(reader)))

    def snapshot(self) -> DeviceSnapshot:
        """Return a backup, as of now."""
        self.observe()
        return DeviceSnapshot(self.files.snapshot(), self.truth.copy(self.name))


def _belongs_to(task: asyncio.Task[Any], life: DeviceLife) -> bool:
    return isinstance(task, NumberedTask) and task.context.get(_LIFE) is life
