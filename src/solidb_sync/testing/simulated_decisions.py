"""What people do about the conflicts of a simulated device: decide them by hand, and take decisions back."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from solidb_sync.client.conflict_strategy import ConflictStrategy
from solidb_sync.client.conflicts import Conflict, ConflictResolution, ConflictStatus
from solidb_sync.errors import DocumentEvictedError, SyncError
from solidb_sync.testing.invariants import broken
from solidb_sync.testing.model_fields import plain
from solidb_sync.testing.model_judgement import WHOLE, Body, Path, at
from solidb_sync.testing.model_oracle import Place
from solidb_sync.testing.simulated_device import COLLECTIONS, SimulatedDevice
from solidb_sync.testing.simulated_edits import Choices, Edits

if TYPE_CHECKING:
    from solidb_sync.testing.simulated_world import World

LEFT_TO_PEOPLE = (
    ConflictStrategy.MANUAL,
    ConflictStrategy.MANUAL,
    ConflictStrategy.merge_fields(on_overlap="manual"),
)
ROUNDS_OF_DECISIONS_MAX = 12
ROUNDS_OF_ANY_DECISION = 3
"""After so many, people let stand what is there: any other decision the server may find too large, again and again."""
DECISIONS_OF_A_ROUND_MAX = 20

Resolution = dict[str, Any] | ConflictResolution | None


class DecisionSteps:
    """The steps in which somebody decides."""

    def __init__(self, world: World, edits: Edits, rng: random.Random) -> None:
        self._world = world
        self._edits = edits
        self._rng = rng
        self._is_tired = False
        self._decisions: dict[tuple[str, str], tuple[Body | None, Body | None]] = {}
        """What a device showed before and after each of its decisions."""

    def choices(self) -> Choices:
        """Return these steps with their weights."""
        has_decisions = self._world.weather.has_decisions
        return {
            "leave to people": (6 if has_decisions else 0, self._leave_to_people),
            "decide": (9 if has_decisions else 0, self._decide_one),
            "take back": (3 if has_decisions else 0, self._take_one_back),
        }

    async def decide_all(self) -> None:
        """Decide all that is open, device by device, and sync, until nothing is."""
        for number in range(ROUNDS_OF_DECISIONS_MAX):
            decided = 0
            self._is_tired = number >= ROUNDS_OF_ANY_DECISION
            for device in self._world.devices:
                for _ in range(DECISIONS_OF_A_ROUND_MAX):
                    if await self._decide_one(device) is None:
                        break
                    decided += 1
                await device.sync()
            await self._world.sync_until_quiet()
            if not decided:
                return
        broken("25 conflict closure", f"after {ROUNDS_OF_DECISIONS_MAX} rounds of decisions there are still open conflicts")

    async def _leave_to_people(self, device: SimulatedDevice) -> object:
        collection, strategy = self._rng.choice(COLLECTIONS), self._rng.choice(LEFT_TO_PEOPLE)
        await device.manager.set_conflict_strategy(collection, strategy)
        return collection, strategy.name

    async def _decide_one(self, device: SimulatedDevice) -> object:
        found = await device.manager.get_conflicts()
        if not found:
            return None
        conflict = self._rng.choice(found)
        resolution = self._resolution(conflict)
        try:
            await self._edits.local(device, lambda: self._decide(device, conflict, resolution))
        except (SyncError, DocumentEvictedError):  # the other side is not here yet, or the document not any more
            return None
        return conflict.id, resolution

    def _resolution(self, conflict: Conflict) -> Resolution:
        if self._is_tired:
            return ConflictResolution.ACCEPT_REMOTE
        match self._rng.randrange(8):
            case 0 | 1 | 2:
                return ConflictResolution.ACCEPT_LOCAL
            case 3 | 4:
                return ConflictResolution.ACCEPT_REMOTE
            case 5:
                return None
            case _:
                sides = {**(plain(conflict.remote_version.document) or {}), **(plain(conflict.local_version.document) or {})}
                merged = {name: value for name, value in sides.items() if not name.startswith("_")}
                return {**merged, **self._edits.document(None)}

    async def _decide(self, device: SimulatedDevice, conflict: Conflict, resolution: Resolution) -> None:
        """Decide, and read it back: 7 read your writes, 25 what is decided is open no more."""
        place = conflict.collection, conflict.document_key
        before = await self._edits.shown(device, place)
        await device.manager.resolve_conflict(*place, resolution)
        after = await self._edits.shown(device, place)
        self._decisions[device.name, conflict.id] = before, after
        told = f"{device.name}: {conflict.id} at {place} decided by {resolution}: {before} became {after}"
        if any(known.id == conflict.id for known in await device.manager.get_conflicts()):
            broken("25 conflict closure", f"{told}, and it is still open")
        if resolution == ConflictResolution.ACCEPT_LOCAL:
            self._check_kept(place, conflict, after, told)
        elif after != (before if resolution == ConflictResolution.ACCEPT_REMOTE else resolution):
            broken("7 read your writes", told)

    def _check_kept(self, place: Place, conflict: Conflict, after: Body | None, told: str) -> None:
        """7 read your writes: where a conflict was, the values of the edit that met it are there, once its side is taken."""
        change_id = conflict.id.removeprefix("conflict-")
        edit, judgement = self._world.ledger.edits[change_id], self._world.ledger.judgements[change_id]
        if edit.write.operation == "delete":
            if after is not None:
                broken("7 read your writes", told)
            return
        for path, value in edit.write.values.items():
            if _is_of_the_system(path):
                continue
            if (path in judgement.overlap or WHOLE in judgement.overlap) and (after is None or at(after, path) != value):
                broken("7 read your writes", f"{told}; it wrote {value!r} at {path} of {place}")

    async def _take_one_back(self, device: SimulatedDevice) -> object:
        log = await device.manager.conflict_log()
        decided = (ConflictStatus.AUTO_RESOLVED, ConflictStatus.RESOLVED)
        found = [conflict for conflict in log if conflict.status in decided and conflict.winner]
        if not found:
            return None
        conflict = self._rng.choice(found[-4:])
        try:
            await self._edits.local(device, lambda: self._take_back(device, conflict))
        except (SyncError, DocumentEvictedError):  # the other side is not here yet, or the document not any more
            return None
        return conflict.id, conflict.status.value

    async def _take_back(self, device: SimulatedDevice, conflict: Conflict) -> None:
        place = conflict.collection, conflict.document_key
        before = await self._edits.shown(device, place)
        await device.manager.undo_resolution(conflict.id)
        after = await self._edits.shown(device, place)
        log = {known.id: known.status for known in await device.manager.conflict_log()}
        told = f"{device.name}: {conflict.id} at {place} taken back: {before} became {after}"
        was_refused = log[conflict.id] is ConflictStatus.PENDING and bool(device.truth.refused)
        if log[conflict.id] is not ConflictStatus.UNDONE and not was_refused:
            broken("25 conflict closure", f"{told}, and the log says {log[conflict.id]}")
        if conflict.status is ConflictStatus.RESOLVED:
            self._check_brought_back(device, conflict, before, after, told=told)
        elif conflict.winner == "local":
            self._check_overruled_is_back(place, conflict, after, told)

    def _check_brought_back(
        self, device: SimulatedDevice, conflict: Conflict, before: Body | None, after: Body | None, *, told: str
    ) -> None:
        """7 read your writes: what a decision by hand had changed, and nobody since, is as it was before it."""
        was, became = self._decisions.get((device.name, conflict.id), (None, None))
        if was is None or became is None or before is None or was == became:
            return
        for name in {*was, *became}:
            is_at_stake = _field(was, name) != _field(became, name) == _field(before, name)
            if is_at_stake and _field(after or {}, name) != _field(was, name):
                broken("7 read your writes", f"{told}; before the decision {name!r} was {was.get(name)!r}")

    def _check_overruled_is_back(self, place: Place, conflict: Conflict, after: Body | None, told: str) -> None:
        """7 read your writes: where a strategy had let the later edit win, there is now what it had overruled."""
        change_id = conflict.id.removeprefix("conflict-")
        overlap = self._world.ledger.judgements[change_id].overlap
        overruled = self._world.ledger.version_before(place, change_id)
        if overruled.body is None or overruled.is_reset or after is None:
            return
        seen = {name: value for name, value in overruled.body.items() if not _is_of_the_system((name,))}
        for path in overlap:
            if not _is_of_the_system(path) and at(after, path) != at(seen, path):
                broken("7 read your writes", f"{told}; the overruled version is {overruled.body}")


def _is_of_the_system(path: Path) -> bool:
    """Return whether people do not see this field: `Edits.shown` leaves out what names files."""
    return bool(path) and path[0].startswith("_")


def _field(body: Body, name: str) -> list[Any]:
    return [body[name]] if name in body else []
