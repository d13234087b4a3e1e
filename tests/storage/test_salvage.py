"""What `salvage_store` promises of a damaged store: nothing wrong comes out, nothing readable is left, the rest is named."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from solidb_sync import LocalStore, SyncConfig, SyncManager, salvage_store
from solidb_sync.errors import EncryptionError, StorageCorruptError, StorageError, StoreLockedError
from solidb_sync.storage.sqlite.readable_rows import Scan

KEY = b"k" * 32
ROWS = 1_500
EDITED = 60
HEADER_PAGES = 12
"""The first pages hold the tables' list and the small tables; they are damaged by a test of their own."""


class Offline:
    """No network at all."""

    database = "db"

    async def close(self) -> None:
        """Give back nothing."""


def text(number: int) -> str:
    return f"row {number} " * 20


def fill(path: Path, key: bytes | None) -> None:
    """Make a store with synced rows, rows edited since, new rows, deleted rows, counters and an attachment."""
    with LocalStore.open(path, "phone", encryption_key=key, durability="normal") as store:
        for number in range(ROWS):
            store.put_document("notes", f"n{number:05}", {"n": number, "text": text(number)}, {"server": number + 1})
        store.add_subscription("notes", "doc.n > @x", {"x": 0})
        manager = SyncManager(store, Offline(), SyncConfig(auto_sync=False))  # type: ignore[arg-type]

        async def edit() -> None:
            for number in range(EDITED):
                await manager.save_document("notes", f"n{number * 7:05}", {"mine": number})
                await manager.save_document("tasks", f"t{number}", {"task": text(number)})
                await manager.crdt_increment("counts", f"c{number}", "n", number)
            await manager.delete_document("notes", "n00001")
            await manager.put_attachment("tasks", "t1", "big.bin", b"x" * 300_000)

        asyncio.run(edit())


def held(store: LocalStore) -> dict[str, dict[str, Any]]:
    """Return all documents, by collection and key."""
    return {
        name: {key: document for key, document, _ in store.list_documents(name)} for name in ("notes", "tasks", "counts")
    }


@pytest.fixture(params=[None, KEY], ids=["plain", "encrypted"])
def key(request: pytest.FixtureRequest) -> bytes | None:
    found: bytes | None = request.param
    return found


@pytest.fixture
def path(tmp_path: Path, key: bytes | None) -> Path:
    """Return where a filled store is, closed."""
    fill(tmp_path / "store.db", key)
    return tmp_path / "store.db"


def damage(path: Path, pages: list[int], page_bytes: int) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * page_bytes + 100)
            file.write(random.Random(page).randbytes(200))


def page_bytes_of(path: Path, key: bytes | None) -> tuple[int, int]:
    """Return the size of a page in the file, and how many there are."""
    with LocalStore.open(path, "phone", encryption_key=key) as store:
        size = store.view(lambda reader: reader.connection.execute("PRAGMA page_size").fetchall()[0][0])
        count = store.view(lambda reader: reader.connection.execute("PRAGMA page_count").fetchall()[0][0])
    return size, count


def test_a_sound_store_comes_out_whole(path: Path, key: bytes | None, tmp_path: Path) -> None:
    with LocalStore.open(path, "phone", encryption_key=key) as store:
        before, changes = held(store), store.get_pending_changes()
    report = salvage_store(path, tmp_path / "new.db", encryption_key=key)
    assert (report.lost, report.queued_again, report.attachments) == ((), 0, 1)
    assert (report.documents, report.changes) == (ROWS + 2 * EDITED, len(changes))
    with LocalStore.open(tmp_path / "new.db", "phone", encryption_key=key) as store:
        assert (held(store), store.get_pending_changes()) == (before, changes)
        assert store.verify().is_sound
        assert [found.collection for found in store.list_subscriptions()] == ["notes"]
        assert store.view(lambda reader: reader.replica()).must_renew
    with LocalStore.open(path, "phone", encryption_key=key) as store:
        assert held(store) == before, "the old store stays as it is"


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_damaged_what_comes_out_is_right_and_what_is_missing_is_told(
    path: Path, key: bytes | None, tmp_path: Path, seed: int
) -> None:
    size, count = page_bytes_of(path, key)
    with LocalStore.open(path, "phone", encryption_key=key) as store:
        before = held(store)
        changes = {change.change_id: change for change in store.get_pending_changes()}
    chance = random.Random(seed)
    damaged = chance.sample(range(HEADER_PAGES, count), chance.choice([1, 2, 5]))
    damage(path, damaged, size)
    report = salvage_store(path, tmp_path / "new.db", encryption_key=key)
    with LocalStore.open(tmp_path / "new.db", "phone", encryption_key=key) as store:
        after = held(store)
        assert store.verify().is_sound
        again = {change.change_id: change for change in store.get_pending_changes()}
    missing = 0
    for name, documents in before.items():
        for place, document in documents.items():
            missing += place not in after[name]
            assert after[name].get(place, document) == document, f"{name}/{place} is another than before"
    assert all(changes[name] == again[name] for name in changes.keys() & again.keys())
    lost_changes = len(changes.keys() - again.keys())
    assert bool(missing or lost_changes) <= bool(report.lost), "what is missing is told"
    assert missing <= 60 * len(damaged), f"{missing} documents are missing with {len(damaged)} damaged pages: {report.lost}"


