"""A store whose first page is lost, with its list of tables: what was not sent is saved, and nothing wrong comes out."""

from __future__ import annotations

import asyncio
import gzip
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from solidb_sync import LocalStore, SyncConfig, SyncManager, salvage_store
from solidb_sync.cli.device import NoServer
from solidb_sync.errors import StorageCorruptError, StorageError

KEY = "a passphrase of these tests"
PAGE_BYTES = 8_192
FIXED_PAGES = 23
"""The pages at the front that every store has: the list of tables, SQLite's own map, and the first page of each table."""
COLLECTIONS_PAGE = 4
SYNCED = 400
EDITED = 50
KEPT = sorted((Path(__file__).parent / "formats").glob("format-*.db.gz"))


def wreck(path: Path, *pages: int) -> None:
    """Damage pages of the database, counted from 1; the header lies before them."""
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * PAGE_BYTES + 90)
            file.write(random.Random(page).randbytes(300))


def fill(store: LocalStore) -> None:
    """Put in synced documents, edits of some, new ones, a deletion, a counter, an attachment, a subscription, an index."""
    manager = SyncManager(store, NoServer(), SyncConfig(auto_sync=False))
    for number in range(SYNCED):
        store.put_document("notes", f"n{number:04}", {"n": number, "text": "x" * 100}, {"server": number + 1})
    store.create_index("notes", "n")
    store.add_subscription("notes", "doc.n > 1")

    async def edit() -> None:
        for number in range(EDITED):
            await manager.save_document("notes", f"n{number:04}", {"mine": number})
            await manager.save_document("tasks", f"t{number}", {"task": number})
        await manager.delete_document("notes", "n0100")
        await manager.crdt_increment("counts", "c", "n", 5)
        await manager.put_attachment("tasks", "t1", "big.bin", b"x" * 100_000)

    asyncio.run(edit())


def content(store: LocalStore) -> dict[str, Any]:
    return {
        name: {key: document for key, document, _ in store.list_documents(name)} for name in ("notes", "tasks", "counts")
    }


@pytest.fixture(params=[None, KEY], ids=["plain", "encrypted"])
def key(request: pytest.FixtureRequest) -> str | None:
    found: str | None = request.param
    return found


@pytest.fixture
def path(tmp_path: Path, key: str | None) -> Path:
    with LocalStore.open(tmp_path / "store.db", "phone", encryption_key=key, durability="normal") as store:
        fill(store)
    return tmp_path / "store.db"


def test_everything_that_was_not_sent_is_saved(path: Path, key: str | None, tmp_path: Path) -> None:
    """With what it was made on, so that it shows what it showed; and attachments, subscriptions, the device's own record."""
    with LocalStore.open(path, "phone", encryption_key=key) as store:
        before, changes, replica = content(store), store.get_pending_changes(), store.view(lambda reader: reader.replica())
    wreck(path, 1)
    with pytest.raises(StorageError):
        LocalStore.open(path, "phone", encryption_key=key)
    report = salvage_store(path, tmp_path / "new.db", encryption_key=key)
    assert (report.changes, report.attachments) == (len(changes), 1)
    assert all("with the list of tables" in lost for lost in report.lost)
    assert len(report.lost) == len(before)
    with LocalStore.open(tmp_path / "new.db", "phone", encryption_key=key) as store:
        assert store.verify().is_sound
        assert store.get_pending_changes() == changes
        after = content(store)
        assert after == {**before, "notes": {key: found for key, found in before["notes"].items() if "mine" in found}}
        assert [found.collection for found in store.list_subscriptions()] == ["notes"]
        found = store.view(lambda reader: reader.replica())
        assert (found.store_id, found.counter, found.incarnation) == (replica.store_id, replica.counter, replica.incarnation)
        assert (found.cursor, found.is_resyncing) == (0, True)


def test_without_the_list_of_collections_the_edits_say_where_they_belong(
    path: Path, key: str | None, tmp_path: Path
) -> None:
    wreck(path, 1, COLLECTIONS_PAGE)
    report = salvage_store(path, tmp_path / "new.db", encryption_key=key)
    with LocalStore.open(tmp_path / "new.db", "phone", encryption_key=key) as store:
        assert report.changes == len(store.get_pending_changes()) > 2 * EDITED
        assert store.list_collections() == ["counts", "notes", "tasks"]
        assert len(content(store)["tasks"]) == EDITED


