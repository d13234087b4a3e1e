"""Two devices and a server: what one saves, the other gets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from device_types import DeviceMaker
from solidb_sync import ConflictStrategy, LocalStore, SyncConfig, SyncManager, VersionVector

pytestmark = pytest.mark.anyio


async def test_a_save_reaches_the_other_device_with_its_vector(device: DeviceMaker) -> None:
    phone, laptop = device("phone"), device("laptop")
    await phone.save_document("users", "ann", {"name": "Ann"})
    pushed = await phone.sync_now()
    pulled = await laptop.sync_now()
    found = await laptop.get_document("users", "ann", meta=True)
    assert (pushed.success, pushed.pushed, pulled.success, pulled.pulled) == (True, 1, True, 1)
    assert found is not None
    assert (found["name"], found["_version"], found["_sync"]) == ("Ann", {"phone": 1}, {"state": "synced"})


async def test_a_round_with_nothing_to_do_is_one_request(device: DeviceMaker) -> None:
    phone = device("phone")
    await phone.save_document("users", "ann", {"name": "Ann"})
    await phone.sync_now()
    before = (await phone.status()).requests
    await phone.sync_now()
    assert (await phone.status()).requests == before + 1


async def test_a_backlog_drains_in_as_many_requests_as_batches(device: DeviceMaker) -> None:
    phone = device("phone", batch_size=10)
    for number in range(35):
        await phone.save_document("users", f"user-{number}", {"number": number})
    result = await phone.sync_now()
    assert (result.pushed, (await phone.status()).requests) == (35, 4)


async def test_own_changes_are_not_sent_back(device: DeviceMaker) -> None:
    phone = device("phone", batch_size=2)
    for number in range(7):
        await phone.save_document("users", f"user-{number}", {"number": number})
    first, second = await phone.sync_now(), await phone.sync_now()
    assert (first.pulled, second.pulled) == (0, 0)


async def test_concurrent_edits_of_different_fields_are_both_kept_without_a_conflict(device: DeviceMaker) -> None:
    phone, laptop = device("phone"), device("laptop")
    await phone.save_document("users", "ann", {"name": "Ann", "address": {"city": "Oslo", "zip": "1"}})
    await phone.sync_now()
    await laptop.sync_now()
    await phone.save_document("users", "ann", {"address": {"city": "Rome", "zip": "1"}})
    await laptop.save_document("users", "ann", {"address": {"city": "Oslo", "zip": "2"}})
    results = [await phone.sync_now(), await laptop.sync_now(), await phone.sync_now()]
    assert [result.conflict_count for result in results] == [0, 0, 0]
    for manager in (phone, laptop):
        found = await manager.get_document("users", "ann")
        assert found is not None
        assert found["address"] == {"city": "Rome", "zip": "2"}


async def test_overlapping_edits_are_decided_for_the_later_arrival_and_logged_with_all_sides(device: DeviceMaker) -> None:
    phone, laptop = device("phone"), device("laptop")
    await phone.save_document("users", "ann", {"name": "Ann"})
    await phone.sync_now()
    await laptop.sync_now()
    await phone.save_document("users", "ann", {"name": "Anna"})
    await laptop.save_document("users", "ann", {"name": "Annie"})
    await phone.sync_now()
    result = await laptop.sync_now()
    await phone.sync_now()
    (conflict,) = result.conflicts
    assert conflict.base_version is not None
    assert (conflict.local_version["name"], conflict.remote_version["name"], conflict.base_version["name"]) == (
        "Annie", "Anna", "Ann",
    )  # fmt: skip
    assert (conflict.strategy, conflict.winner, conflict.fields) == (ConflictStrategy.LAST_WRITE_WINS, "local", ("name",))
    assert [logged.id for logged in await laptop.conflict_log()] == [conflict.id]
    names = [(await manager.get_document("users", "ann") or {})["name"] for manager in (phone, laptop)]
    assert names == ["Annie", "Annie"]


async def test_a_delete_and_a_concurrent_edit_end_alike_on_both_devices(device: DeviceMaker) -> None:
    phone, laptop = device("phone"), device("laptop")
    await phone.save_document("users", "ann", {"name": "Ann", "age": 30})
    await phone.sync_now()
    await laptop.sync_now()
    await phone.delete_document("users", "ann")
    await laptop.save_document("users", "ann", {"age": 31})
    await phone.sync_now()
    result = await laptop.sync_now()
    await phone.sync_now()
    assert result.success, result.errors
    documents = [await manager.get_document("users", "ann") for manager in (phone, laptop)]
    assert documents[0] == documents[1] == {"name": "Ann", "age": 31, "_key": "ann", "_id": "users/ann"}
    assert result.conflict_count == 1


async def test_a_document_rewritten_while_pages_are_read_arrives_with_every_field(device: DeviceMaker) -> None:
    writer, reader = device("writer"), device("reader", batch_size=1)
    for key in ("a", "b", "c"):
        await writer.save_document("notes", key, {"start": key, "filler": "x" * 200})
    await writer.sync_now()
    await reader.sync_now()
    await writer.save_document("notes", "a", {"first": 1})
    await writer.save_document("notes", "b", {"first": 1})
    await writer.sync_now()
    rewriting = _RewriteBetweenPages(reader, writer)
    await rewriting.sync()
    assert rewriting.rewrites == 1
    for key in ("a", "b"):
        assert await reader.get_document("notes", key) == await writer.get_document("notes", key)


class _RewriteBetweenPages:
    """Lets a reader's round run, with one edit pushed by a writer after the reader's first page."""

    def __init__(self, reader: SyncManager, writer: SyncManager) -> None:
        self.reader, self.writer, self.rewrites = reader, writer, 0

    async def sync(self) -> None:
        exchange = self.reader._transport.exchange

        async def and_rewrite(*given: object, **named: object) -> object:
            answer = await exchange(*given, **named)  # type: ignore[arg-type]
            if self.rewrites == 0:
                self.rewrites = 1
                await self.writer.save_document("notes", "b", {"second": 2})
                await self.writer.sync_now()
            return answer

        self.reader._transport.exchange = and_rewrite  # type: ignore[method-assign]
        assert (await self.reader.sync_now()).success


async def test_a_transaction_arrives_whole_and_a_failed_block_records_nothing(device: DeviceMaker) -> None:
    phone, laptop = device("phone", batch_size=1), device("laptop")
    async with phone.transaction() as transaction:
        await transaction.save_document("users", "ann", {"name": "Ann"})
        await transaction.save_document("orders", "one", {"user": "ann"})
        assert await transaction.get_document("users", "ann") == {"name": "Ann", "_key": "ann", "_id": "users/ann"}
        assert await phone.get_document("users", "ann") is None
    with pytest.raises(RuntimeError, match="changed my mind"):
        await _delete_and_change_ones_mind(phone)
    result = await phone.sync_now()
    await laptop.sync_now()
    assert (result.pushed, (await phone.status()).requests) == (2, 1)
    assert [key for key, _ in await laptop.query_documents("orders")] == ["one"]
    assert await laptop.get_document("users", "ann") is not None


async def _delete_and_change_ones_mind(phone: SyncManager) -> None:
    async with phone.transaction() as transaction:
        await transaction.delete_document("users", "ann")
        raise RuntimeError("changed my mind")


async def test_concurrent_callers_share_one_round(device: DeviceMaker) -> None:
    phone = device("phone")
    await phone.save_document("users", "ann", {"name": "Ann"})
    first, second = await asyncio.gather(phone.sync_now(), phone.sync_now())
    assert (first, (await phone.status()).rounds) == (second, 1)


async def test_taken_offline_nothing_is_sent_and_nothing_is_lost(device: DeviceMaker) -> None:
    phone = device("phone")
    await phone.set_online(False)
    await phone.save_document("users", "ann", {"name": "Ann"})
    offline = await phone.sync_now()
    assert (offline.success, len(offline.errors), (await phone.status()).requests) == (False, 1, 0)
    await phone.set_online(True)
    assert (await phone.sync_now()).pushed == 1


async def test_collections_that_are_not_configured_stay_here_and_queued(device: DeviceMaker) -> None:
    phone, laptop = device("phone", collections=["users"]), device("laptop")
    await phone.save_document("users", "ann", {"name": "Ann"})
    await phone.save_document("drafts", "one", {"text": "mine"})
    await phone.save_document("users", "bo", {"name": "Bo"})
    result = await phone.sync_now()
    await laptop.save_document("secrets", "x", {"text": "not for the phone"})
    await laptop.sync_now()
    await phone.sync_now()
    assert result.pushed == 2
    assert await laptop.query_documents("drafts") == await phone.query_documents("secrets") == []
    assert [change.collection for change in await phone.pending_changes()] == ["drafts"]


async def test_a_collection_subscribed_later_catches_up_both_ways(device: DeviceMaker) -> None:
    phone, laptop = device("phone", collections=["users"]), device("laptop")
    await laptop.save_document("notes", "old", {"text": "from the laptop"})
    await laptop.sync_now()
    await phone.save_document("notes", "mine", {"text": "from the phone"})
    await phone.save_document("users", "ann", {"name": "Ann"})
    await phone.sync_now()
    assert await phone.get_document("notes", "old") is None
    await phone.subscribe("notes")
    result = await phone.sync_now()
    await laptop.sync_now()
    assert (result.success, result.pushed) == (True, 1), result.errors
    for manager in (phone, laptop):
        assert [key for key, _ in await manager.query_documents("notes")] == ["mine", "old"]


async def test_an_unsubscribed_collection_stays_and_catches_up_when_it_is_taken_back(device: DeviceMaker) -> None:
    phone, laptop = device("phone"), device("laptop")
    await laptop.save_document("notes", "one", {"text": "1"})
    await laptop.sync_now()
    await phone.sync_now()
    await phone.unsubscribe("notes")
    await laptop.save_document("notes", "two", {"text": "2"})
    await laptop.sync_now()
    await phone.save_document("notes", "three", {"text": "3"})
    await phone.sync_now()
    assert [key for key, _ in await phone.query_documents("notes")] == ["one", "three"]
    await phone.subscribe("notes")
    assert (await phone.sync_now()).success
    await laptop.sync_now()
    assert await phone.query_documents("notes") == await laptop.query_documents("notes")
    assert len(await phone.query_documents("notes")) == 3


async def test_a_purge_drops_documents_without_unsent_changes_only(device: DeviceMaker) -> None:
    phone = device("phone")
    await phone.save_document("notes", "sent", {"text": "1"})
    await phone.sync_now()
    await phone.save_document("notes", "unsent", {"text": "2"})
    await phone.unsubscribe("notes", purge=True)
    assert [key for key, _ in await phone.query_documents("notes")] == ["unsent"]


async def test_after_a_purge_a_new_document_under_an_old_key_ends_alike_everywhere(device: DeviceMaker) -> None:
    phone, laptop = device("phone"), device("laptop")
    await phone.save_document("notes", "one", {"old": 1, "both": "old"})
    await phone.sync_now()
    await phone.unsubscribe("notes", purge=True)
    await phone.subscribe("notes")
    await phone.save_document("notes", "one", {"new": 1, "both": "new"})
    await phone.save_document("notes", "one", {"newer": 2})
    for manager in (phone, laptop, phone):
        assert (await manager.sync_now()).success
    documents = [await manager.get_document("notes", "one", meta=True) for manager in (phone, laptop)]
    assert documents[0] is not None
    assert documents[1] is not None
    assert {name: documents[0][name] for name in ("old", "new", "newer", "both")} == {
        "old": 1, "new": 1, "newer": 2, "both": "new",
    }  # fmt: skip
    assert documents[0]["_version"] == documents[1]["_version"]
    assert {**documents[0], "_timestamp": ""} == {**documents[1], "_timestamp": ""}


async def test_a_server_that_only_ever_sends_deltas_ends_the_round_with_an_error(device: DeviceMaker) -> None:
    phone, laptop = device("phone"), device("laptop", batch_size=1)
    for key in ("one", "two"):
        await phone.save_document("notes", key, {"first": 1, "filler": "x" * 200})
    await phone.sync_now()
    await laptop.sync_now()
    for key in ("one", "two"):
        await phone.save_document("notes", key, {"second": 2})
    await phone.sync_now()
    laptop._store.transact(lambda engine: [engine.drop_row("notes", key) for key in ("one", "two")])
    exchange = laptop._transport.exchange

    async def without_asking_for_whole_documents(*given: Any, body: bytes, **named: Any) -> Any:
        return await exchange(*given, body=body.replace(b',"full":true', b""), **named)

    laptop._transport.exchange = without_asking_for_whole_documents  # type: ignore[method-assign]
    result = await laptop.sync_now()
    assert (result.success, result.error_details[0].type) == (False, "ProtocolError")
    laptop._transport.exchange = exchange  # type: ignore[method-assign]
    assert (await laptop.sync_now()).success
    assert await laptop.query_documents("notes") == await phone.query_documents("notes")


async def test_a_change_the_server_refuses_is_set_aside_with_its_reason_and_blocks_nothing(device: DeviceMaker) -> None:
    phone = device("phone")
    large = {f"field_{number}": "x" * 10_000 for number in range(60)}
    await phone.save_document("notes", "large", large)
    await phone.sync_now()
    other = device("other")
    await other.sync_now()
    await other.save_document("notes", "large", {f"other_{number}": "y" * 10_000 for number in range(40)})
    await phone.save_document("notes", "large", {f"more_{number}": "z" * 10_000 for number in range(40)})
    await phone.save_document("notes", "small", {"text": "fine"})
    await other.sync_now()
    result = await phone.sync_now()
    (rejected,) = await phone.rejected_changes()
    assert (result.success, result.pushed, rejected.key) == (False, 1, "large")
    assert "DocumentTooLarge" in rejected.reason
    assert (await phone.get_document("notes", "large", meta=True) or {})["_sync"] == {"state": "rejected"}
    assert (await phone.sync_now()).success


async def test_a_restored_store_goes_on_under_a_new_name_and_loses_no_save(device: DeviceMaker, tmp_path: Path) -> None:
    phone = device("phone", engine="sqlite", path=tmp_path / "phone.db")
    await phone.save_document("notes", "one", {"text": "1"})
    phone._store.backup(tmp_path / "backup.db")
    await phone.save_document("notes", "two", {"text": "2"})
    assert (await phone.sync_now()).pushed == 2
    restored = device("phone", engine="sqlite", path=tmp_path / "backup.db")
    await restored.save_document("notes", "three", {"text": "3"})
    result = await restored.sync_now()
    laptop = device("laptop")
    await laptop.sync_now()
    assert result.success, result.errors
    assert [key for key, _ in await laptop.query_documents("notes")] == ["one", "three", "two"]
    assert await restored.query_documents("notes") == await laptop.query_documents("notes")
    assert (await restored.get_document("notes", "three", meta=True) or {})["_version"] == {"phone~1": 1}


async def test_two_clones_of_one_store_both_keep_all_their_saves(device: DeviceMaker, tmp_path: Path) -> None:
    phone = device("phone", engine="sqlite", path=tmp_path / "phone.db")
    await phone.save_document("notes", "start", {"text": "0"})
    await phone.sync_now()
    phone._store.backup(tmp_path / "clone.db")
    clone = device("phone", engine="sqlite", path=tmp_path / "clone.db")
    for number in range(3):
        await phone.save_document("notes", f"phone-{number}", {"number": number})
        await clone.save_document("notes", f"clone-{number}", {"number": number})
        for manager in (phone, clone):
            assert (await manager.sync_now()).success
    for manager in (phone, clone, phone):
        assert (await manager.sync_now()).success
    assert await phone.query_documents("notes") == await clone.query_documents("notes")
    assert len(await phone.query_documents("notes")) == 7


async def test_a_full_resync_brings_back_what_was_lost_here_and_keeps_unsent_edits(device: DeviceMaker) -> None:
    phone, laptop = device("phone"), device("laptop")
    for key in ("one", "two", "three"):
        await laptop.save_document("notes", key, {"text": key})
    await laptop.sync_now()
    await phone.sync_now()
    phone._store.put_document("notes", "one", {"text": "damaged"}, VersionVector({}))
    phone._store.put_document("notes", "ghost", {"text": "never synced"}, VersionVector({}))
    await phone.save_document("notes", "two", {"edited": True})
    result = await phone.full_resync()
    await laptop.sync_now()
    assert result.success, result.errors
    assert await phone.query_documents("notes") == await laptop.query_documents("notes")
    assert (await laptop.get_document("notes", "two") or {})["edited"] is True


async def test_a_full_resync_that_discards_takes_the_servers_state(device: DeviceMaker) -> None:
    phone = device("phone")
    await phone.save_document("notes", "one", {"text": "sent"})
    await phone.sync_now()
    await phone.save_document("notes", "one", {"text": "unsent"})
    result = await phone.full_resync(discard_local=True)
    assert result.success, result.errors
    assert ((await phone.get_document("notes", "one") or {})["text"], await phone.pending_changes()) == ("sent", [])


async def test_another_database_under_the_same_name_gets_what_is_here(
    device: DeviceMaker, server: object, new_database: object
) -> None:
    phone = device("phone")
    await phone.save_document("notes", "one", {"text": "1"})
    await phone.sync_now()
    phone._server.database = new_database()  # type: ignore[operator]
    await phone.save_document("notes", "two", {"text": "2"})
    result = await phone.sync_now()
    assert (result.success, len(await phone.query_documents("notes")), (await phone.status()).pending) == (True, 2, 0)
    resynced = await phone.full_resync()
    assert (resynced.success, len(await phone.query_documents("notes"))) == (True, 2)


async def test_a_wrong_key_is_an_auth_error_and_keeps_the_outbox(server: object, database: str) -> None:
    from server_process import ServerProcess
    from solidb_sync import HttpClient

    assert isinstance(server, ServerProcess)
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        manager = SyncManager(store, HttpClient(server.address, database=database, api_key="sk_wrong"), SyncConfig())
        await manager.save_document("notes", "one", {"text": "1"})
        result = await manager.sync_now()
        assert (result.error_details[0].type, (await manager.status()).state) == ("AuthError", "auth_required")
        assert len(await manager.pending_changes()) == 1
        await manager.stop()


async def test_the_first_query_of_the_quick_start_runs(device: DeviceMaker) -> None:
    phone = device("phone", collections=["users", "orders"])
    await phone.save_document("users", "user-1", {"name": "Alice", "status": "active"})
    found = await phone.query("FOR u IN users FILTER u.name == @name RETURN u", {"name": "Alice"})
    assert found == [{"name": "Alice", "status": "active", "_key": "user-1", "_id": "users/user-1"}]
    assert await phone.query("FOR o IN orders RETURN o") == []