def test_an_unsent_document_whose_edit_is_lost_is_queued_again(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    fill(path, None)
    with LocalStore.open(path, "phone") as store:
        changes = len(store.get_pending_changes())
        store.transact(lambda engine: engine.drop_changes(change.id for change in engine.changes(state=None)))
    report = salvage_store(path, tmp_path / "new.db")
    assert report.changes == 0
    assert report.queued_again == 3 * EDITED + 1, f"a document for each that was edited, of {changes} edits"
    with LocalStore.open(tmp_path / "new.db", "phone") as store:
        queued = {(change.collection, change.key): change for change in store.get_pending_changes()}
        assert queued["notes", "n00001"].operation == "delete"
        assert queued["notes", "n00007"].data == {"n": 7, "text": text(7), "mine": 1}
        assert queued["notes", "n00007"].version_vector == {"server": 8}


@pytest.mark.parametrize("page", [1, 3])
def test_a_store_that_is_damaged_where_everything_begins_is_refused_and_nothing_is_written(
    path: Path, key: bytes | None, tmp_path: Path, page: int
) -> None:
    size, count = page_bytes_of(path, key)
    damage(path, list(range(page, count + 1)), size)
    with pytest.raises((StorageCorruptError, EncryptionError)):
        salvage_store(path, tmp_path / "new.db", encryption_key=key)
    assert not (tmp_path / "new.db").exists()


def test_what_can_not_be_salvaged_is_said_before_anything_is_done(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with pytest.raises(StorageError, match="there is no store"):
        salvage_store(path, tmp_path / "new.db")
    fill(path, KEY)
    with pytest.raises(EncryptionError):
        salvage_store(path, tmp_path / "new.db")
    with LocalStore.open(path, "phone", encryption_key=KEY), pytest.raises(StoreLockedError):
        salvage_store(path, tmp_path / "new.db", encryption_key=KEY)
    (tmp_path / "new.db").write_text("something else")
    with pytest.raises(StorageError, match="exists already"):
        salvage_store(path, tmp_path / "new.db", encryption_key=KEY)
    assert (tmp_path / "new.db").read_text() == "something else"
    assert not (tmp_path / "new.db.salvaging").exists()


def test_a_store_whose_own_record_is_lost_asks_for_the_device_id(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    fill(path, None)
    with LocalStore.open(path, "phone") as store:
        store.transact(lambda engine: engine._do("DELETE FROM replica"))
    with pytest.raises(StorageCorruptError, match="say the device id"):
        salvage_store(path, tmp_path / "new.db")
    report = salvage_store(path, tmp_path / "new.db", device_id="phone")
    assert (report.documents, report.queued_again, len(report.lost)) == (ROWS + 2 * EDITED, 0, 1)
    with LocalStore.open(tmp_path / "new.db", "phone") as store:
        assert store.verify().is_sound


@pytest.mark.parametrize("seed", range(40))
def test_a_scan_misses_nothing_that_can_be_read(seed: int) -> None:
    """Rows on pages of some numbers each, any of which may be damaged; the tail and the head too."""
    chance = random.Random(seed)
    numbers = sorted(chance.sample(range(1, 2_000), 400))
    pages = [numbers[start : start + 20] for start in range(0, 400, 20)]
    bad = {number for page in chance.sample(pages, chance.randint(0, 6)) for number in range(page[0], page[-1] + 1)}

    def after(number: int, count: int) -> list[tuple[int]]:
        found = [(known,) for known in numbers if known > number][:count]
        if any(known in bad for (known,) in found):
            raise StorageCorruptError("a damaged page")
        return found

    def one(number: int) -> list[tuple[int]]:
        if number in bad:
            raise StorageCorruptError("a damaged page")
        return [(number,)] if number in numbers else []

    scan = Scan(after, one)
    assert [number for (number,) in scan.rows()] == [number for number in numbers if number not in bad]
    assert scan.lost >= len(bad & set(numbers))
