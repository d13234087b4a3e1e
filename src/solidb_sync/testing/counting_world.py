"""A small world for replicated fields: real devices and the real server from one seed, and an exact account of every count.

Devices edit one document, lose requests and answers, send twice, are killed, restored from backups and cloned, resync and
purge. What the account says is simple: a counter is the sum of the increments that the server took under their change ids,
each once, and every increment whose call returned, and whose store was not put back to before it, is among them.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from solidb_sync.client.config import SyncConfig
from solidb_sync.client.sync_manager import SyncManager
from solidb_sync.client.transport.transport import TransportAnswer
from solidb_sync.errors import ConnectionError, CrdtBoundError
from solidb_sync.json_value import decode
from solidb_sync.model.crdt.elements import element_text
from solidb_sync.server.application import build_app
from solidb_sync.server.config import ServerConfig
from solidb_sync.server.storage.sqlite.server_backend import SqliteServerBackend
from solidb_sync.storage.committer import InlineCommitter
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.records import ChangeState, StoredStates
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.testing.counted_refusals import (
    SHARE_OF_WORLDS,
    Account,
    delete,
    edit_large,
    edit_over,
    edit_small,
    let_all_go,
    lower_the_limit,
    retry,
)
from solidb_sync.testing.crashable_files import CrashableFiles, Snapshot
from solidb_sync.testing.faulty_network import Faults, FaultyNetwork, NetworkError, Request, Send, asgi_send
from solidb_sync.testing.planter import Planter
from solidb_sync.testing.virtual_loop import VirtualClock, VirtualClockLoop, run

STEPS = 60
ROUNDS_TO_QUIET = 8
PLACE = ("notes", "k")
DATABASE = "counting"
ADMIN_KEY = "the-only-key-of-the-counting-world"
HEADERS = (("x-api-key", ADMIN_KEY),)
FAULTS = Faults(lose_request=0.2, lose_answer=0.2, duplicate=0.2, delay_max_seconds=2.0)
BOUNDED_ORIGIN = 6
DEVICES_MAX = 6
WEIGHTS = [8, 2, 6, 6, 4, 6, 3, 12, 3, 2, 2, 1, 1]
WEIGHTS_WITH_REFUSALS = [14, 3, 6, 5, 3, 0, 4, 16, 2, 2, 1, 1, 1, 7, 5, 3, 2]
"""The steps of a world by their numbers. Refusals and bounded counters meet elsewhere: what is taken over of a change that
spent rights of somebody else is what is shown, and not what was asked for."""
CLONED = 0.3
"""How often a backup becomes a second device instead of the first one again."""


class Link:
    """Implements `Transport` over a network with faults."""

    def __init__(self, network: FaultyNetwork, send: Send) -> None:
        self._network = network
        self._send = send

    @property
    def database(self) -> str | None:
        """The database of this world."""
        return DATABASE

    async def exchange(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> TransportAnswer:
        """Send one request and return the answer, if one comes."""
        try:
            answer = await self._network.call(
                self._send, Request(method, path, urlencode(query or {}), HEADERS, body or b"")
            )
        except NetworkError as problem:
            raise ConnectionError(str(problem)) from problem
        return TransportAnswer(answer.status, dict(answer.headers), answer.body)

    async def listen(self, path: str, query: Mapping[str, str]) -> AsyncIterator[str]:
        """Hear nothing: these devices sync when they are told to."""
        rings: tuple[str, ...] = ()
        for ring in rings:
            yield ring
        raise ConnectionError(f"{path} {dict(query)}: nobody rings here")

    async def close(self) -> None:
        """Hold nothing."""


class CountingDevice:
    """One device; `done` are the change ids of its calls that its store still knows of."""

    place = PLACE

    def __init__(self, world: CountingWorld, device_id: str, files: CrashableFiles, done: set[str]) -> None:
        self.world = world
        self.device_id = device_id
        self.files = files
        self.done = done
        self.open()

    def open(self) -> None:
        """Start the program over the files as they are."""
        world = self.world
        location = FileLocation("store.db", vfs=self.files.name, is_exclusive=True)
        self.store = LocalStore.open_at(
            location, self.device_id, clock=VirtualClock(world.loop), random_bytes=world.chance.randbytes
        )
        config = SyncConfig(auto_sync=False, batch_size=world.chance.randint(1, 4))
        self.manager = SyncManager(self.store, Link(world.network, world.send), config)

    def kill(self, snapshot: Snapshot | None = None) -> None:
        """End the program and start it again, over a backup if one is given."""
        self.files.kill()
        if snapshot is not None:
            self.files.restore(snapshot)
        self.open()

    async def noting(self, kept: dict[str, Any], amount: Any, call: Callable[[], Awaitable[object]]) -> None:
        """Make a call and enter its change into the account."""
        before = self.newest()
        await call()
        for change in self.store.view(lambda reader: reader.changes(state=ChangeState.PENDING, after=before)):
            kept[change.change_id] = amount
            self.done.add(change.change_id)

    async def discard_refused(self) -> None:
        """Give up what the server refused: a clone may have spent rights that were spent already."""
        refused = self.store.view(lambda reader: reader.changes(state=ChangeState.REJECTED))
        self.done -= {change.change_id for change in refused}
        for change in refused:
            await self.manager.discard_rejected(change.id)

    def newest(self) -> int:
        """Return the number of the newest change."""
        return self.store.view(lambda reader: reader.replica().last_change)

    def shown(self) -> tuple[Any, str | None, StoredStates | None]:
        """Return what the store has of the document: its value, vector, states."""

        def read(reader: Any) -> tuple[Any, str | None, StoredStates | None]:
            row = reader.row(*PLACE)
            return (decode(row.body) if row and row.body else None, row and row.vector, reader.states(*PLACE))

        return self.store.view(read)


class CountingWorld:
    """Everything that one seed makes."""

    def __init__(self, seed: int, loop: VirtualClockLoop) -> None:
        self.chance = random.Random(f"counting {seed}")
        self.loop = loop
        self.account = Account()
        self.all_files = [CrashableFiles(f"count-{seed}-server", self.chance)]
        self.network = FaultyNetwork(loop, self.chance, FAULTS)
        server_files, clock = self.all_files[0], VirtualClock(loop)
        self.backend = SqliteServerBackend(
            lambda name: FileLocation(name, vfs=server_files.name, is_exclusive=True),
            lambda transactions, _: InlineCommitter(transactions),
            clock=clock,
            random_bytes=self.chance.randbytes,
        )
        config = ServerConfig(Path("simulated"), admin_key=ADMIN_KEY)
        self.send = asgi_send(build_app(config, self.backend, clock, random_bytes=self.chance.randbytes))
        self.seed = seed
        self.devices = [self._new_device(f"d{number}") for number in range(self.chance.randint(2, 4))]
        self.snapshots: list[tuple[CountingDevice, Snapshot, set[str]]] = []
        self._planter = Planter()
        self._weights = WEIGHTS
        if random.Random(f"counting refusals {seed}").random() < SHARE_OF_WORLDS:
            self._weights = WEIGHTS_WITH_REFUSALS
            lower_the_limit(self._planter)

    def _new_device(self, device_id: str) -> CountingDevice:
        files = CrashableFiles(f"count-{self.seed}-{len(self.all_files)}", self.chance)
        self.all_files.append(files)
        return CountingDevice(self, device_id, files, set())

    def close(self) -> None:
        """Take the file systems back from SQLite."""
        self._planter.put_back()
        for files in self.all_files:
            files.close()

    async def live(self) -> None:
        """Go through the story and look at its end."""
        first = self.devices[0]
        await first.manager.save_document(*PLACE, {"b": BOUNDED_ORIGIN})
        await first.manager.crdt_bounded_reserve(*PLACE, "b", 1)
        await self.in_step(self.devices)
        for _ in range(STEPS):
            await self._step(self.chance.choice(self.devices))
        self.network.heal()
        await self.network.settle()
        await let_all_go(self.devices, lambda: self.in_step(self.devices))
        await first.manager.crdt_increment(*PLACE, "n", 0)
        await first.manager.save_document(*PLACE, {"end": True})
        await self.in_step(self.devices)
        for device in self.devices:
            await device.discard_refused()
        self._check()

    async def in_step(self, devices: list[CountingDevice]) -> None:
        """Sync until nothing can be left to do."""
        for _ in range(ROUNDS_TO_QUIET):
            for device in devices:
                await device.manager.sync_now()

    async def _step(self, device: CountingDevice) -> None:
        manager, chance, account = device.manager, self.chance, self.account
        number = chance.randint(0, 4)
        match chance.choices(range(len(weights := self._weights)), weights)[0]:
            case 0:
                await device.noting(account.counts, number, lambda: manager.crdt_increment(*PLACE, "n", number))
            case 1:
                await device.noting(account.counts, -number, lambda: manager.crdt_decrement(*PLACE, "n", number))
            case 2:
                element = [number, device.device_id]
                text = element_text(element)
                await device.noting(
                    account.elements, frozenset({text}), lambda: manager.crdt_add_to_set(*PLACE, "g", element)
                )
            case 3:
                await manager.crdt_map_put(*PLACE, "m", str(number), [number, device.device_id])
                await manager.crdt_orset_add(*PLACE, "s", number)
            case 4:
                await manager.crdt_map_remove(*PLACE, "m", str(number))
                await manager.crdt_orset_remove(*PLACE, "s", number)
            case 5:
                await self._take(device, number)
            case 6:
                await manager.crdt_set(*PLACE, "r", [number, device.device_id])
                await edit_over(device, account, lambda: manager.save_document(*PLACE, {"plain": number}))
            case 7:
                await manager.sync_now()
            case 8:
                self.snapshots.append((device, device.files.snapshot(), set(device.done)))
            case 9:
                await self._restore()
            case 10:
                device.kill()
            case 11:
                await delete(device)
            case 12:
                await manager.full_resync()
            case 13:
                await edit_large(device, account)
            case 14:
                await edit_small(device, account)
            case 15:
                await retry(device, account)
            case _:
                await device.discard_refused()

    async def _take(self, device: CountingDevice, amount: int) -> None:
        manager, account = device.manager, self.account
        if self.chance.random() < 0.4:
            await manager.crdt_bounded_reserve(*PLACE, "b", amount)
            return
        try:
            await device.noting(account.bounded, -amount, lambda: manager.crdt_bounded_decrement(*PLACE, "b", amount))
        except CrdtBoundError:
            await device.noting(account.bounded, amount, lambda: manager.crdt_bounded_increment(*PLACE, "b", amount))

    async def _restore(self) -> None:
        """Put a device back to a backup, or let the backup live on as a device of its own."""
        if self.snapshots:
            device, snapshot, done = self.chance.choice(self.snapshots)
            if len(self.devices) < DEVICES_MAX and self.chance.random() < CLONED:
                clone = self._new_device(device.device_id)
                clone.kill(snapshot)
                clone.done = set(done)
                self.devices.append(clone)
            else:
                device.kill(snapshot)
                device.done = set(done)

    def _check(self) -> None:
        ids = [*self.account.counts, *self.account.bounded, *self.account.elements]
        taken = self._taken(ids)
        shown = [device.shown() for device in self.devices]
        assert all(one == shown[0] for one in shown), f"21 convergence: {shown}"
        document, _, states = shown[0]
        assert document is not None, "the last edit made the document"
        assert states is not None, "the last edit made a field"
        assert states.base == states.visible, "nothing is on its way"
        total = sum(amount for change, amount in self.account.counts.items() if change in taken)
        assert document["n"] == total, f"31 counter conservation: {document['n']} shown, {total} counted"
        elements = {text for change, texts in self.account.elements.items() if change in taken for text in texts}
        assert {element_text(element) for element in document.get("g", [])} == elements, "H3: nothing is ever lost of a set"
        left = BOUNDED_ORIGIN + sum(amount for change, amount in self.account.bounded.items() if change in taken)
        assert document["b"] == left >= 0, f"the bounded counter shows {document['b']}, {left} are left"
        for device in self.devices:
            lost = device.done - taken
            assert not lost, f"2 no lost local write: {device.device_id} lost {lost}"

    def _taken(self, ids: list[str]) -> set[str]:
        """Return those changes that the server has applied."""
        database = self.backend.database(DATABASE, create=False)
        assert database is not None
        work = database.write(lambda session: session.outcomes(ids))
        try:
            work.send(None)  # an inline commit never waits
        except StopIteration as done:
            return {outcome.change_id for outcome in done.value if outcome.status in ("applied", "merged", "conflict")}
        raise AssertionError("the backend waited")


def count(seed: int) -> None:
    """Live through the world of a seed; raises `AssertionError` when a promise was broken."""
    loop = VirtualClockLoop()
    world = CountingWorld(seed, loop)
    try:
        run(world.live(), loop=loop)
    finally:
        world.close()
