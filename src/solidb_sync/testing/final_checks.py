"""What must be true of a simulated world once every fault has ended and everybody has synced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from solidb_sync.client.transport.transport import TransportAnswer
from solidb_sync.testing.invariants import broken, check_conflict_log, check_provenance
from solidb_sync.testing.model_filters import SELECTIONS
from solidb_sync.testing.model_oracle import Place

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
        _check_opacity(world, device)
    for device in world.devices:
        await _check_old_pages(world, device)
        _check_equal(device, documents)
    conflicts = await world.server.conflicts(sorted(world.ledger.outcomes))
    check_conflict_log(world.ledger, conflicts)
    if world.weather.has_decisions:
        _check_nothing_is_open(world)
    check_provenance(world.ledger, {record.change_id for record in conflicts})
    await _check_replay(world)


Documents = Mapping[Place, tuple[Any, Any]]


def _check_equal(device: SimulatedDevice, documents: Documents) -> None:
    """21 strong eventual convergence: same documents and vectors everywhere, nothing kept apart, nothing waiting."""
    view = device.view()
    if view.changes:
        broken("21 convergence", f"{device.name} still keeps {[(c.change_id, c.state.name) for c in view.changes]}")
    if view.bases:
        broken("21 convergence", f"{device.name} still keeps base copies of {sorted(view.bases)}")
    rows = {
        place: (None if row.body is None else _decode(row.body), _decode(row.vector)) for place, row in view.rows.items()
    }
    selected = {place for place in {*rows, *documents} if place[0] in device.truth.selections}
    whole = {place: document for place, document in documents.items() if place not in selected}
    if {place: row for place, row in rows.items() if place not in selected} != whole:
        broken("21 convergence", f"{device.name} ends with {rows}, the server with {documents}")
    _check_selected(
        device,
        {place: row for place, row in rows.items() if place in selected},
        {place: document for place, document in documents.items() if place in selected},
    )


def _check_selected(device: SimulatedDevice, rows: Documents, documents: Documents) -> None:
    """26 soundness, 27 completeness, 29 filter change equivalence: of a filtered collection exactly what matches is here."""
    wanted = {place for place, (body, _) in documents.items() if body is not None and _is_selected(device, place, body)}
    live = {place for place, (body, _) in rows.items() if body is not None}
    if live - wanted:
        broken(
            "26 filter soundness", f"{device.name} holds {sorted(live - wanted)}, which {device.truth.selections} leave out"
        )
    if wanted - live:
        broken("27 filter completeness", f"{device.name} misses {sorted(wanted - live)} of {device.truth.selections}")
    differing = sorted(place for place in live if rows[place] != documents[place])
    if differing:
        broken("21 convergence", f"{device.name} ends with {rows}, the server with {documents}; {differing} differ")


def _check_nothing_is_open(world: World) -> None:
    """25 conflict closure: what people have decided is open nowhere; what is open, some device shows."""
    for device in world.devices:
        is_open, shown = world.ledger.conflicts.open_of(device.device_id), device.view().open_conflicts
        if shown or is_open:
            broken("25 conflict closure", f"{device.name} ends with {shown} open, the server with {sorted(is_open)}")


def _check_opacity(world: World, device: SimulatedDevice) -> None:
    """19 encryption opacity: no file of a sealed store has the id of an edit in it, nor looks like a database."""
    if device.key is None:
        return
    written = [change_id.encode() for change_id in world.ledger.edits]
    for name, content in device.files.snapshot().files.items():
        found = [text for text in [b"SQLite format", *written] if text in content]
        if found:
            broken("19 encryption opacity", f"{device.name}: {name} has {found[0]!r} in it")


def _is_selected(device: SimulatedDevice, place: Place, body: dict[str, Any]) -> bool:
    name = device.truth.selections[place[0]]
    return not name or SELECTIONS[name].matches(body)


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
