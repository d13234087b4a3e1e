"""A store that went back in time, with a collection that has yet to catch up (invariant 15)."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_types import DeviceMaker

pytestmark = pytest.mark.anyio


async def test_a_restored_store_fetches_a_collection_that_was_to_catch_up(device: DeviceMaker, tmp_path: Path) -> None:
    """The server answers its first question with nothing but the reset: that is not the end of the collection."""
    laptop = device("laptop")
    await laptop.save_document("tasks", "theirs", {"text": "1"})
    await laptop.sync_now()
    phone = device("phone", engine="sqlite", path=tmp_path / "phone.db")
    await phone.unsubscribe("tasks")
    await phone.save_document("notes", "one", {"text": "1"})
    await phone.sync_now()
    phone._store.backup(tmp_path / "backup.db")
    await phone.save_document("notes", "two", {"text": "2"})
    await phone.sync_now()
    restored = device("phone", engine="sqlite", path=tmp_path / "backup.db")
    await restored.subscribe("tasks")
    result = await restored.sync_now()
    assert result.success, result.errors
    assert [key for key, _ in await restored.query_documents("tasks")] == ["theirs"]
    assert [key for key, _ in await restored.query_documents("notes")] == ["one", "two"]
