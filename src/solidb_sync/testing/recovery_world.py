"""A small world in which the server loses its past and forgets on purpose: backups put back, and short retention.

Devices sync over a network with faults. The server is put back to older copies of its files, forgets tombstones and long
vectors after two hours, has its clock set, and one collection is emptied now and then. No device ever loses its store, so
nothing of what its people did may be lost. The account is simple: a document that only one device writes ends everywhere as
that device left it, and a counter ends as the sum of everything that anybody added, whatever was under way.

One thing nobody can know: a device that comes to a restored server only after the retention time may bring back what was
deleted there, and forgotten, meanwhile; it may as well be all that is left of a document.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solidb_sync.client.config import SyncConfig
from solidb_sync.client.results import SyncResult
from solidb_sync.client.sync_manager import SyncManager
from solidb_sync.json_value import decode
from solidb_sync.protocol import endpoints
from solidb_sync.server.application import build_app
from solidb_sync.server.config import ServerConfig
from solidb_sync.server.storage.sqlite.server_backend import SqliteServerBackend
from solidb_sync.storage.committer import InlineCommitter
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.records import ChangeState
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.testing.counting_world import ADMIN_KEY, DATABASE, FAULTS, HEADERS, Link
from solidb_sync.testing.crashable_files import CrashableFiles, Snapshot
from solidb_sync.testing.faulty_network import Answer, FaultyNetwork, Request, Send, asgi_send
from solidb_sync.testing.invariants import broken
from solidb_sync.testing.model_oracle import Place
from solidb_sync.testing.simulated_server import stored_documents
from solidb_sync.testing.virtual_loop import VirtualClock, VirtualClockLoop, run

STEPS = 70
ROUNDS_TO_QUIET = 8
RETENTION_HOURS = 2
HOUR_SECONDS = 3_600.0
CLOCK_JUMP_SECONDS_MAX = 365 * 86_400.0
DEVICES_MAX = 4
OWN, SHARED, COUNTED, EMPTIED = "own", "shared", "counted", "emptied"
COLLECTIONS = (OWN, SHARED, COUNTED, EMPTIED)
COUNT_PLACE = (COUNTED, "k")
MAINTENANCE_PATH = endpoints.path_for(endpoints.MAINTENANCE, DATABASE)
EMPTY_PATH = f"/_api/database/{DATABASE}/collection/{EMPTIED}/truncate"

Body = dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Story:
    """How often each step of a world is taken, by its number in `_step`, and how many backups there are to choose from."""

    weights: tuple[int, ...]
    newest_backups: int | None = None


USUAL = Story((18, 12, 4, 7, 6, 3, 5, 4, 3, 1, 2, 2, 1))
DENSE = Story((18, 12, 4, 7, 15, 3, 5, 4, 4, 6, 2, 2, 1), newest_backups=3)
"""Many increments, and a server that is put back again and again to a moment not long ago."""


class RestorableServer:
    """The real server over files that can be put back."""

    def __init__(self, seed: int, loop: VirtualClockLoop, chance: random.Random) -> None:
        self.files = CrashableFiles(f"recover-{seed}-server", chance)
        self.clock = VirtualClock(loop)
        self._chance = chance
        self.start()

    def start(self, snapshot: Snapshot | None = None) -> None:
        """Start the program over its files, or over a backup of them."""
        self.files.kill()
        if snapshot is not None:
            self.files.restore(snapshot)
        self.backend = SqliteServerBackend(
            lambda name: FileLocation(name, vfs=self.files.name, is_exclusive=True),
            lambda transactions, _: InlineCommitter(transactions),
            clock=self.clock,
            random_bytes=self._chance.randbytes,
        )
        config = ServerConfig(Path("simulated"), admin_key=ADMIN_KEY, retention_days=RETENTION_HOURS / 24)
        self._send: Send = asgi_send(build_app(config, self.backend, self.clock, random_bytes=self._chance.randbytes))

    async def send(self, request: Request) -> Answer:
        """Let the program that runs now answer."""
        return await self._send(request)

    async def documents(self) -> dict[Place, tuple[Body, dict[str, int]]]:
        """Return every document: its body (None: a tombstone) and its vector."""
        database = self.backend.database(DATABASE, create=True)
        assert database is not None
        found = await database.read(lambda session: stored_documents(session, 0))
        return {
            place: (None if stored.body is None else decode(stored.body), decode(stored.vector))
            for place, stored in found.items()
        }


class RecoveryDevice:
    """One device, whose files nobody ever puts back; `own` is what it made of the documents only it writes."""

    def __init__(self, world: RecoveryWorld, name: str) -> None:
        self.world = world
        self.name = name
        self.files = CrashableFiles(f"recover-{world.seed}-{name}", world.chance)
        self.own: dict[str, Body] = {}
        self.made: dict[str, list[Body]] = {}
        """Everything it ever made of them."""
        self.absent_ms = 0
        """For how long, by the server's clock, it has not been heard of."""
        self.open()

    def open(self) -> None:
        """Start the program over the files as they are."""
        world = self.world
        self.files.kill()
        location = FileLocation("store.db", vfs=self.files.name, is_exclusive=True)
        self.store = LocalStore.open_at(
            location, self.name, clock=VirtualClock(world.loop), random_bytes=world.chance.randbytes
        )
        config = SyncConfig(auto_sync=False, batch_size=world.chance.randint(1, 4))
        self.manager = SyncManager(self.store, Link(world.network, world.server.send), config)

    def shown(self) -> dict[Place, Any]:
        """Return every live document."""
        return self.store.view(
            lambda reader: {
                (name, key): decode(row.body)
                for name in COLLECTIONS
                for key, row in reader.all_rows(name)
                if row.body is not None
            }
        )

    def unsettled(self) -> list[str]:
        """Return the changes that were not sent, or not seen to arrive."""
        changes = self.store.view(lambda reader: reader.changes(state=None))
        return [change.change_id for change in changes if change.state is not ChangeState.REJECTED]


