"""Conflicts on devices against a real server: what every strategy decides, in whatever order the devices sync."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conflict_devices import FWW, HLC, LWW, MANUAL, MERGE, MERGE_MANUAL, START, clash, document, pair, settled, shown
from device_types import DeviceMaker
from solidb_sync import ConflictStatus, ConflictStrategy, SyncManager

pytestmark = pytest.mark.anyio

ALL = [LWW, HLC, FWW, MERGE, MERGE_MANUAL, MANUAL]


@pytest.mark.parametrize(
    ("strategy", "outcome", "winner"),
    [
        (LWW, document("laptop", "phone", "laptop"), "local"),
        (HLC, document("laptop", "phone", "laptop"), "local"),
        (FWW, document("phone", "phone", "start"), "remote"),
        (MERGE, document("laptop", "phone", "laptop"), "local"),
        (MERGE_MANUAL, document("phone", "phone", "laptop"), ""),
        (MANUAL, document("phone", "phone", "start"), ""),
    ],
)
async def test_each_strategy_decides_an_overlap(
    device: DeviceMaker, strategy: ConflictStrategy, outcome: dict[str, Any], winner: str
) -> None:
    """G2 G3 G4 G9: and both devices, and the log of the one that came later, agree on it."""
    phone, laptop = await pair(device, strategy)
    await clash(phone, laptop)
    assert await shown(phone) == await shown(laptop) == outcome
    (conflict,) = await laptop.conflict_log()
    assert (conflict.winner, conflict.fields, conflict.strategy.name) == (winner, ("title",), strategy.name)
    assert conflict.local_version.document == document("laptop", "start", "laptop")
    assert conflict.remote_version.document == document("phone", "phone", "start")
    assert conflict.base_version is not None
    assert conflict.base_version.document == START
    assert conflict.status is (ConflictStatus.AUTO_RESOLVED if winner else ConflictStatus.PENDING)
    assert await phone.conflict_log() == []


@pytest.mark.parametrize("strategy", ALL)
async def test_edits_of_different_fields_are_no_conflict_whatever_the_strategy(
    device: DeviceMaker, strategy: ConflictStrategy
) -> None:
    """G4: nothing is surfaced for edits that commute."""
    phone, laptop = await pair(device, strategy)
    await phone.save_document("notes", "a", {"title": "phone"})
    await laptop.save_document("notes", "a", {"tag": "laptop"})
    await settled(phone, laptop, phone)
    assert await shown(phone) == await shown(laptop) == document("phone", "start", "laptop")
    assert await laptop.conflict_log() == []


DELETED_FIRST, EDITED_FIRST = True, False


@pytest.mark.parametrize(
    ("strategy", "deletion_is_first", "survives", "winner"),
    [
        (LWW, DELETED_FIRST, True, "local"),
        (LWW, EDITED_FIRST, False, "local"),
        (HLC, DELETED_FIRST, True, "local"),
        (HLC, EDITED_FIRST, False, "local"),
        (FWW, DELETED_FIRST, False, "remote"),
        (FWW, EDITED_FIRST, True, "remote"),
        (MERGE, DELETED_FIRST, True, "local"),
        (MERGE, EDITED_FIRST, True, "remote"),
        (MERGE_MANUAL, DELETED_FIRST, True, "local"),
        (MERGE_MANUAL, EDITED_FIRST, True, "remote"),
        (MANUAL, DELETED_FIRST, False, ""),
        (MANUAL, EDITED_FIRST, True, ""),
    ],
)
async def test_each_strategy_decides_between_a_deletion_and_an_edit(
    device: DeviceMaker, strategy: ConflictStrategy, deletion_is_first: bool, survives: bool, winner: str
) -> None:
    """G4 and the policy for deletions: the laptop's edit is the later one, by arrival and by its clock."""
    phone, laptop = await pair(device, strategy)
    edits: list[Callable[[SyncManager], Any]] = [
        lambda manager: manager.delete_document("notes", "a"),
        lambda manager: manager.save_document("notes", "a", {"title": "edited"}),
    ]
    first, second = edits if deletion_is_first else reversed(edits)
    await first(phone)
    await asyncio.sleep(0.002)  # a millisecond of the wall clock is between the stamps
    await second(laptop)
    await settled(phone, laptop, phone)
    assert await shown(phone) == await shown(laptop) == ({**START, "title": "edited"} if survives else None)
    (conflict,) = await laptop.conflict_log()
    assert (conflict.winner, conflict.fields) == (winner, ())


@pytest.mark.parametrize("strategy", ALL)
async def test_a_deletion_that_has_seen_everything_wins(device: DeviceMaker, strategy: ConflictStrategy) -> None:
    """Invariant 11: whatever the strategy."""
    phone, laptop = await pair(device, strategy)
    await phone.save_document("notes", "a", {"title": "phone"})
    await settled(phone, laptop)
    await laptop.delete_document("notes", "a")
    await settled(laptop, phone)
    assert await shown(phone) is None
    assert await laptop.conflict_log() == []


