"""Invariant 31 with refusals: what becomes of operations the server refused, when they are saved over, retried, let go."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_types import DeviceMaker
from replicated_fields import field, in_step
from solidb_sync import SyncManager

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["sqlite", "memory"])
async def devices(request: pytest.FixtureRequest, device: DeviceMaker, tmp_path: Path) -> tuple[SyncManager, SyncManager]:
    """Return a phone, and a laptop whose increment by two of notes/k the server has refused with its transaction."""
    phone, laptop = (device(name, engine=request.param, path=tmp_path / name) for name in ("phone", "laptop"))
    await phone.crdt_increment("notes", "other", "f")
    await phone.save_document("notes", "k", {"name": "phone's", "s": ["x"]})
    await phone.sync_now()
    async with laptop.transaction() as edits:
        await edits.crdt_add_to_set("notes", "other", "f", "no counter takes this")
        await edits.crdt_increment("notes", "k", "n", 2)
        await edits.crdt_orset_add("notes", "k", "tags", "red")
        await edits.crdt_orset_add("notes", "k", "empty", "blue")
        await edits.crdt_orset_remove("notes", "k", "empty", "blue")
        await edits.crdt_set("notes", "k", "w", None)
        await edits.crdt_map_put("notes", "k", "/inner/m", "size", 5)
        await edits.crdt_decrement("notes", "k", "zero", 0)
        await edits.crdt_add_to_set("notes", "k", "g", 7)
        await edits.crdt_bounded_increment("notes", "k", "b", 4)
    await laptop.sync_now()
    assert len(await laptop.rejected_changes()) == 10
    return phone, laptop


FIELDS = {"n": 2, "tags": ["red"], "empty": [], "w": None, "inner": {"m": {"size": 5}}, "zero": 0, "g": [7], "b": 4}


@pytest.mark.parametrize("merge", [True, False])
async def test_what_a_save_takes_over_counts_once_and_merges(devices: tuple[SyncManager, SyncManager], merge: bool) -> None:
    """The user who saves over it saw it: it goes out as operations, beside what others do to the same fields meanwhile."""
    phone, laptop = devices
    await phone.crdt_increment("notes", "k", "n", 3)
    await phone.crdt_orset_add("notes", "k", "tags", "green")
    await phone.sync_now()
    await laptop.save_document("notes", "k", {"more": 1}, merge=merge)
    assert [change.key for change in await laptop.rejected_changes()] == ["other"]
    shown = await laptop.get_document("notes", "k")
    assert shown is not None
    assert {name: shown[name] for name in FIELDS} == FIELDS
    await in_step(laptop, phone)
    for manager in devices:
        assert [await field(manager, name) for name in ("n", "tags", "more")] == [5, ["green", "red"], 1]
        assert [await field(manager, name) for name in ("empty", "w", "zero", "g", "b")] == [[], None, 0, [7], 4]
        assert await field(manager, "inner") == {"m": {"size": 5}}
    await phone.crdt_increment("notes", "k", "zero", 1)
    await laptop.crdt_decrement("notes", "k", "zero", 3)
    await in_step(laptop, phone)
    assert await field(phone, "zero") == await field(laptop, "zero") == -2


async def test_an_operation_over_refused_ones_returns_and_tells_what_is_shown(
    devices: tuple[SyncManager, SyncManager],
) -> None:
    """The refused two are on the screen still: with three more there are five, for who counts and for who listens."""
    _, laptop = devices
    told: list[object] = []
    laptop.on_change(lambda event: told.append((event.document or {}).get("n")))
    assert await laptop.crdt_increment("notes", "k", "n", 3) == 5
    assert await field(laptop, "n") == 5
    assert told == [5]


async def test_a_refused_increment_of_a_known_counter_outlives_a_save_that_leaves_it_out(
    devices: tuple[SyncManager, SyncManager],
) -> None:
    """A save that leaves a counter out changes nothing of it: what was shown, refused or not, is shown afterwards."""
    phone, laptop = devices
    await phone.crdt_increment("notes", "k", "n", 10)
    await in_step(phone)
    await laptop.sync_now()
    assert await field(laptop, "n") == 12
    await laptop.save_document("notes", "k", {"more": 1}, merge=False)
    assert await field(laptop, "n") == 12
    await in_step(laptop, phone)
    assert [await field(manager, "n") for manager in devices] == [12, 12]


async def test_a_save_of_another_number_moves_the_counter_from_what_was_shown(
    devices: tuple[SyncManager, SyncManager],
) -> None:
    """Two were refused and shown, five is saved: five, and what somebody else counted meanwhile."""
    phone, laptop = devices
    await phone.crdt_increment("notes", "k", "n", 1)
    await laptop.save_document("notes", "k", {"n": 5})
    await in_step(laptop, phone)
    await in_step(laptop, phone)
    assert [await field(manager, "n") for manager in devices] == [6, 6]


async def test_a_refused_increment_that_is_let_go_counts_nothing(devices: tuple[SyncManager, SyncManager]) -> None:
    """Neither here, nor in what is counted afterwards."""
    phone, laptop = devices
    await laptop.crdt_increment("notes", "k", "n", 100)
    (refused,) = [change for change in await laptop.rejected_changes() if change.key == "k"][:1]
    assert await laptop.discard_rejected(refused.id)
    assert await laptop.rejected_changes() == []
    assert await field(laptop, "n") == 100
    await in_step(laptop, phone)
    assert [await field(manager, "n") for manager in devices] == [100, 100]


async def test_a_refused_increment_that_is_retried_counts_once(devices: tuple[SyncManager, SyncManager]) -> None:
    """Refused again it counts nothing; once the other document is out of its way, it counts, however often it is retried."""
    phone, laptop = devices
    await laptop.crdt_increment("notes", "k", "n", 100)
    for _ in range(2):
        assert await laptop.retry_rejected((await laptop.rejected_changes())[0].id)
        await laptop.sync_now()
    assert await field(laptop, "n") == 102
    await laptop.delete_document("notes", "other")
    assert await laptop.retry_rejected((await laptop.rejected_changes())[0].id)
    await in_step(laptop, phone)
    assert await laptop.rejected_changes() == []
    assert [await field(manager, "n") for manager in devices] == [102, 102]


async def test_a_deletion_lets_refused_increments_go(devices: tuple[SyncManager, SyncManager]) -> None:
    """What is counted when the document comes back does not begin with them."""
    phone, laptop = devices
    await laptop.delete_document("notes", "k")
    assert [change.key for change in await laptop.rejected_changes()] == ["other"]
    assert await laptop.crdt_increment("notes", "k", "n", 1) == 1
    assert [await field(laptop, name) for name in ("n", "tags", "g")] == [1, None, None]
    await in_step(laptop, phone)
    assert [await field(manager, "n") for manager in devices] == [1, 1]