class RecoveryWorld:
    """Everything that one seed makes."""

    def __init__(self, seed: int, loop: VirtualClockLoop, story: Story = USUAL) -> None:
        self.seed = seed
        self.story = story
        self.chance = random.Random(f"recovery {seed}")
        self.loop = loop
        self.network = FaultyNetwork(loop, self.chance, FAULTS)
        self.server = RestorableServer(seed, loop, self.chance)
        self.devices = [RecoveryDevice(self, f"d{number}") for number in range(self.chance.randint(2, DEVICES_MAX))]
        self.backups: list[Snapshot] = [self.server.files.snapshot()]
        self.was_restored = self.came_late = False
        """Whether the server was put back, and then a device came only after the retention time."""
        self._last_ms = self.server.clock.now_ms()
        self.counts: dict[str, int] = {}
        """The increments, by change."""

    def close(self) -> None:
        """Take the file systems back from SQLite."""
        for files in (self.server.files, *(device.files for device in self.devices)):
            files.close()

    async def live(self) -> None:
        """Go through the story and look at its end."""
        for _ in range(STEPS):
            await self._step(self.chance.choice(self.devices))
        self.network.heal()
        await self.network.settle()
        await self._in_step()
        self._check_devices()
        await self._check_metadata()

    async def _in_step(self) -> None:
        for _ in range(ROUNDS_TO_QUIET):
            for device in self.devices:
                result = await self._sync(device)
                if not result.success and not result.error_details:
                    broken("36 progress", f"{device.name}: a round failed over a healthy network: {result.errors}")

    async def _sync(self, device: RecoveryDevice) -> SyncResult:
        now_ms = self.server.clock.now_ms()
        for other in self.devices:
            other.absent_ms += max(0, now_ms - self._last_ms)
        self._last_ms = now_ms
        self.came_late |= self.was_restored and device.absent_ms > RETENTION_HOURS * HOUR_SECONDS * 1_000
        result = await device.manager.sync_now()
        if result.success:
            device.absent_ms = 0
        return result

    async def _step(self, device: RecoveryDevice) -> None:
        chance, manager, number = self.chance, device.manager, self.chance.randrange(1_000)
        match chance.choices(range(13), self.story.weights)[0]:
            case 0:
                await self._sync(device)
            case 1:
                key = f"{device.name}-{chance.randrange(3)}"
                await manager.save_document(OWN, key, {"v": number})
                device.own[key] = {"v": number}
                device.made.setdefault(key, []).append({"v": number})
            case 2:
                key = f"{device.name}-{chance.randrange(3)}"
                await manager.delete_document(OWN, key)
                device.own[key] = None
            case 3:
                await manager.save_document(SHARED, chance.choice("ab"), {chance.choice("xyz"): number})
            case 4:
                await manager.crdt_increment(*COUNT_PLACE, "n", number + 1)
                self.counts[device.unsettled()[-1]] = number + 1
            case 5:
                await manager.delete_document(SHARED, chance.choice("ab"))
            case 6:
                await asyncio.sleep(chance.random() * 2 * RETENTION_HOURS * HOUR_SECONDS)
            case 7:
                await self._post(MAINTENANCE_PATH, "POST")
            case 8:
                self.backups.append(self.server.files.snapshot())
            case 9:
                self.was_restored = True
                self.server.start(chance.choice(self.backups[-(self.story.newest_backups or 0) :]))
            case 10:
                device.open()
            case 11:
                self.server.clock.jump(chance.uniform(-CLOCK_JUMP_SECONDS_MAX, CLOCK_JUMP_SECONDS_MAX))
            case _:
                await manager.save_document(EMPTIED, chance.choice("ab"), {"v": number})
                if chance.random() < 0.5:
                    await self._post(EMPTY_PATH, "PUT")

    async def _post(self, path: str, method: str) -> None:
        answer = await self.server.send(Request(method, path, "", HEADERS, b""))
        assert answer.status in (200, 404), f"{path} was answered {answer.status}: {answer.body!r}"

    def _check_devices(self) -> None:
        """2 no lost local write, 21 convergence, 31 counter conservation, after everything the server lost and forgot."""
        shown = [device.shown() for device in self.devices]
        for device, documents in zip(self.devices, shown, strict=True):
            if device.unsettled():
                broken("21 convergence", f"{device.name} still keeps {device.unsettled()}")
            if documents != shown[0]:
                broken("21 convergence", f"{device.name} ends with {documents}, {self.devices[0].name} with {shown[0]}")
        for device in self.devices:
            for key, body in device.own.items():
                found = shown[0].get((OWN, key))
                came_back = self.came_late and body is None and found in device.made.get(key, ())
                if found != body and not came_back:
                    broken("2 no lost local write", f"{key} ends as {found}; {device.name}, its writer, left it as {body}")
        total, counted = shown[0].get(COUNT_PLACE, {}).get("n", 0), sum(self.counts.values())
        if total != counted:
            broken("31 counter conservation", f"{total} is shown, {counted} was added")

    async def _check_metadata(self) -> None:
        """38 bounded metadata: when everybody has everything and the time is over, one entry is left, and no tombstone.

        A document with replicated fields keeps its vector: their states are joined by it.
        """
        for _ in range(2):
            self.server.clock.jump(STEPS * CLOCK_JUMP_SECONDS_MAX)  # beyond the latest time that it ever was here
            await self._in_step()
        await self._post(MAINTENANCE_PATH, "POST")
        for place, (body, vector) in (await self.server.documents()).items():
            if body is None:
                broken("38 bounded metadata", f"the tombstone of {place} is still there")
            if len(vector) > 1 and place[0] != COUNTED:
                broken("38 bounded metadata", f"{place} still has the vector {vector}")
        await self.devices[0].manager.save_document(SHARED, "a", {"end": True})
        await self._in_step()
        self._check_devices()


def recover(seed: int, story: Story = USUAL) -> None:
    """Live through the world of a seed; raises `AssertionError` when a promise was broken."""
    loop = VirtualClockLoop()
    world = RecoveryWorld(seed, loop, story)
    try:
        run(world.live(), loop=loop)
    finally:
        world.close()
