"""What the server refuses for good, end to end (5.13, invariant 17: isolation of failure)."""

from __future__ import annotations

import pytest

from device_types import DeviceMaker
from solidb_sync import SyncManager

pytestmark = pytest.mark.anyio

LARGE = {f"field_{number}": "x" * 10_000 for number in range(60)}


async def with_a_refused_edit(device: DeviceMaker) -> tuple[SyncManager, SyncManager]:
    """Return a phone whose edit made the document too large together with another device's, and that device."""
    phone, other = device("phone"), device("other")
    await phone.save_document("notes", "large", LARGE)
    await phone.sync_now()
    await other.sync_now()
    await other.save_document("notes", "large", {f"other_{number}": "y" * 10_000 for number in range(40)})
    await other.sync_now()
    await phone.save_document("notes", "large", {f"more_{number}": "z" * 10_000 for number in range(40)})
    await phone.save_document("notes", "large", {"later": 1})
    await phone.save_document("notes", "small", {"text": "fine"})
    result = await phone.sync_now()
    assert (result.success, result.pushed) == (False, 1)
    return phone, other


async def test_a_discarded_change_shows_the_servers_version_again_and_the_device_goes_on(device: DeviceMaker) -> None:
    phone, other = await with_a_refused_edit(device)
    first, second = await phone.rejected_changes()
    assert "DocumentTooLarge" in first.reason
    assert await phone.discard_rejected(first.id)
    assert not await phone.discard_rejected(second.id)
    assert await phone.rejected_changes() == []
    await phone.save_document("notes", "large", {"new": 1})
    assert (await phone.sync_now()).success
    await other.sync_now()
    assert await phone.get_document("notes", "large") == await other.get_document("notes", "large")
    assert (await phone.get_document("notes", "large", meta=True) or {})["_sync"] == {"state": "synced"}


async def test_a_retried_change_is_taken_when_the_reason_has_gone(device: DeviceMaker) -> None:
    phone, other = await with_a_refused_edit(device)
    first, _ = await phone.rejected_changes()
    assert await phone.retry_rejected(first.id)
    again = await phone.sync_now()
    assert (again.success, len(await phone.rejected_changes())) == (False, 2)
    await other.save_document("notes", "large", {"other_1": 1}, merge=False)
    await other.sync_now()
    first, _ = await phone.rejected_changes()
    assert await phone.retry_rejected(first.id)
    assert (await phone.sync_now()).success
    await other.sync_now()
    found = await other.get_document("notes", "large") or {}
    assert (found["later"], found["other_1"], "more_39" in found) == (1, 1, True)
    assert await phone.get_document("notes", "large") == found
    assert not await phone.retry_rejected(first.id)


async def test_a_user_repairs_a_refused_document_by_editing_it(device: DeviceMaker) -> None:
    phone, other = await with_a_refused_edit(device)
    repaired = {"field_1": "kept", "more_1": "kept too"}
    await phone.save_document("notes", "large", repaired, merge=False)
    assert await phone.rejected_changes() == []
    assert (await phone.sync_now()).success
    await other.sync_now()
    found = await other.get_document("notes", "large") or {}
    assert (found["field_1"], found["more_1"], "field_2" in found, "other_1" in found) == ("kept", "kept too", False, False)
    assert await phone.get_document("notes", "large") == found


async def test_a_retry_inside_one_transaction_is_not_held_up_by_what_was_skipped_before(device: DeviceMaker) -> None:
    """The server once waited for a skipped change that its author had set aside, and the round never ended."""
    phone = device("phone")
    await phone.save_document("notes", "large", LARGE)
    await phone.sync_now()
    other = device("other")
    await other.sync_now()
    await other.save_document("notes", "large", {f"other_{number}": "y" * 10_000 for number in range(40)})
    await other.sync_now()
    await phone.save_document("notes", "large", {f"more_{number}": "z" * 10_000 for number in range(40)})
    async with phone.transaction() as both:
        await both.save_document("notes", "large", {"a": 1})
        await both.save_document("notes", "large", {"b": 1})
    assert not (await phone.sync_now()).success
    await other.save_document("notes", "large", {"other_1": 1}, merge=False)
    await other.sync_now()
    rejected = await phone.rejected_changes()
    assert len(rejected) == 3
    await phone.retry_rejected(rejected[0].id)
    result = await phone.sync_now()
    assert (result.success, result.errors, result.pushed) == (True, [], 3)
