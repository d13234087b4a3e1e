"""A small world in which people decide: conflicts stay open, are decided by hand, by function, at the server, and undone.

Devices with every strategy edit a few documents over a network with faults, and are killed. Every value that is written
is new, so it is known what became of each: at the end it is in its document, somebody wrote over it who had it on the
screen, or it stands in a log of conflicts, from where it can be had back. When all is quiet, what is open is open on its
device and at the server alike, each decision makes of the document what it says, everywhere, and taken back it leaves
what was before.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from solidb_sync.client.config import SyncConfig
from solidb_sync.client.conflict_strategy import ConflictStrategy
from solidb_sync.client.conflicts import Conflict, ConflictResolution, ConflictStatus
from solidb_sync.client.sync_manager import SyncManager
from solidb_sync.errors import SyncError
from solidb_sync.json_value import encode
from solidb_sync.protocol import endpoints
from solidb_sync.server.conflict_records import conflict_id
from solidb_sync.server.storage.records import ConflictQuery, ConflictRecord
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.testing.counting_world import DATABASE, FAULTS, HEADERS, Link
from solidb_sync.testing.crashable_files import CrashableFiles
from solidb_sync.testing.faulty_network import FaultyNetwork, Request
from solidb_sync.testing.invariants import broken
from solidb_sync.testing.recovery_world import RestorableServer
from solidb_sync.testing.virtual_loop import VirtualClock, VirtualClockLoop, run

STEPS = 60
ROUNDS_TO_QUIET = 8
DECISIONS_MAX = 40
"""How many conflicts may still be open when all is quiet."""
CONFLICTS_MAX = 10_000
ITERATIONS_MAX = 300_000
DEVICES_MAX = 4
COLLECTION = "notes"
KEYS = ("a", "b")
FIELDS = ("p", "q", "r")
RESOLVE_PATH = endpoints.path_for(endpoints.RESOLVE, DATABASE)
DECIDED = (ConflictStatus.RESOLVED, ConflictStatus.AUTO_RESOLVED)

Body = dict[str, Any] | None


class DecidingDevice:
    """One device with a strategy of its own; `logged` are the conflicts its log was ever seen to hold."""

    def __init__(self, world: DecidingWorld, name: str) -> None:
        self.world = world
        self.name = name
        self.files = CrashableFiles(f"decide-{world.seed}-{name}", world.chance)
        self.logged: set[str] = set()
        self.strategy = world.chance.choice(
            (
                ConflictStrategy.MANUAL,
                ConflictStrategy.MANUAL,
                ConflictStrategy.merge_fields(on_overlap="manual"),
                ConflictStrategy.custom(self._joined),
                ConflictStrategy.LAST_WRITE_WINS,
                ConflictStrategy.FIRST_WRITE_WINS,
            )
        )
        self._has_callback = world.chance.random() < 0.2

    async def open(self) -> None:
        """Start the program over the files as they are."""
        world = self.world
        location = FileLocation("store.db", vfs=self.files.name, is_exclusive=True)
        self.store = LocalStore.open_at(
            location, self.name, clock=VirtualClock(world.loop), random_bytes=world.chance.randbytes
        )
        config = SyncConfig(auto_sync=False, batch_size=world.chance.randint(1, 4))
        self.manager = SyncManager(self.store, Link(world.network, world.server.send), config)
        await self.manager.set_conflict_strategy(COLLECTION, self.strategy)
        if self._has_callback:
            self.manager.on_conflict(self._called)

    async def _joined(self, local: Body, remote: Body, _: Body) -> Any:
        """Decide as the function of a custom strategy does, which fails now and then."""
        self._fail_perhaps()
        return {**(local or {}), **(remote or {})}

    async def _called(self, _: Conflict) -> Any:
        """Decide as a callback does, or leave it."""
        self._fail_perhaps()
        return self.world.chance.choice((None, ConflictResolution.ACCEPT_LOCAL, ConflictResolution.ACCEPT_REMOTE))

    def _fail_perhaps(self) -> None:
        if self.world.is_faulty and self.world.chance.random() < 0.3:
            raise RuntimeError("a judge that fails")

    async def restart(self, *, with_power: bool) -> None:
        """End the program, or the machine under it, and start it again."""
        if with_power:
            self.files.power_loss()
        else:
            self.files.kill()
        await self.open()

    async def shown(self, key: str) -> Body:
        """Return what the app reads, without what the system adds."""
        document = await self.manager.get_document(COLLECTION, key)
        return None if document is None else {name: at for name, at in document.items() if not name.startswith("_")}

    async def look_at_log(self) -> list[Conflict]:
        """Return the log, of which nothing may ever go."""
        log = await self.manager.conflict_log()
        lost = self.logged - {conflict.id for conflict in log}
        if lost:
            broken("25 conflict closure", f"{self.name}: {sorted(lost)} went from the log")
        self.logged = {conflict.id for conflict in log}
        return log

    def log_text(self) -> str:
        """Return all that the log keeps of both sides, and of what decisions have overwritten."""
        kept = self.store.view(lambda reader: reader.conflicts())
        return "".join(conflict.local + conflict.remote + conflict.base + conflict.lost for conflict in kept)


class DecidingWorld:
    """Everything that one seed makes."""

    def __init__(self, seed: int, loop: VirtualClockLoop) -> None:
        self.seed = seed
        self.chance = random.Random(f"deciding {seed}")
        self.loop = loop
        self.network = FaultyNetwork(loop, self.chance, FAULTS)
        self.server = RestorableServer(seed, loop, self.chance)
        self.devices = [DecidingDevice(self, f"d{number}") for number in range(self.chance.randint(2, DEVICES_MAX))]
        self.is_faulty = True
        self._values = 0
        self._made: dict[str, str] = {}
        """Every value that was written, and in which document."""
        self._overwritten: set[str] = set()
        """The values that somebody wrote over who had seen them."""

    def close(self) -> None:
        """Take the file systems back from SQLite."""
        for files in (self.server.files, *(device.files for device in self.devices)):
            files.close()

    async def live(self) -> None:
        """Go through the story and look at its end."""
        for device in self.devices:
            await device.open()
        for _ in range(STEPS):
            await self._step(self.chance.choice(self.devices))
        self.is_faulty = False
        self.network.heal()
        await self.network.settle()
        for device in self.devices:
            await device.restart(with_power=False)  # open conflicts are offered to its judges again
        await self._in_step()
        await self._check_open()
        await self._decide_everything()
        await self._check_end()

    async def _in_step(self) -> None:
        for _ in range(ROUNDS_TO_QUIET):
            for device in self.devices:
                result = await device.manager.sync_now()
                if not self.is_faulty and not result.success:
                    broken("36 progress", f"{device.name}: a round failed over a healthy network: {result.errors}")
                await device.manager.conflicts_handled()

    async def _step(self, device: DecidingDevice) -> None:
        chance, manager, key = self.chance, device.manager, self.chance.choice(KEYS)
        match chance.choices(range(7), [26, 4, 22, 10, 3, 4, 3])[0]:
            case 0:
                fields = {name: self._value() for name in FIELDS if chance.random() < 0.5}
                merge = chance.random() < 0.8
                await self._seeing(device, key, lambda: manager.save_document(COLLECTION, key, fields, merge=merge))
            case 1:
                await self._seeing(device, key, lambda: manager.delete_document(COLLECTION, key))
            case 2:
                await manager.sync_now()
                await device.look_at_log()
            case 3:
                for conflict in (await manager.get_conflicts())[:1]:
                    with _unless_too_early():
                        await self._decide(device, conflict)
            case 4:
                await self._decide_at_server()
            case 5:
                await self._undo(device)
            case _:
                await device.restart(with_power=chance.random() < 0.5)

    def _value(self) -> str:
        self._values += 1
        return f"v{self._values}."

    async def _seeing(self, device: DecidingDevice, key: str, call: Callable[[], Awaitable[object]]) -> None:
        """Do something to a document that is on the screen: what is not there any more was written over knowingly."""
        before = _values(await device.shown(key))
        await call()
        after = _values(await device.shown(key))
        self._overwritten |= before - after
        self._made |= dict.fromkeys(after - before, key)

    async def _decide(self, device: DecidingDevice, conflict: Conflict) -> ConflictResolution | dict[str, Any] | None:
        """Decide an open conflict in one of the ways there are, and return it."""
        key = conflict.document_key
        choice: ConflictResolution | dict[str, Any] | None = self.chance.choices(
            (ConflictResolution.ACCEPT_LOCAL, ConflictResolution.ACCEPT_REMOTE, {}, None), [3, 3, 3, 1]
        )[0]
        if choice == {}:
            choice = {**(await device.shown(key) or {}), "p": self._value()}
        await self._seeing(device, key, lambda: device.manager.resolve_conflict(COLLECTION, key, choice))
        return choice

    async def _decide_at_server(self) -> None:
        """Have an administrator decide the oldest conflict that is open at the server."""
        for record in (await self._open_at_server())[:1]:
            before = await self._at_server(record.key)
            body = encode({"conflict": conflict_id(record.change_id), "resolution": "accept_local"})
            answer = await self.server.send(Request("POST", RESOLVE_PATH, "", HEADERS, body))
            assert answer.status == 200, f"{RESOLVE_PATH} was answered {answer.status}: {answer.body!r}"
            self._overwritten |= _values(before) - _values(await self._at_server(record.key))

    async def _undo(self, device: DecidingDevice) -> None:
        decided = [conflict for conflict in await device.look_at_log() if conflict.status in DECIDED and conflict.winner]
        if decided:
            with _unless_too_early():
                await self._take_back(device, self.chance.choice(decided))

    async def _take_back(self, device: DecidingDevice, conflict: Conflict) -> None:
        await self._seeing(device, conflict.document_key, lambda: device.manager.undo_resolution(conflict.id))

    # what the server has

    async def _at_server(self, key: str) -> Body:
        found = (await self.server.documents()).get((COLLECTION, key))
        return None if found is None else found[0]

    async def _conflicts_at_server(self, status: str) -> list[ConflictRecord]:
        database = self.server.backend.database(DATABASE, create=True)
        assert database is not None
        wanted = ConflictQuery(client_id="", status=status, after="", limit=CONFLICTS_MAX)
        found: list[ConflictRecord] = await database.read(lambda session: session.conflicts(wanted))
        return found

    async def _open_at_server(self) -> list[ConflictRecord]:
        return await self._conflicts_at_server("pending")

    # the end

    async def _open_here(self) -> list[tuple[DecidingDevice, Conflict]]:
        return [(device, conflict) for device in self.devices for conflict in await device.manager.get_conflicts()]

    async def _check_open(self) -> None:
        """25 conflict closure: the same conflicts are open on their devices and at the server."""
        at_server = sorted((record.client_id, record.key) for record in await self._open_at_server())
        here = sorted((device.name, conflict.document_key) for device, conflict in await self._open_here())
        if here != at_server:
            broken("25 conflict closure", f"open on the devices: {here}; at the server: {at_server}")

    async def _decide_everything(self) -> None:
        """Decide what is open, one conflict after the other; each time all devices must show what was decided."""
        for _ in range(DECISIONS_MAX):
            waiting = await self._open_here()
            if not waiting:
                return
            device, conflict = self.chance.choice(waiting)
            key = conflict.document_key
            before = await device.shown(key)
            choice = await self._decide(device, conflict)
            after = await self._shown_everywhere(key)
            if not _follows(choice, conflict, before, after):
                broken("25 conflict closure", f"{conflict} decided as {choice} made {after} of {before}")
            await self._check_open()
            if self.chance.random() < 0.5:
                await self._take_back(device, conflict)
                undone = await self._shown_everywhere(key)
                if not (undone == before if after != before else _has_overruled(choice, conflict, undone)):
                    broken("25 conflict closure", f"{conflict} decided as {choice} and undone: {before}, {after}, {undone}")
        broken("36 progress", f"{DECISIONS_MAX} decisions have left conflicts open")

    async def _shown_everywhere(self, key: str) -> Body:
        await self._in_step()
        shown = [await device.shown(key) for device in self.devices]
        if any(one != shown[0] for one in shown):
            broken("21 convergence", f"{key}: {shown}")
        return shown[0]

    async def _check_end(self) -> None:
        """21 convergence, and 1 no lost write: where each value has gone is known."""
        final = {key: await self._shown_everywhere(key) for key in KEYS}
        for key, shown in final.items():
            if shown != await self._at_server(key):
                broken("21 convergence", f"{key}: {shown} on the devices, {await self._at_server(key)} at the server")
        for device in self.devices:
            if device.store.get_pending_changes():
                broken("36 progress", f"{device.name} has not sent {device.store.get_pending_changes()}")
            await device.look_at_log()
        logged = "".join(device.log_text() for device in self.devices)
        logged += "".join(record.local + record.remote for record in await self._conflicts_at_server(""))
        for value, key in self._made.items():
            if value not in self._overwritten and value not in _values(final[key]) and value not in logged:
                broken("1 no lost acknowledged write", f"{value} of {key} is nowhere; it ends as {final[key]}")


@contextmanager
def _unless_too_early() -> Iterator[None]:
    """Let the app be told that the other side has to be fetched first."""
    try:
        yield
    except SyncError as problem:
        if "has not been fetched yet" not in str(problem):
            raise


def _values(document: Body) -> set[str]:
    return set() if document is None else {value for value in document.values() if isinstance(value, str)}


def _follows(choice: ConflictResolution | dict[str, Any] | None, conflict: Conflict, before: Body, after: Body) -> bool:
    """Return whether a document is what a decision says that it should be."""
    match choice:
        case None:
            return after is None
        case dict():
            return after == choice
        case ConflictResolution.ACCEPT_REMOTE:
            return after == before
    return _has_side(conflict, conflict.local_version.document, after)


def _has_overruled(choice: ConflictResolution | dict[str, Any] | None, conflict: Conflict, document: Body) -> bool:
    """Return whether a document has the side that was not chosen, which a decision that changed nothing left out."""
    is_own = choice is ConflictResolution.ACCEPT_LOCAL
    return _has_side(conflict, (conflict.remote_version if is_own else conflict.local_version).document, document)


def _has_side(conflict: Conflict, side: Body, document: Body) -> bool:
    """Return whether a document is as one side of a conflict has it, where that was at stake."""
    if side is None or document is None or not conflict.fields:
        return document == side
    return all(document.get(name) == side.get(name) for name in conflict.fields)


def decide(seed: int) -> None:
    """Live through the world of a seed; raises `AssertionError` when a promise was broken."""
    loop = VirtualClockLoop(iterations_max=ITERATIONS_MAX)
    world = DecidingWorld(seed, loop)
    logger = logging.getLogger("solidb_sync")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # judges that fail are told of
    try:
        run(world.live(), loop=loop)
    finally:
        logger.setLevel(level)
        world.close()
