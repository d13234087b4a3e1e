"""What comes out is the same in whatever order devices sync, as far as the strategy's law says so; and nothing is lost."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from conflict_devices import HLC, MANUAL, settled, shown
from device_types import DeviceMaker
from solidb_sync import ConflictResolution, ConflictStrategy, SyncManager

pytestmark = pytest.mark.anyio
ORDERS = list(itertools.permutations(range(3)))


def united(local: Any, remote: Any, base: Any) -> dict[str, Any]:
    """Join two versions in a way that doesn't ask which is which."""
    return {**remote, **local, "v": sorted({*local["v"], *remote["v"]})}


async def edited_apart(devices: Sequence[SyncManager], key: str) -> None:
    """Each writes the same field and one of its own, knowing nothing of the others."""
    await devices[0].save_document("notes", key, {"v": ["start"]})
    await settled(*devices)
    for number, each in enumerate(devices):
        await each.save_document("notes", key, {"v": [f"d{number}"], f"own{number}": number})
        await asyncio.sleep(0.002)  # a millisecond of the wall clock is between the stamps


async def arrived(devices: Sequence[SyncManager], order: Sequence[int]) -> None:
    """Sync in this order, deciding what is to be decided, until nobody has anything more."""
    for number in order:
        assert (await devices[number].sync_now()).success
        await devices[number].conflicts_handled()
    for _ in devices:
        for each in devices:
            assert (await each.sync_now()).success
            await each.conflicts_handled()
    await settled(*devices)


async def test_a_function_that_asks_not_which_side_is_which_comes_to_the_same_in_every_order(
    device: DeviceMaker,
) -> None:
    """Invariants 21, 22, 24: custom; every device's value and every field of its own is in the outcome."""
    strategy = ConflictStrategy.custom(united)
    devices = [device(f"d{number}", conflict_strategy=strategy) for number in range(3)]
    for at, order in enumerate(ORDERS):
        key = f"k{at}"
        await edited_apart(devices, key)
        await arrived(devices, order)
        for each in devices:
            assert await shown(each, key) == {"v": ["d0", "d1", "d2"], "own0": 0, "own1": 1, "own2": 2}
            assert await each.get_conflicts() == []


async def test_left_open_the_first_edit_stays_in_every_order_and_each_later_one_can_be_accepted(device: DeviceMaker) -> None:
    """Invariants 21, 25: manual; what is shown until then is by the order, what can be had is not."""
    devices = [device(f"d{number}", conflict_strategy=MANUAL) for number in range(3)]
    for at, order in enumerate(ORDERS):
        key = f"k{at}"
        await edited_apart(devices, key)
        await arrived(devices, order)
        first = order[0]
        for each in devices:
            assert await shown(each, key) == {"v": [f"d{first}"], f"own{first}": first}
        for number, each in enumerate(devices):
            assert [conflict.local_version["v"] for conflict in await each.get_conflicts()] == [[f"d{number}"]] * (
                number != first
            )
        for number in order[1:]:
            await devices[number].resolve_conflict("notes", key, ConflictResolution.ACCEPT_LOCAL)
            await settled(*devices)
        last = order[-1]
        for each in devices:
            assert await shown(each, key) == {"v": [f"d{last}"], "own0": 0, "own1": 1, "own2": 2}
            assert await each.get_conflicts() == []


async def test_by_stamps_plain_fields_and_replicated_ones_of_a_document_come_to_the_same_in_every_order(
    device: DeviceMaker,
) -> None:
    """Invariant 22: the last save wins its field, counts add up, and a register shows the last write."""
    devices = [device(f"d{number}", conflict_strategy=HLC) for number in range(3)]
    for at, order in enumerate(ORDERS):
        key = f"k{at}"
        await devices[0].save_document("notes", key, {"v": ["start"]})
        await devices[0].crdt_increment("notes", key, "count", 1)
        await settled(*devices)
        for number, each in enumerate(devices):
            await each.crdt_increment("notes", key, "count", 10**number)
            await each.crdt_set("notes", key, "register", number)
            await each.save_document("notes", key, {"v": [f"d{number}"], f"own{number}": number})
            await each.crdt_orset_add("notes", key, "tags", number)
            await asyncio.sleep(0.002)  # as above
        await arrived(devices, order)
        plain = {"v": ["d2"], "own0": 0, "own1": 1, "own2": 2}
        for each in devices:
            assert await shown(each, key) == {**plain, "count": 112, "register": 2, "tags": [0, 1, 2]}
