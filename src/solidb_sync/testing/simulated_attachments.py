"""Files beside documents: put, replaced, deleted, opened, evicted and collected, while transfers fail and programs die."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import msgspec

from solidb_sync.errors import AttachmentNotFoundError, AttachmentNotHereError, SoliDBError, StorageCorruptError
from solidb_sync.testing.attachment_truth import AttachmentTruth, named_in
from solidb_sync.testing.invariants import broken
from solidb_sync.testing.model_oracle import Place
from solidb_sync.testing.simulated_device import SimulatedDevice
from solidb_sync.testing.simulated_edits import Choices, Edits
from solidb_sync.testing.small_chunks import CHUNK_BYTES_FEW

if TYPE_CHECKING:
    from solidb_sync.testing.simulated_world import World

NAMES = ("f", "g")
CHUNKS_MAX = 8
PASSES_MAX = 4
"""How many passes of all devices it takes at most until everybody has everything: senders and fetchers come in any order."""
DIES_AFTER_POINTS_MAX = 12

_decode = msgspec.json.Decoder().decode


class AttachmentSteps:
    """The steps of worlds in which documents have files."""

    def __init__(self, world: World, edits: Edits, rng: random.Random) -> None:
        self._world = world
        self._edits = edits
        self._rng = rng
        self._count = 0
        self.truth = AttachmentTruth()

    def choices(self) -> Choices:
        """Return these steps with their weights."""
        steps: Choices = {
            "put a file": (12, self._put),
            "put a file that breaks off": (2, self._break_off),
            "crash in a put": (3, self._crash_in_put),
            "delete a file": (3, self._delete),
            "regret a file": (3, self._regret),
            "open a file": (8, self._open),
            "sync files": (12, self._sync),
            "sync files on the side": (4, self._sync_on_the_side),
            "crash in a transfer": (5, self._crash_in_transfer),
            "evict files": (4, self._evict),
            "collect files": (3, self._collect),
            "collect files at the server": (2, self._collect_at_server),
            "the server loses a file": (5, self._lose_at_server),
        }
        return {name: (weight if self._world.weather.has_attachments else 0, step) for name, (weight, step) in steps.items()}

    def look(self) -> None:
        """Check that somebody has what is named."""
        self.truth.look(self._world.devices, self._world.server.attached(), self._world.ledger)

    # putting

    def _choose(self, device: SimulatedDevice) -> tuple[Place, str, bytes] | None:
        """Return a document that is here, a name and a content; one in three contents was put before."""
        places = sorted(place for place, row in device.view().rows.items() if row.body is not None)
        if not places:
            return None
        if self.truth.contents and self._rng.random() < 0.3:
            content = self._rng.choice(list(self.truth.contents.values()))
        else:
            self._count += 1
            length = self._rng.randint(0, CHUNKS_MAX * CHUNK_BYTES_FEW)
            content = (f"{self._count}:".encode() + self._rng.randbytes(length))[:length]
        return self._rng.choice(places), self._rng.choice(NAMES), content

    async def _put(self, device: SimulatedDevice) -> object:
        """7 read your writes: a file that was put can be read, without a network."""
        chosen = self._choose(device)
        return chosen and await self._edits.local(device, lambda: self._put_at(device, *chosen))

    async def _put_at(self, device: SimulatedDevice, place: Place, name: str, content: bytes) -> object:
        digest = self.truth.begin(place, name, content)
        attachment = await device.manager.put_attachment(*place, name, content)
        if (attachment.digest, attachment.length) != (digest, len(content)):
            broken("7 read your writes", f"{device.name}: {content!r} was put as {attachment}")
        await self._read(device, place, name)
        return place, name, len(content)

    async def _break_off(self, device: SimulatedDevice) -> object:
        """A file that can't be read to its end leaves the document as it was, and no bytes."""
        chosen = self._choose(device)
        if chosen is None:
            return None
        place, name, content = chosen
        before = dict(self.truth.named_by(device))
        putting = device.manager.put_attachment(*place, name, _breaking(content, self._rng.randint(0, CHUNKS_MAX)))
        try:
            await self._edits.local(device, lambda: putting)
        except OSError:
            if not device.is_in_background and dict(self.truth.named_by(device)) != before:
                broken("2 no lost local write", f"{device.name}: {place} {name} changed by a put that broke off")
            return place, name
        raise AssertionError("a file that can't be read was put")

    async def _crash_in_put(self, device: SimulatedDevice) -> object:
        """End the program while it takes in a file: nothing is to be seen of it."""
        chosen = self._choose(device)
        if chosen is None:
            return None
        place, name, content = chosen
        reached = asyncio.Event()
        source = _endless(content, self._rng.randint(0, CHUNKS_MAX), reached)
        putting = device.in_own_task(device.manager.put_attachment(*place, name, source))
        reaching = asyncio.ensure_future(reached.wait())
        await asyncio.wait([putting, reaching], return_when=asyncio.FIRST_COMPLETED)
        reaching.cancel()
        return place, await self._die(device)

    async def _die(self, device: SimulatedDevice) -> bool:
        with_power = self._rng.random() < 0.6
        await device.crash(with_power=with_power)
        await device.start()
        return with_power

    # deleting and reading

    def _named(self, device: SimulatedDevice) -> tuple[Place, str] | None:
        named = sorted(self.truth.named_by(device))
        return self._rng.choice(named) if named else None

    async def _delete(self, device: SimulatedDevice) -> object:
        chosen = self._named(device)
        if chosen is None:
            return None
        place, name = chosen
        return place, name, await self._edits.local(device, lambda: device.manager.delete_attachment(*place, name))

    async def _regret(self, device: SimulatedDevice) -> object:
        """Put a file that others are told of, and take it away before it is sent."""
        put = await self._put(device)
        if not isinstance(put, tuple):
            return put
        place, name, _ = put
        await device.while_alive(device.manager.sync_now())
        await self._edits.local(device, lambda: device.manager.delete_attachment(place[0], place[1], name))
        await device.while_alive(device.manager.sync_now())
        return place, name, await self._edits.local(device, device.manager.collect_attachments)

    async def _open(self, device: SimulatedDevice) -> object:
        """Open a file over the network as it is: it may come, or be out of reach."""
        chosen = self._named(device)
        return chosen and (*chosen, await device.while_alive(self._open_one(device, *chosen)))

    async def _open_one(self, device: SimulatedDevice, place: Place, name: str) -> str:
        try:
            await self._read(device, place, name)
        except AttachmentNotFoundError:
            return "gone"  # a round of the background has taken it away
        except StorageCorruptError as problem:
            broken("7 read your writes", f"{device.name}: {place} {name} is damaged: {problem}")
        except SoliDBError as problem:
            return type(problem).__name__
        return "read"

    async def _read(self, device: SimulatedDevice, place: Place, name: str) -> None:
        async with await device.manager.open_attachment(*place, name) as reader:
            content = await reader.read()
        self.truth.check_read(device.name, place, name, reader.attachment.digest, content)

    # moving

    async def _sync(self, device: SimulatedDevice) -> object:
        did = await device.while_alive(device.manager.sync_attachments())
        return did if did == "died" else (did.sent, did.fetched, did.waiting, did.errors)

    async def _sync_on_the_side(self, device: SimulatedDevice) -> object:
        device.in_own_task(device.manager.sync_attachments())
        for _ in range(self._rng.randint(0, 30)):
            await asyncio.sleep(0)
        return None

    async def _crash_in_transfer(self, device: SimulatedDevice) -> object:
        device.life.dies_after_points = self._rng.randint(1, DIES_AFTER_POINTS_MAX)
        await self._sync(device)
        return await self._die(device)

    # room

    async def _evict(self, device: SimulatedDevice) -> object:
        bytes_wanted = self._rng.choice([None, CHUNK_BYTES_FEW])
        return await self._edits.local(device, lambda: device.manager.evict_attachments(bytes_wanted))

    async def _lose_at_server(self, device: SimulatedDevice) -> object:
        """Take a file away from the server, as a damaged disk does: it asks for it again."""
        at_server = sorted(self._world.server.attached())
        if not at_server:
            return None
        lost = self._rng.choice(at_server)
        self._world.server.lose_attached(lost)
        self.truth.endangered.add(lost)
        return len(at_server)

    async def _collect(self, device: SimulatedDevice) -> object:
        return await self._edits.local(device, device.manager.collect_attachments)

    async def _collect_at_server(self, _: SimulatedDevice) -> object:
        return await self._world.server.collect_attached()

    # the end

    async def finish(self) -> None:
        """Let everybody have everything, and throw away what nobody names; the network has no faults any more."""
        await self._world.server.collect_attached()  # finds what the server has lost: the next rounds ask for it
        await self._see_documents_pass()
        await self._move_everything()
        for device in self._world.devices:
            for place, name in sorted(self.truth.named_by(device)):
                await self._read_at_last(device, place, name)
        for device in self._world.devices:
            await device.manager.collect_attachments()
            self._check_leftovers(device)
        await self._check_server()
        self.look()

    async def _see_documents_pass(self) -> None:
        """36 progress: while transfers hang, rounds go on as ever."""
        passes: list[asyncio.Task[Any]] = []
        for device in self._world.devices:
            device.transport.attachments_go.clear()
            passes.append(device.in_own_task(device.manager.sync_attachments()))
            await self._edits.save(device)
        await self._world.sync_until_quiet()
        for device in self._world.devices:
            device.transport.attachments_go.set()
        await asyncio.wait(passes)
        await self._world.sync_until_quiet()

    async def _move_everything(self) -> None:
        """36 progress: over a healthy network nothing fails, and nothing waits but for what is lost."""
        for _ in range(PASSES_MAX):
            dids = [await device.manager.sync_attachments() for device in self._world.devices]
            self.look()
            errors = [error for did in dids for error in did.errors]
            if errors:
                broken("36 progress", f"files don't move over a healthy network: {errors}")
            if not any(did.sent or did.fetched for did in dids):
                return
        broken("36 progress", f"files still move after {PASSES_MAX} passes of everybody: {dids}")

    async def _read_at_last(self, device: SimulatedDevice, place: Place, name: str) -> None:
        """21 convergence: everybody can open what a document names, unless nobody has it."""
        digest = self.truth.named_by(device)[place, name]
        try:
            await self._read(device, place, name)
        except AttachmentNotHereError as problem:
            if digest not in self.truth.lost:
                broken("21 convergence", f"{device.name} can't open {digest} of {place} {name}: {problem}")

    def _check_leftovers(self, device: SimulatedDevice) -> None:
        """38 bounded metadata: nothing is left of files that nothing names, nor of puts that were broken off."""

        def read(reader: Any) -> tuple[set[str], set[str], list[str]]:
            blobs = reader.blobs()
            kept = {blob.chunks for blob in blobs}
            sides = [side for found in reader.conflicts() for side in (found.local, found.remote, found.base)]
            orphans = [
                name
                for name in sorted(self.truth.chunks - kept)
                if any(reader.chunk(name, number) is not None for number in range(CHUNKS_MAX + 1))
            ]
            in_conflicts = {blob.name for blob in blobs if any(blob.name in (side or "") for side in sides)}
            return {blob.name for blob in blobs}, in_conflicts, orphans

        found, in_conflicts, orphans = device.store.view(read)
        unused = sorted(found - set(self.truth.named_by(device).values()) - in_conflicts)
        if unused or orphans:
            broken("38 bounded metadata", f"{device.name} still has the files {unused} and the chunks {orphans}")

    async def _check_server(self) -> None:
        """2 no lost local write: the server forgets nothing that its documents name, however long it has been there."""
        await self._world.server.collect_attached()
        await self._world.server.collect_attached(after_retention=True)
        documents = await self._world.server.documents()
        bodies = [_decode(stored.body) for stored in documents.values() if stored.body is not None]
        named = {digest for body in bodies for digest in named_in(body).values()}
        missing = sorted(named - self._world.server.attached() - self.truth.lost)
        if missing:
            broken("2 no lost local write", f"the server has dropped {missing}, which its documents name")


def _pieces(content: bytes, count: int) -> list[bytes]:
    return [content[at * CHUNK_BYTES_FEW : (at + 1) * CHUNK_BYTES_FEW] for at in range(count)]


async def _breaking(content: bytes, count: int) -> AsyncIterator[bytes]:
    """A file that can be read only so many pieces far."""
    for piece in _pieces(content, count):
        yield piece
    raise OSError("the file can't be read any further")


async def _endless(content: bytes, count: int, reached: asyncio.Event) -> AsyncIterator[bytes]:
    """A file that is read so many pieces far, and then for ever."""
    for piece in _pieces(content, count):
        yield piece
    reached.set()
    await asyncio.Event().wait()
