"""Refusals in the counting world: a server that takes no large document, and what users do with what it refused.

An edit that makes the document large is refused, and with it whatever was counted on top of it. The account knows by change
id what was counted. What is let go counts nothing; what is retried counts under its new id; what a save takes over counts
under the id of that save, once, and by the amounts that were asked for, whatever the save went out as.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from solidb_sync.client.sync_manager import SyncManager
from solidb_sync.server import judge_change, known_edit, plain_batch, proposed_change
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.records import ChangeState, StoredChange
from solidb_sync.testing.planter import Planter

DOCUMENT_BYTES_FEW = 3_000
"""What the server takes: more than all the fields of a world come to."""

SHARE_OF_WORLDS = 0.5
ROUNDS_OF_LETTING_GO_MAX = 20


@dataclass(slots=True)
class Account:
    """What was done, by change id: increments, what became of the bounded counter, elements of the set that only grows."""

    counts: dict[str, int] = field(default_factory=dict)
    bounded: dict[str, int] = field(default_factory=dict)
    elements: dict[str, frozenset[str]] = field(default_factory=dict)

    def total(self, ids: Iterable[str]) -> int:
        """Return what was counted under these ids."""
        return sum(self.counts.get(change, 0) for change in ids)

    def take_over(self, change_id: str, refused: Collection[str]) -> None:
        """Let one change stand for refused ones."""
        self.counts[change_id] = self.total(refused)
        self.elements[change_id] = frozenset().union(*(self.elements.get(change, ()) for change in refused))


class Device(Protocol):
    """What a device of the counting world is to this; `done` are the change ids of its calls that its store still knows."""

    place: tuple[str, str]
    done: set[str]
    store: LocalStore
    manager: SyncManager

    def newest(self) -> int:
        """Return the number of the newest change."""

    async def discard_refused(self) -> None:
        """Give up what the server refused."""


def lower_the_limit(planter: Planter) -> None:
    """Let the server refuse what is large, as it does when it is configured to keep less than a device does."""
    for module in (judge_change, known_edit, plain_batch, proposed_change):
        planter.setattr(module, "DOCUMENT_BYTES_MAX", DOCUMENT_BYTES_FEW)


async def edit_large(device: Device, account: Account) -> None:
    """Write what the server will refuse; the device can't know."""
    await edit_over(
        device, account, lambda: device.manager.save_document(*device.place, {"large": "x" * DOCUMENT_BYTES_FEW})
    )


async def edit_small(device: Device, account: Account) -> None:
    """Write something short in its place: the server takes this, with all that it had refused before."""
    await edit_over(device, account, lambda: device.manager.save_document(*device.place, {"large": "not any more"}))


async def edit_over(device: Device, account: Account, call: Callable[[], Awaitable[object]]) -> None:
    """Make a call that may take refused changes over, and enter into the account what counts under its change now."""
    before, newest = _refused(device), device.newest()
    await call()
    left = {change.change_id for change in _refused(device)}
    gone = [change.change_id for change in before if change.change_id not in left]
    device.done -= set(gone)
    made = device.store.view(lambda reader: reader.changes(state=ChangeState.PENDING, after=newest))
    assert len(made) <= 1, f"a call makes one change, it made {made}"
    for change in made:
        account.take_over(change.change_id, gone)
        device.done.add(change.change_id)
    if not made:
        assert not account.total(gone), f"31 counter conservation: {account.total(gone)} was taken over by no change"


async def delete(device: Device) -> None:
    """Delete the document, and with it what was refused of it."""
    before = {change.change_id for change in _refused(device)}
    await device.manager.delete_document(*device.place)
    device.done -= before - {change.change_id for change in _refused(device)}


async def retry(device: Device, account: Account) -> None:
    """Send all that was refused again: everything counts under its new id from now on."""
    refused = _refused(device)
    if not refused:
        return
    newest = device.newest()
    assert await device.manager.retry_rejected(refused[-1].id), "there is a change to retry"
    left = {change.change_id for change in _refused(device)}
    gone = [change.change_id for change in refused if change.change_id not in left]
    made = device.store.view(lambda reader: reader.changes(state=ChangeState.PENDING, after=newest))
    assert len(made) == len(gone), f"2 no lost local write: of {gone} retried {made} are sent again"
    for old, new in zip(gone, made, strict=True):
        account.take_over(new.change_id, [old])
    device.done = device.done - set(gone) | {change.change_id for change in made}


async def let_all_go(devices: Sequence[Device], in_step: Callable[[], Awaitable[None]]) -> None:
    """Discard and sync until the server refuses nothing more."""
    for _ in range(ROUNDS_OF_LETTING_GO_MAX):
        await in_step()
        if not any(_refused(device) for device in devices):
            return
        for device in devices:
            await device.discard_refused()
    raise AssertionError(f"36 progress: after {ROUNDS_OF_LETTING_GO_MAX} rounds something is refused again and again")


def _refused(device: Device) -> list[StoredChange]:
    return device.store.view(lambda reader: reader.changes(state=ChangeState.REJECTED))
