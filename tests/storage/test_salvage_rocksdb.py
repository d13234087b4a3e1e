"""What `salvage_store` promises of a damaged RocksDB store: the same as of SQLite's, block by block."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from solidb_sync import LocalStore, salvage_store
from solidb_sync.errors import EncryptionError, StorageCorruptError, StorageError

ROWS = 3_000
EDITED = 40
BLOCK_BYTES = 4_096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with rows, edits that were not sent, and a subscription, all of it in tables on the disk."""
    path = tmp_path / "store"
    chance = random.Random(5)
    with LocalStore.open(path, "phone", engine="rocksdb", durability="normal") as store:
        for number in range(ROWS):
            store.put_document(
                "notes", f"n{number:05}", {"n": number, "text": chance.randbytes(60).hex()}, {"server": number}
            )
        for number in range(EDITED):
            store.add_pending_change("tasks", f"t{number:03}", "insert", {"n": number}, {})
        store.add_subscription("notes", "doc.n > 1")
        store._engine._database._handle.flush()  # type: ignore[attr-defined]
        store._engine._database._handle.compact_range(None, None)  # type: ignore[attr-defined]
    return path


def tables(path: Path) -> list[Path]:
    return sorted((path / "rocksdb").glob("*.sst"), key=lambda table: table.stat().st_size)


def flip(file: Path, *places: int) -> None:
    content = bytearray(file.read_bytes())
    for place in places:
        content[place] ^= 0xFF
    file.write_bytes(content)


def before(path: Path) -> tuple[dict[str, object], list[str]]:
    with LocalStore.open_for_reading(path, "phone") as store:
        return {key: document for key, document, _ in store.list_documents("notes")}, [
            change.change_id for change in store.get_pending_changes()
        ]


def is_damaged(path: Path) -> bool:
    """Return whether opening or verifying finds damage."""
    try:
        with LocalStore.open_for_reading(path, "phone") as store:
            return not store.verify().is_sound
    except StorageError:
        return True


def test_a_sound_store_comes_out_whole(path: Path, tmp_path: Path) -> None:
    documents, changes = before(path)
    report = salvage_store(path, tmp_path / "new")
    assert (report.lost, report.changes) == ((), EDITED)
    with LocalStore.open(tmp_path / "new", "phone", engine="rocksdb") as store:
        assert {key: document for key, document, _ in store.list_documents("notes")} == documents
        assert [change.change_id for change in store.get_pending_changes()] == changes
        assert [found.collection for found in store.list_subscriptions()] == ["notes"]
        assert store.verify().is_sound
        assert store.view(lambda reader: reader.replica()).must_renew
    assert before(path) == (documents, changes), "the old store stays as it is"
    assert sorted(found.name for found in tmp_path.iterdir() if not found.name.endswith(".lock")) == ["new", "store"]


@pytest.mark.parametrize("seed", range(8))
def test_damaged_blocks_lose_what_is_in_them_and_nothing_else(path: Path, tmp_path: Path, seed: int) -> None:
    documents, changes = before(path)
    chance = random.Random(seed)
    table = tables(path)[-1]
    count = chance.choice([1, 2, 5])
    size = table.stat().st_size
    flip(table, *(chance.randrange(size * 8 // 10) for _ in range(count)))
    assert is_damaged(path)
    report = salvage_store(path, tmp_path / "new", device_id="phone")
    with LocalStore.open(tmp_path / "new", "phone", engine="rocksdb") as store:
        after = {key: document for key, document, _ in store.list_documents("notes")}
        again = [change.change_id for change in store.get_pending_changes()]
        assert store.verify().is_sound
    assert all(documents[key] == document for key, document in after.items())
    missing = len(documents) - len(after) + len(changes) - len(set(again) & set(changes))
    assert report.lost or not missing
    assert missing <= count * 60, f"{missing} are missing: {report.lost}"


def test_without_its_list_of_files_it_is_repaired_in_a_copy(path: Path, tmp_path: Path) -> None:
    documents, changes = before(path)
    (manifest,) = (path / "rocksdb").glob("MANIFEST-*")
    content = manifest.read_bytes()
    manifest.write_bytes(b"\0" * len(content))
    report = salvage_store(path, tmp_path / "new")
    assert [lost for lost in report.lost if "a repair left out" in lost] == list(report.lost) != []
    with LocalStore.open_for_reading(tmp_path / "new", "phone") as store:
        assert {key: document for key, document, _ in store.list_documents("notes")} == documents
        assert [change.change_id for change in store.get_pending_changes()] == changes
    assert manifest.read_bytes() == b"\0" * len(content)


def test_a_damaged_label_keeps_nothing_from_being_salvaged(path: Path, tmp_path: Path) -> None:
    (label,) = path.glob("*.json")
    text = label.read_text()
    label.write_text("{")
    assert salvage_store(path, tmp_path / "new").changes == EDITED
    label.write_text(json.dumps({**json.loads(text), "format": 99}))
    with pytest.raises(StorageError, match="by a newer version"):
        salvage_store(path, tmp_path / "newer")


def test_what_is_no_store_and_what_nothing_can_be_read_of_is_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(StorageError, match="there is no store"):
        salvage_store(tmp_path / "empty", tmp_path / "new")
    with pytest.raises(EncryptionError, match="the store is not encrypted"):
        salvage_store(path, tmp_path / "new", encryption_key="secret")
    for file in (path / "rocksdb").iterdir():
        file.write_bytes(b"")
    with pytest.raises(StorageCorruptError):
        salvage_store(path, tmp_path / "new")
    assert not list(tmp_path.glob("new*"))
