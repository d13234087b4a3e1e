"""The base of a conflict that is fetched again, long after its edit: the copy at hand only if it is that very version."""

from __future__ import annotations

import pytest

from solidb_sync import HttpClient, LocalStore, SyncConfig, SyncManager
from solidb_sync.protocol.messages import WireConflict
from solidb_sync.storage.conflict_log import document_of, record_conflicts


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("seen", "base"),
    [({"phone": 1}, {"n": 1}), ({"phone": 2}, None), ({}, None), ({"laptop": 1}, None), ({"phone": 1, "laptop": 1}, None)],
)
async def test_the_base_copy_is_the_base_of_an_edit_that_had_seen_that_version(
    seen: dict[str, int], base: dict[str, int] | None
) -> None:
    with LocalStore.open(":memory:", "laptop", engine="memory") as store:
        store.put_document("notes", "a", {"n": 1}, {"phone": 1})
        laptop = SyncManager(store, HttpClient("localhost:1", database="db"), SyncConfig(auto_sync=False))
        await laptop.save_document("notes", "a", {"later": 1})
        found = WireConflict("c", "sent-long-ago", "notes", "a", "manual", "", base=seen)
        (stored,) = store.transact(lambda engine: record_conflicts(engine, [found], ""))
        assert document_of(stored.base) == base
        await laptop.stop()
