"""The size a change would have with its whole document is told without making it; here it is made."""

from __future__ import annotations

from typing import Any

import pytest

from solidb_sync import HttpClient, LocalStore, SyncConfig, SyncManager
from solidb_sync.model.delta_policy import DeltaPolicy
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.records import ChangeState
from solidb_sync.storage.sent_form import SentForm, sent_form, sent_forms

FIELDS, WHOLE = DeltaPolicy(1), DeltaPolicy(0)
BEFORE = {"title": "Milk", "日": "本", "address": {"city": "Porto", "zip": "4000"}, "text": "x" * 300}


def forms(reader: EngineReader, policy: DeltaPolicy) -> list[SentForm]:
    """Return the forms of all pending changes under a policy."""
    return [sent_form(reader, change, policy) for change in reader.changes(state=ChangeState.PENDING)]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "after",
    [
        {**BEFORE, "title": "Tea"},
        {**BEFORE, "title": "お茶", "n": None},
        {**BEFORE, "address": {"city": "Paris", "zip": "4000"}},
        {name: value for name, value in BEFORE.items() if name != "title"},
        {**{name: value for name, value in BEFORE.items() if name != "日"}, "title": "Tea"},
    ],
    ids=["a field", "other scripts", "a nested field", "only removed", "removed and set"],
)
async def test_the_size_in_full_is_the_size_of_the_form_with_the_document(after: dict[str, Any]) -> None:
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        client = HttpClient("127.0.0.1:9", database="mydb", api_key="sk_x")
        manager = SyncManager(store, client, SyncConfig(auto_sync=False))
        await manager.save_document("notes", "one", BEFORE)
        await manager.save_document("notes", "one", after, merge=False)
        _, fields = store.view(lambda reader: forms(reader, FIELDS))
        _, whole = store.view(lambda reader: forms(reader, WHOLE))
        await manager.stop()
    assert '"delta"' in fields.text or '"unset"' in fields.text
    assert '"document"' in whole.text
    assert fields.full_bytes == whole.sent_bytes == len(whole.text.encode())
    assert fields.sent_bytes == len(fields.text.encode())


@pytest.mark.anyio
async def test_changes_read_together_have_the_form_they_have_singly() -> None:
    """Those that are their document's only one are known without looking for others; with two of them it is looked."""
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        client = HttpClient("127.0.0.1:9", database="mydb", api_key="sk_x")
        manager = SyncManager(store, client, SyncConfig(auto_sync=False))
        for name in ("one", "two", "three"):
            await manager.save_document("notes", name, BEFORE)
        for change in store.get_pending_changes():
            store.mark_change_synced(change.id)
        await manager.save_document("notes", "one", {"title": "Tea"})
        await manager.save_document("notes", "two", {"title": "Tea", "n": 1})
        await manager.save_document("notes", "two", {"title": "Rum" * 9})
        await manager.save_document("notes", "three", {"address": {"city": "Rome"}})
        for policy in (FIELDS, WHOLE):
            pending = store.view(lambda reader: reader.changes(state=ChangeState.PENDING))
            together = store.view(lambda reader, policy=policy, page=pending: sent_forms(reader, page, policy))
            later = store.view(lambda reader, policy=policy, page=pending: sent_forms(reader, page[1:], policy))
            assert together == store.view(lambda reader, policy=policy: forms(reader, policy))
            assert later == together[1:]
        await manager.stop()