def test_with_the_list_of_collections_alone_lost_the_documents_of_those_with_edits_are_saved(
    path: Path, key: str | None, tmp_path: Path
) -> None:
    with LocalStore.open(path, "phone", encryption_key=key) as store:
        store.put_document("quiet", "q", {"v": 1}, {"server": 1_000})
        before = content(store)
    wreck(path, COLLECTIONS_PAGE, COLLECTIONS_PAGE + 1)  # and its index, which says the same
    report = salvage_store(path, tmp_path / "new.db", encryption_key=key)
    indexes, documents = report.lost  # an index says the collection it is of by its number
    assert indexes.startswith("indexes: ")
    assert documents == "documents of 1 collections whose names are lost; the next sync fetches what the server has"
    with LocalStore.open(tmp_path / "new.db", "phone", encryption_key=key) as store:
        assert content(store) == before
        assert store.verify().is_sound


@pytest.mark.parametrize("seed", range(8))
def test_whatever_else_is_damaged_nothing_wrong_comes_out(path: Path, key: str | None, tmp_path: Path, seed: int) -> None:
    """Pages at the front and further behind; what comes out is as it was, and what is missing is told."""
    with LocalStore.open(path, "phone", encryption_key=key) as store:
        before = content(store)
        changes = {change.change_id: change for change in store.get_pending_changes()}
    chance = random.Random(seed)
    pages = path.stat().st_size // PAGE_BYTES - 1
    wreck(path, 1, chance.randint(2, FIXED_PAGES), chance.randint(2, FIXED_PAGES), chance.randint(FIXED_PAGES + 1, pages))
    report = salvage_store(path, tmp_path / "new.db", encryption_key=key, device_id="phone")
    with LocalStore.open(tmp_path / "new.db", "phone", encryption_key=key) as store:
        assert store.verify().is_sound
        again = {change.change_id: change for change in store.get_pending_changes()}
        after = content(store)
    assert {name: changes[name].data for name in again} == {name: change.data for name, change in again.items()}
    for name, documents in after.items():
        for place, document in documents.items():
            whole = before[name][place]
            assert all(whole[field] == value for field, value in document.items()), f"{name}/{place}"
    assert report.lost


def test_the_log_of_a_store_that_was_not_closed_is_read_too(key: str | None, tmp_path: Path) -> None:
    """A device that lost its power: the newest edits are in the log only."""
    with LocalStore.open(tmp_path / "live.db", "phone", encryption_key=key) as store:
        fill(store)
        store.transact(lambda engine: None)
        changes = store.get_pending_changes()
        for end in ("", "-wal"):
            shutil.copy(f"{tmp_path / 'live.db'}{end}", f"{tmp_path / 'store.db'}{end}")
    wreck(tmp_path / "store.db", 1)
    report = salvage_store(tmp_path / "store.db", tmp_path / "new.db", encryption_key=key)
    assert report.changes == len(changes)


def test_without_its_header_nothing_can_be_read_and_that_is_said(path: Path, key: str | None, tmp_path: Path) -> None:
    """One of its two copies is enough."""
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\0" * 50 + whole[150:])
    assert salvage_store(path, tmp_path / "new.db", encryption_key=key).lost == ()
    path.write_bytes(whole[:20] + b"\0" * 6_000 + whole[6_020:])
    with pytest.raises(StorageCorruptError, match="without it nothing can be read"):
        salvage_store(path, tmp_path / "newer.db", encryption_key=key)
    assert not (tmp_path / "newer.db").exists()


@pytest.mark.parametrize("file", KEPT, ids=[file.name for file in KEPT])
def test_a_store_that_an_older_version_made_gives_nothing_wrong(file: Path, tmp_path: Path) -> None:
    """Its tables may lie elsewhere: they are left out then, or it is refused."""
    path = tmp_path / "store.db"
    path.write_bytes(gzip.decompress(file.read_bytes()))
    key = KEY if "encrypted" in file.name else None
    with LocalStore.open(path, "phone", encryption_key=key) as store:
        before = {change.change_id: change for change in store.get_pending_changes()}
        settings = store.view(lambda reader: reader.settings())
    if path.read_bytes().startswith(b"SQLite format 3"):
        path.write_bytes(b"x" * 4_096 + path.read_bytes()[4_096:])
    else:
        wreck(path, 1)
    try:
        salvage_store(path, tmp_path / "new.db", encryption_key=key, device_id="phone")
    except StorageCorruptError:
        assert not (tmp_path / "new.db").exists()
        return
    with LocalStore.open(tmp_path / "new.db", "phone", encryption_key=key) as store:
        assert store.verify().is_sound
        after = {change.change_id: change for change in store.get_pending_changes()}
        assert {name: before[name].data for name in after} == {name: change.data for name, change in after.items()}
        assert store.view(lambda reader: reader.settings()).items() <= settings.items()
