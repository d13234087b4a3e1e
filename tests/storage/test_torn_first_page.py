"""A sealed store whose first page was being written back from the log when the power went."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from solidb_sync.errors import StorageCorruptError
from solidb_sync.json_value import canonical
from solidb_sync.storage.edits import Minted, record_save
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.sqlite.sealed.layout import PAGE_BYTES, block_of_page

KEY = bytes(range(32))


def torn_copy(tmp_path: Path, *, with_log: bool) -> Path:
    """Return a copy of a store at which a program is still writing, with half of its first page torn off."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    store = LocalStore.open(before / "store.db", "d", encryption_key=KEY)
    minted = Minted(store.mint_id(), store.stamp())
    saving = store.commit(
        lambda engine: record_save(engine, minted, ("notes", "a"), canonical({"text": "kept"}), merge=True)
    )
    asyncio.run(saving)
    shutil.copytree(before, after)
    store.close()
    if not with_log:
        (after / "store.db-wal").unlink()
    with (after / "store.db").open("r+b") as file:
        file.seek(block_of_page(0) * PAGE_BYTES + PAGE_BYTES // 2)
        file.write(bytes(PAGE_BYTES // 2))
    return after / "store.db"


def test_a_torn_first_page_is_read_from_the_log(tmp_path: Path) -> None:
    """SQLite peeks at the header before it opens the log; what is broken there the log has whole."""
    store = LocalStore.open(torn_copy(tmp_path, with_log=True), "d", encryption_key=KEY)
    row = store.view(lambda reader: reader.row("notes", "a"))
    assert row is not None
    assert row.body == '{"text":"kept"}'
    store.close()


def test_a_torn_first_page_that_no_log_has_is_damage(tmp_path: Path) -> None:
    with pytest.raises(StorageCorruptError):
        LocalStore.open(torn_copy(tmp_path, with_log=False), "d", encryption_key=KEY)
