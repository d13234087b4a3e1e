"""One simulated world: its devices, its server, the steps that happen to them, and the end when all is quiet."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from solidb_sync.server import judge_change, known_edit, plain_batch, proposed_change
from solidb_sync.storage.records import ChangeState
from solidb_sync.testing.crashable_files import CrashableFiles, Snapshot
from solidb_sync.testing.device_truth import DeviceTruth, DeviceView
from solidb_sync.testing.empty_stores import empty_server, empty_store
from solidb_sync.testing.faulty_network import Faults, FaultyNetwork
from solidb_sync.testing.invariants import broken
from solidb_sync.testing.model_oracle import Ledger
from solidb_sync.testing.planter import Planter
from solidb_sync.testing.refused_changes import refused_ids, settle_refused
from solidb_sync.testing.simulated_device import COLLECTIONS, SimulatedDevice
from solidb_sync.testing.simulated_disks import DeviceDisk, MemoryDisk, RocksdbDisk, SqliteDisk
from solidb_sync.testing.simulated_server import SimulatedServer
from solidb_sync.testing.simulated_subscriptions import subscribe
from solidb_sync.testing.small_chunks import cut_small
from solidb_sync.testing.virtual_loop import VirtualClock, VirtualClockLoop

STEPS_MIN, STEPS_MAX = 50, 130
DEVICES = (2, 2, 2, 3, 3, 3, 4, 4, 5, 8)
"""How many devices a world begins with: few of them meet more often."""

FEATURES = frozenset(
    {
        "rejections",
        "strategies",
        "fields",
        "filters",
        "deltas",
        "status",
        "resets",
        "sealed",
        "decisions",
        "evictions",
        "attachments",
    }
)
"""What a part of the worlds has besides what all may have."""

ROUNDS_TO_QUIET_MAX = 12
HEALTHY_REQUESTS_MAX = 20
DOCUMENT_BYTES_FEW = 280
STORE_KEY = bytes(range(32))


@dataclass(frozen=True, slots=True)
class Weather:
    """What kinds of trouble a world has."""

    faults: Faults
    has_restores: bool
    has_clones: bool
    has_subscriptions: bool
    has_background: bool
    has_disk_faults: bool
    has_power_losses: bool
    document_bytes_max: int | None
    """How large a document the server keeps, None for as large as devices do."""
    has_strategies: bool
    has_fields: bool
    has_filters: bool
    has_deltas: bool
    has_status: bool
    has_resets: bool
    has_sealed_stores: bool
    has_decisions: bool
    """True when people decide conflicts by hand, and take decisions back."""
    has_evictions: bool
    has_attachments: bool
    devices: int


def make_weather(rng: random.Random, feature: Callable[[str], float]) -> Weather:
    """Choose the troubles of a world: many worlds have few, so that each kind is also seen by itself.

    What came later draws from a source of its own (`feature`), so that the worlds without it stay what they were.
    """
    loss = rng.choice([0.0, 0.1, 0.3])
    faults = Faults(
        lose_request=loss,
        lose_answer=loss,
        duplicate=rng.choice([0.0, 0.0, 0.1]),
        delay_max_seconds=rng.choice([0.0, 0.0, 2.0]),
        truncate_answer=rng.choice([0.0, 0.05]),
        truncate_request=rng.choice([0.0, 0.05]),
    )
    has_rejections = feature("rejections") < 0.3
    has_fields = feature("fields") < 0.45
    return Weather(
        faults,
        has_restores=rng.random() < 0.4,
        has_clones=rng.random() < 0.25,
        has_subscriptions=rng.random() < 0.25,
        has_background=rng.random() < 0.25,
        has_disk_faults=rng.random() < 0.5,
        has_power_losses=rng.random() < 0.5,
        document_bytes_max=DOCUMENT_BYTES_FEW if has_rejections else None,
        has_strategies=feature("strategies") < 0.35,
        has_fields=has_fields,
        has_filters=feature("filters") < 0.35,
        has_deltas=feature("deltas") < 0.3,
        has_status=feature("status") < 0.25,
        # Of a document that comes back after its collection was emptied, the account does not know where its counts begin.
        has_resets=not has_fields and feature("resets") < 0.35,
        has_sealed_stores=feature("sealed") < 0.1,
        has_decisions=feature("decisions") < 0.25,
        has_evictions=feature("evictions") < 0.2,
        # Documents with files are large: which of them the server refuses is not for this account.
        has_attachments=not has_rejections and feature("attachments") < 0.2,
        devices=rng.choice(DEVICES),
    )


class World:
    """Everything that one seed makes."""

    def __init__(
        self, seed: int, loop: VirtualClockLoop, *, features: Collection[str] = FEATURES, engine: str = "sqlite"
    ) -> None:
        self.seed = seed
        self.engine = engine
        """What keeps the stores of its devices, of `ENGINES`."""
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        """For what a world keeps in real files."""
        self.trace: list[str] = []
        self.actions_done = 0
        self.ledger = Ledger()
        self.findings: list[AssertionError] = []
        """Broken promises, also those found in tasks that nobody waits for."""
        self.devices: list[SimulatedDevice] = []
        self._loop = loop
        self.rng = random.Random(f"{seed}/steps")
        self.weather = make_weather(self.rng, self._chance_of(features))
        self._all_files: list[DeviceDisk | CrashableFiles] = []
        self._planter = Planter()
        if self.weather.document_bytes_max is not None:
            for module in (judge_change, known_edit, plain_batch, proposed_change):
                self._planter.setattr(module, "DOCUMENT_BYTES_MAX", self.weather.document_bytes_max)
        if self.weather.has_attachments:
            cut_small(self._planter)
        self.server = SimulatedServer(
            self._new_files("server", empty_server()),
            VirtualClock(loop),
            self._source("server"),
            self.ledger,
            trace=self.trace.append,
            findings=self.findings,
            attachments=self._real_directory() / "attachments" if self.weather.has_attachments else None,
        )

    def close(self) -> None:
        """Take the file systems back from SQLite."""
        self._planter.put_back()
        for files in self._all_files:
            files.close()
        if self._directory is not None:
            self._directory.cleanup()

    async def begin(self) -> int:
        """Start the server and the first devices; returns how many steps this world will live."""
        await self.server.start()
        for _ in range(self.weather.devices):
            await self._add_device()
        return self.rng.randint(STEPS_MIN, STEPS_MAX)

    # making devices

    def _chance_of(self, features: Collection[str]) -> Callable[[str], float]:
        """Return what draws a number for a feature; one that is left out draws 1, which is never less than its share."""
        return lambda name: self._source(name).random() if name in features else 1.0

    def _source(self, name: str) -> random.Random:
        return random.Random(f"{self.seed}/{name}")

    def _new_files(self, name: str, content: Snapshot | None) -> SqliteDisk:
        files = SqliteDisk(f"sim-{self.seed}-{name}", self._source(f"{name}/files"))
        if content is not None:
            files.restore(content)
        self._all_files.append(files)
        return files

    def _real_directory(self) -> Path:
        if self._directory is None:
            self._directory = tempfile.TemporaryDirectory(prefix="simulated-")
        return Path(self._directory.name)

    def _new_disk(self, name: str) -> DeviceDisk:
        match self.engine:
            case "sqlite":
                return self._new_files(name, None if self.weather.has_sealed_stores else empty_store())
            case "memory":
                disk: DeviceDisk = MemoryDisk()
            case _:
                disk = RocksdbDisk(self._real_directory() / name, STORE_KEY if self.seed % 2 else None)
        self._all_files.append(disk)
        return disk

    async def _add_device(self) -> None:
        name = f"d{len(self.devices)}"
        configured: tuple[str, ...] = ()
        if self.weather.has_subscriptions and self.rng.random() < 0.4:
            configured = self.rng.choice([("notes",), COLLECTIONS])
        await self.install(name, name, self._new_disk(name), None, configured)

    def clone_files(self, files: DeviceDisk, name: str) -> DeviceDisk:
        """Return a copy of a device's disk."""
        copied: DeviceDisk = files.clone(f"sim-{self.seed}-{name}")
        self._all_files.append(copied)
        return copied

    async def install(
        self, name: str, device_id: str, files: DeviceDisk, truth: DeviceTruth | None, configured: tuple[str, ...]
    ) -> None:
        """Add a device with this disk and start it."""
        device = SimulatedDevice(
            name,
            device_id,
            files=files,
            network=FaultyNetwork(self._loop, self._source(f"{name}/network"), self.weather.faults),
            server=self.server,
            ledger=self.ledger,
            findings=self.findings,
            clock=VirtualClock(self._loop, self.rng.uniform(-100_000, 100_000)),
            rng=self._source(name),
            truth=truth,
            is_in_background=self.weather.has_background and self.rng.random() < 0.7,
            configured=configured,
            key=STORE_KEY if self.weather.has_sealed_stores and self.engine == "sqlite" else None,
            has_decisions=self.weather.has_decisions,
            attachments="on_demand" if self.weather.has_attachments and len(self.devices) % 2 else "eager",
        )
        self.devices.append(device)
        await device.start()

    def messages(self) -> int:
        """Return how many requests and answers have arrived so far."""
        return sum(device.network.traffic.requests + device.network.traffic.answers for device in self.devices)

    # the end

    def look_around(self) -> None:
        """Check every device that has changed; raise what was found anywhere."""
        for device in self.devices:
            device.observe()
        if self.findings:
            raise self.findings[0]

    async def calm_down(self) -> None:
        """Let every fault end and what is under way arrive, then sync until nothing moves."""
        for device in self.devices:
            device.network.heal()
        for device in self.devices:
            await device.network.settle()
            await device.manager.sync_now()  # shares the round that began before
            device.observe()
            for collection in COLLECTIONS:
                await subscribe(device, collection)
        await self.sync_until_quiet()

    async def sync_until_quiet(self) -> None:
        """Sync over a healthy network until nothing moves."""
        for number in range(ROUNDS_TO_QUIET_MAX):
            before = self.ledger.newest
            for device in self.devices:
                self.trace.append(f"end {number} {device.name} {await self._healthy_round(device)}")
                while refused := refused_ids(device):
                    await settle_refused(device, refused[0], "let go")
            if before == self.ledger.newest and number:
                return

    async def _healthy_round(self, device: SimulatedDevice) -> object:
        """36 progress: over a healthy network a round ends soon, with everything sent and fetched."""
        view = device.view()
        requests = device.life.requests
        result = await device.sync()
        assert result is not None, "nobody dies in a healthy round"
        self.look_around()
        requests = device.life.requests - requests
        most = HEALTHY_REQUESTS_MAX + 4 * (len(view.changes) + len(self.ledger.versions))
        if requests > most:
            broken("36 progress", f"{device.name}: a round of {requests} requests, {most} are plenty")
        after = device.view()
        is_done = not any(change.state is ChangeState.PENDING for change in after.changes)
        if result.success and not is_done:
            broken("36 progress", f"{device.name}: a round succeeded and left edits unsent")
        newly_refused = set(_refused(after)) - set(_refused(view))
        is_idle = is_done and not newly_refused and len(after.changes) == len(view.changes)
        if not result.success and (not result.error_details or is_idle):
            broken("36 progress", f"{device.name}: a round failed over a healthy network: {result.errors}")
        return result.success, result.pulled, result.pushed, result.errors


def _refused(view: DeviceView) -> list[str]:
    return [change.change_id for change in view.changes if change.state is ChangeState.REJECTED]