@pytest.mark.parametrize(("strategy", "place"), [(LWW, -1), (FWW, 0), (MERGE, -1), (HLC, None)])
@pytest.mark.parametrize("count", [2, 3])
async def test_devices_agree_in_whatever_order_they_sync(
    device: DeviceMaker, strategy: ConflictStrategy, place: int | None, count: int
) -> None:
    """Invariants 21 24: the first or the last in the order wins; by stamps whoever saved last does, in any order."""
    devices = [device(f"d{number}", conflict_strategy=strategy) for number in range(count)]
    for at, order in enumerate(itertools.permutations(range(count))):
        key = f"k{at}"
        await devices[0].save_document("notes", key, {"v": "start"})
        await settled(*devices)
        for number, each in enumerate(devices):
            await each.save_document("notes", key, {"v": number, f"own{number}": number})
            await asyncio.sleep(0.002)  # the wall clock's milliseconds decide between devices
        for number in order:
            assert (await devices[number].sync_now()).success
        await settled(*devices)
        first, *others = [await shown(each, key) for each in devices]
        assert all(other == first for other in others)
        assert first is not None
        assert first["v"] == (count - 1 if place is None else order[place])
        if strategy is not FWW:
            assert {f"own{number}" for number in range(count)} <= first.keys()


@pytest.mark.parametrize("strategy", [LWW, HLC])
async def test_a_clock_a_day_ahead_does_not_win_for_ever(device: DeviceMaker, strategy: ConflictStrategy) -> None:
    """G2: what was written with the knowledge of its edit comes after it; the clock is believed five minutes at most."""
    phone, laptop = await pair(device, strategy)
    clock = laptop._store.clock
    laptop._store.clock = type(
        "Ahead", (), {"now_ms": lambda self: clock.now_ms() + 86_400_000, "monotonic": clock.monotonic}
    )()
    await laptop.save_document("notes", "a", {"title": "from tomorrow"})
    await settled(laptop, phone)
    await phone.save_document("notes", "a", {"title": "today, later"})
    await settled(phone, laptop)
    assert await shown(laptop) == document("today, later", "start", "start")
    await laptop.save_document("notes", "a", {"title": "from tomorrow again"})
    await phone.save_document("notes", "a", {"title": "the one that arrives last"})
    await settled(laptop, phone, laptop)
    if strategy is LWW:
        assert await shown(laptop) == document("the one that arrives last", "start", "start")
    assert await shown(phone) == await shown(laptop)
    await phone.save_document("notes", "a", {"title": "the last word"})
    await settled(phone, laptop)
    assert await shown(laptop) == document("the last word", "start", "start")


async def test_a_policy_of_the_server_overrides_what_the_device_asks_for(device: DeviceMaker, database: str) -> None:
    phone, laptop = await pair(device, MANUAL)
    exchange = laptop._transport.exchange
    path = f"/_api/sync/policies/{database}/notes"
    assert (await exchange("PUT", path, body=b'{"strategy": "first_write_wins"}')).status == 200
    await clash(phone, laptop)
    assert [conflict.strategy.name for conflict in await laptop.conflict_log()] == ["first_write_wins"]
    assert (await exchange("DELETE", path)).status == 200
    await phone.save_document("notes", "a", START)
    await settled(phone, laptop)
    await clash(phone, laptop)
    assert [conflict.strategy.name for conflict in await laptop.get_conflicts()] == ["manual"]


async def test_a_strategy_set_by_collection_is_kept_in_the_store(device: DeviceMaker, tmp_path: Path) -> None:
    laptop = device("laptop", engine="sqlite", path=tmp_path / "laptop.db")
    await laptop.set_conflict_strategy("notes", FWW)
    await laptop.stop()
    laptop._store.close()
    phone, laptop = device("phone"), device("laptop", engine="sqlite", path=tmp_path / "laptop.db")
    await phone.save_document("notes", "a", START)
    await settled(phone, laptop)
    await clash(phone, laptop)
    assert await shown(phone) == await shown(laptop) == document("phone", "phone", "start")


async def test_the_result_of_a_round_has_the_conflicts_it_found_with_their_status(device: DeviceMaker) -> None:
    """E3 G6: each with both versions, the base and how it stands."""
    phone, laptop = await pair(device, MANUAL)
    await phone.save_document("notes", "a", {"title": "phone"})
    await laptop.save_document("notes", "a", {"title": "laptop"})
    await phone.sync_now()
    result = await laptop.sync_now()
    (conflict,) = result.conflicts
    assert result.success
    assert (conflict.collection, conflict.document_key, conflict.status) == ("notes", "a", ConflictStatus.PENDING)
    assert conflict.local_version.vector == {"phone": 1, "laptop": 1}
    assert conflict.remote_version.vector == {"phone": 2}
    assert (conflict.local_version.deleted, conflict.local_version["title"]) == (False, "laptop")
    assert list((await laptop.sync_now()).conflicts) == []
