"""What must be true of a simulated world once every fault has ended and everybody has synced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from solidb_sync.client.transport.transport import TransportAnswer
from solidb_sync.testing.invariants import broken, check_conflict_log, check_provenance

if TYPE_CHECKING:
    from solidb_sync.testing.simulated_device import SimulatedDevice
    from solidb_sync.testing.simulated_world import World

OLD_PAGES_MAX = 2
OLD_PUSHES_MAX = 10

_decode = msgspec.json.Decoder().decode


async def check_everything(world: World) -> None:
    """Run every check of the end."""
    documents = {
        place: (None if stored.body is None else _decode(stored.body), _decode(stored.vector))
        for place, stored in (await world.server.documents()).items()
    }
    for device in world.devices:
        _check_equal(device, documents)
    for device in world.devices:
        await _check_old_pages(world, device)
        _check_equal(device, documents)
    conflicts = await world.server.conflicts(sorted(world.ledger.outcomes))
    check_conflict_log(world.ledger, conflicts)
    check_provenance(world.ledger, {record.change_id for record in conflicts})
    await _check_replay(world)


def _check_equal(device: SimulatedDevice, documents: object) -> None:
    """21 strong eventual convergence: same documents and vectors everywhere, nothing kept apart, nothing waiting."""
    view = device.view()
    if view.changes:
        broken("21 convergence", f"{device.name} still keeps {[(c.change_id, c.state.name) for c in view.changes]}")
    if view.bases:
        broken("21 convergence", f"{device.name} still keeps base copies of {sorted(view.bases)}")
    rows = {
        place: (None if row.body is None else _decode(row.body), _decode(row.vector)) for place, row in view.rows.items()
    }
    if rows != documents:
        broken("21 convergence", f"{device.name} ends with {rows}, the server with {documents}")


async def _check_old_pages(world: World, device: SimulatedDevice) -> None:
    """5 idempotent pull: an answer from earlier, seen again, changes nothing."""
    for answer in world.server.pages.get(device.device_id, [])[-OLD_PAGES_MAX:]:
        device.transport.old_answer = TransportAnswer(answer.status, dict(answer.headers), answer.body)
        await device.sync()
        world.look_around()


async def _check_replay(world: World) -> None:
    """3 exactly once, 4 idempotent push: sending old requests again changes nothing."""
    ids = sorted(world.ledger.outcomes)
    before = await world.server.documents(), await world.server.outcomes(ids)
    for request in world.server.delivered[-OLD_PUSHES_MAX:]:
        await world.server.send_again(request)
    after = await world.server.documents(), await world.server.outcomes(ids)
    if before != after:
        broken("4 idempotent push", "old requests sent again changed the server")
