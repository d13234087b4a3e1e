"""Not run, but checked by `make types`: the methods without `await` have the types of those with it."""

from __future__ import annotations

from typing import Any, assert_type

from solidb_sync import ChangeEvent, IndexDefinition, SyncEvent, SyncMetrics, SyncResult
from solidb_sync.blocking import CommandSender, EventIterator, SyncManager, Transaction


def use(manager: SyncManager) -> None:
    """Call one method of each kind; what must not pass is marked, and an unused mark is an error."""
    assert_type(manager.start(), CommandSender)
    assert_type(manager.get_document("users", "ann", meta=True), dict[str, Any] | None)
    assert_type(manager.query("RETURN 1", {"n": 1}), list[Any])
    assert_type(manager.query_documents("users"), list[tuple[str, dict[str, Any]]])
    assert_type(manager.sync_now(), SyncResult)
    assert_type(manager.sync(), SyncResult)
    assert_type(manager.metrics(), SyncMetrics)
    assert_type(manager.crdt_increment("users", "ann", "logins", amount=2), int)
    assert_type(manager.create_index("users", "city", unique=True), IndexDefinition)
    assert_type(manager.changes("users", timeout=5), EventIterator[ChangeEvent])
    assert_type(manager.events(), EventIterator[SyncEvent])
    assert_type(next(manager.watch("RETURN 1")), list[Any])
    assert_type(manager.within(5), SyncManager)
    with manager as started, started.transaction() as transaction:
        assert_type(transaction, Transaction)
        transaction.save_document("users", "ann", {}, merge=False)
    manager.save_document("users", "ann", 5)  # type: ignore[arg-type]
    manager.save_document("users", "ann", {}, mergee=False)  # type: ignore[call-arg]
    manager.delete_document("users")  # type: ignore[call-arg]
