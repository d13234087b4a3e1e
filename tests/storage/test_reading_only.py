"""A store that another process has open can be read, and only read."""

import pytest

from solidb_sync import LocalStore, StorageError, StoreLockedError


def test_what_the_other_commits_is_seen_and_nothing_can_be_written(tmp_path):
    with LocalStore.open(tmp_path / "store.db", "phone") as writer:
        writer.put_document("users", "u1", {"a": 1}, {"server": 1})
        with LocalStore.open_for_reading(tmp_path / "store.db", "phone") as reader:
            writer.put_document("users", "u2", {"a": 2}, {"server": 2})
            assert [key for key, _, _ in reader.list_documents("users")] == ["u1", "u2"]
            assert reader.verify().is_sound
            with pytest.raises(StoreLockedError, match="open for reading only"):
                reader.put_document("users", "u3", {}, {})
            with pytest.raises(StoreLockedError):
                reader.create_index("users", "a")
        writer.put_document("users", "u3", {}, {})


def test_a_store_can_be_read_while_nobody_has_it_open(tmp_path):
    LocalStore.open(tmp_path / "store.db", "phone").close()
    with LocalStore.open_for_reading(tmp_path / "store.db", "phone") as reader:
        assert reader.list_collections() == []


def test_another_devices_store_and_none_at_all_are_refused(tmp_path):
    with pytest.raises(StorageError, match="there is no store"):
        LocalStore.open_for_reading(tmp_path / "store.db", "phone")
    assert list(tmp_path.iterdir()) == []
    with LocalStore.open(tmp_path / "store.db", "phone"), pytest.raises(StorageError, match="belongs to the device 'phone'"):
        LocalStore.open_for_reading(tmp_path / "store.db", "laptop")
