"""A damaged store that was salvaged: the server gives back what was lost, and gets once what it had not."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_types import DeviceMaker
from solidb_sync import salvage_store

pytestmark = pytest.mark.anyio
ROWS = 400


async def test_what_was_lost_comes_back_from_the_server_and_unsent_edits_arrive_once(
    device: DeviceMaker, tmp_path: Path
) -> None:
    phone, laptop = device("phone", engine="sqlite", path=tmp_path / "phone.db"), device("laptop")
    for number in range(ROWS):
        await phone.save_document("notes", f"n{number:03}", {"n": number, "text": f"row {number} " * 30})
    await phone.crdt_increment("notes", "count", "n", 5)
    await phone.sync_now()
    await phone.crdt_increment("notes", "count", "n", 2)
    await phone.save_document("notes", "n007", {"mine": True})
    await phone.save_document("notes", "new", {"n": -1})
    await phone.delete_document("notes", "n008")
    phone._store.close()
    content = bytearray((tmp_path / "phone.db").read_bytes())
    for number in (100, 200, 300):  # somewhere in the pages of the synced rows
        at = content.index(f"row {number} row {number}".encode())
        content[at : at + 3] = b"ROW"
    (tmp_path / "phone.db").write_bytes(content)
    report = salvage_store(tmp_path / "phone.db", tmp_path / "salvaged.db")
    assert report.lost
    salvaged = device("phone", engine="sqlite", path=tmp_path / "salvaged.db")
    there = {key for key, _ in await salvaged.query_documents("notes")}
    assert ROWS // 2 < len(there) < ROWS
    for manager in (salvaged, laptop):
        result = await manager.sync_now()
        assert result.success, result.errors
    documents = dict(await salvaged.query_documents("notes"))
    assert documents == dict(await laptop.query_documents("notes"))
    assert len(documents) == ROWS + 1
    assert (documents["count"]["n"], documents["n007"]["mine"], documents["n007"]["n"]) == (7, True, 7)
    assert "n008" not in documents
    assert salvaged._store.verify().is_sound
    assert salvaged._store.get_pending_changes() == []
