"""What the conflict log of a device forgets at `cleanup()`, and what never (E7, 25)."""

from __future__ import annotations

from typing import Any

import pytest

from device_types import DeviceMaker
from solidb_sync import ConfigError, ConflictStrategy, SyncConfig, SyncManager
from solidb_sync.errors import SyncError

pytestmark = pytest.mark.anyio


async def meet(phone: SyncManager, other: SyncManager, *keys: str) -> None:
    """Make a conflict about each of these documents, found by the phone, one after the other."""
    for key in keys:
        await other.save_document("notes", key, {"n": 0, "by": "nobody"})
        for device in (other, phone):
            assert (await device.sync_now()).success
        await other.save_document("notes", key, {"by": "other"})
        await other.sync_now()
        await phone.save_document("notes", key, {"by": "phone"})
        assert (await phone.sync_now()).conflicts == 1


async def logged(phone: SyncManager) -> list[str]:
    """Return the documents of the conflict log, oldest first."""
    return [conflict.document_key for conflict in await phone.conflict_log()]


@pytest.fixture(params=["memory", "sqlite", "rocksdb"])
async def phone(request: Any, device: DeviceMaker, tmp_path: Any) -> SyncManager:
    """A device that keeps two decided conflicts, on each engine."""
    return device("phone", engine=request.param, path=str(tmp_path / "phone.db"), conflicts_kept_max=2)


async def test_the_newest_decided_conflicts_stay_and_can_be_taken_back(phone: SyncManager, device: DeviceMaker) -> None:
    await meet(phone, device("other"), "a", "b", "c", "d")
    oldest, *_, newest = await phone.conflict_log()
    await phone.cleanup()
    assert await logged(phone) == ["c", "d"]
    with pytest.raises(SyncError, match="no conflict"):
        await phone.undo_resolution(oldest.id)
    await phone.undo_resolution(newest.id)
    assert (await phone.get_document("notes", "d") or {})["by"] == "other"


async def test_an_open_conflict_stays_however_old_it_is(phone: SyncManager, device: DeviceMaker) -> None:
    await phone.set_conflict_strategy("notes", ConflictStrategy.MANUAL)
    other = device("other")
    await meet(phone, other, "open")
    await phone.set_conflict_strategy("notes", ConflictStrategy.LAST_WRITE_WINS)
    await meet(phone, other, "a", "b", "c")
    await phone.cleanup()
    assert await logged(phone) == ["open", "b", "c"]
    assert [conflict.document_key for conflict in await phone.get_conflicts()] == ["open"]


async def test_a_decision_that_was_not_sent_keeps_its_conflict(phone: SyncManager, device: DeviceMaker) -> None:
    """If the server refuses it, the conflict is opened again: it has to be there for that."""
    await phone.set_conflict_strategy("notes", ConflictStrategy.MANUAL)
    other = device("other")
    await meet(phone, other, "decided")
    await phone.set_conflict_strategy("notes", ConflictStrategy.LAST_WRITE_WINS)
    await meet(phone, other, "a", "b", "c")
    await phone.resolve_conflict("notes", "decided", {"by": "all"})
    await phone.cleanup()
    assert await logged(phone) == ["decided", "b", "c"]
    for device_ in (phone, phone):
        assert (await device_.sync_now()).success
    await phone.cleanup()
    assert await logged(phone) == ["b", "c"]


async def test_the_number_kept_is_checked(phone: SyncManager) -> None:
    with pytest.raises(ConfigError, match="conflicts_kept_max: expected an integer"):
        SyncConfig(conflicts_kept_max=-1)
