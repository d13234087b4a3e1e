"""The tick beside a row: how single documents stand with the server, told as it changes."""

from __future__ import annotations

from typing import Any

import pytest

from conflict_devices import MANUAL, pair, settled
from device_types import DeviceMaker
from solidb_sync import SyncManager, SyncStateChanged

pytestmark = pytest.mark.anyio

LARGE = {f"field_{number}": "x" * 10_000 for number in range(60)}


def listening(manager: SyncManager) -> list[tuple[str, str, str]]:
    """Return a list that fills with what is told: key, state before, state."""
    told: list[tuple[str, str, str]] = []

    def note(event: SyncStateChanged) -> None:
        assert event.collection == "notes"
        told.append((event.key, event.state_before, event.state))

    manager.on_sync_state(note)
    return told


async def states_of(manager: SyncManager, *keys: str) -> list[Any]:
    """Return the states that reads show."""
    return [(await manager.get_document("notes", key, meta=True) or {})["_sync"]["state"] for key in keys]


async def test_a_save_is_pending_until_the_server_has_it_and_each_change_is_told_once(device: DeviceMaker) -> None:
    phone = device("phone")
    told = listening(phone)
    await phone.save_document("notes", "a", {"n": 1})
    await phone.save_document("notes", "a", {"n": 2})
    await phone.save_document("notes", "b", {"n": 1})
    assert told == [("a", "synced", "pending"), ("b", "synced", "pending")]
    assert await states_of(phone, "a", "b") == ["pending", "pending"]
    del told[:]
    assert (await phone.sync_now()).success
    assert told == [("a", "pending", "synced"), ("b", "pending", "synced")]
    assert await states_of(phone, "a", "b") == ["synced", "synced"]
    del told[:]
    assert (await phone.sync_now()).success
    await phone.delete_document("notes", "a")
    await phone.delete_document("notes", "none")
    assert (await phone.sync_now()).success
    assert told == [("a", "synced", "pending"), ("a", "pending", "synced")]


async def test_members_of_a_transaction_and_replicated_fields_are_told_as_well(device: DeviceMaker) -> None:
    phone = device("phone")
    told = listening(phone)
    async with phone.transaction() as together:
        await together.save_document("notes", "a", {"n": 1})
        await together.save_document("notes", "b", {"n": 1})
    await phone.crdt_increment("notes", "c", "visits")
    assert told == [(key, "synced", "pending") for key in "abc"]
    assert (await phone.sync_now()).success
    assert told[3:] == [(key, "pending", "synced") for key in "abc"]


async def test_a_document_is_told_of_when_it_is_sent_and_not_when_all_are(device: DeviceMaker) -> None:
    phone = device("phone", batch_size=1)
    for key in "abc":
        await phone.save_document("notes", key, {"n": 1})
    told: list[tuple[str, bool]] = []
    phone.on_sync_state(lambda event: told.append((event.key, phone.is_syncing())))
    assert (await phone.sync_now()).success
    assert told == [("a", True), ("b", True), ("c", True)]


async def test_what_others_change_here_is_no_change_of_state(device: DeviceMaker) -> None:
    phone, laptop = device("phone"), device("laptop")
    told = listening(phone)
    await laptop.save_document("notes", "a", {"n": 1})
    await settled(laptop, phone)
    assert told == []


async def test_somebody_who_comes_later_is_told_from_how_things_stand(device: DeviceMaker) -> None:
    """A backlog is not new; its end is. Who has gone is told no more."""
    phone = device("phone")
    await phone.save_document("notes", "a", {"n": 1})
    told = listening(phone)
    late: list[SyncStateChanged] = []
    end = phone.on_sync_state(late.append)
    end()
    await phone.save_document("notes", "a", {"n": 2})
    assert told == []
    assert (await phone.sync_now()).success
    assert told == [("a", "pending", "synced")]
    assert late == []


async def test_an_open_conflict_is_told_and_shown_until_it_is_decided(device: DeviceMaker) -> None:
    """By whoever decides it: here one on this device, one at the other."""
    phone, laptop = await pair(device, MANUAL)
    told = listening(laptop)
    for title in ("first", "second"):
        await phone.save_document("notes", "a", {"title": f"phone's {title}"})
        await laptop.save_document("notes", "a", {"title": f"laptop's {title}"})
        await settled(phone, laptop)
        assert told[0] == ("a", "synced", "pending")
        assert told[-1][2] == "conflict"
        assert await states_of(laptop, "a") == ["conflict"]
        await laptop.resolve_conflict("notes", "a", {"title": "decided"})
        assert (told[-1][1:], await states_of(laptop, "a")) == (("conflict", "pending"), ["pending"])
        await settled(laptop, phone)
        assert (told[-1], await states_of(laptop, "a")) == (("a", "pending", "synced"), ["synced"])
        del told[:]


async def test_a_refused_edit_is_told_and_its_end_as_well(device: DeviceMaker) -> None:
    phone, other = device("phone"), device("other")
    await phone.save_document("notes", "large", LARGE)
    await settled(phone, other)
    await other.save_document("notes", "large", {f"other_{number}": "y" * 10_000 for number in range(40)})
    await other.sync_now()
    told = listening(phone)
    await phone.save_document("notes", "large", {f"more_{number}": "z" * 10_000 for number in range(40)})
    await phone.save_document("notes", "small", {"n": 1})
    assert not (await phone.sync_now()).success
    assert told[2:] == [("large", "pending", "rejected"), ("small", "pending", "synced")]
    (refused,) = await phone.rejected_changes()
    assert await phone.retry_rejected(refused.id)
    assert told[4:] == [("large", "rejected", "pending")]
    await phone.sync_now()
    (refused,) = await phone.rejected_changes()
    assert await phone.discard_rejected(refused.id)
    assert told[5:] == [("large", "pending", "rejected"), ("large", "rejected", "synced")]


async def test_a_resync_that_discards_what_was_not_sent_is_told(device: DeviceMaker) -> None:
    phone = device("phone")
    await phone.save_document("notes", "a", {"n": 1})
    await phone.sync_now()
    told = listening(phone)
    await phone.save_document("notes", "a", {"n": 2})
    await phone.save_document("notes", "b", {"only": "here"})
    assert (await phone.full_resync(discard_local=True)).success
    assert told == [(key, "synced", "pending") for key in "ab"] + [(key, "pending", "synced") for key in "ab"]


async def test_a_stream_of_one_document_has_nothing_of_others(device: DeviceMaker) -> None:
    """And ends with the manager; a listener that raises harms nobody."""
    phone = device("phone")

    def harm(event: SyncStateChanged) -> None:
        raise RuntimeError("a bug of the app")

    phone.on_sync_state(harm)
    stream = phone.sync_states("notes", "b")
    await phone.save_document("notes", "a", {"n": 1})
    await phone.save_document("notes", "b", {"n": 1})
    assert (await phone.sync_now()).success
    expected = [SyncStateChanged("notes", "b", *states) for states in (("pending", "synced"), ("synced", "pending"))]
    assert [await anext(stream), await anext(stream)] == expected
    await phone.stop()
    assert [event async for event in stream] == []
