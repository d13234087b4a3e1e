"""A started manager: events, commands, the doorbell, stopping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from device_types import DeviceMaker
from server_process import ServerProcess
from solidb_sync import (
    ChangeEvent,
    ConnectionError,
    FilterError,
    HttpClient,
    InvalidDocumentError,
    LocalStore,
    StorageFullError,
    SyncCommand,
    SyncConfig,
    SyncManager,
    SyncStoppedError,
)

pytestmark = pytest.mark.anyio
SOON = 20


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what is bound to come; the bound only ends a broken test."""
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_save_on_one_device_rings_the_other_and_is_told_once(device: DeviceMaker) -> None:
    phone, laptop = device("phone", auto_sync=True), device("laptop", auto_sync=True)
    await phone.start()
    await laptop.start()
    events = laptop.changes("notes", source="remote")
    async with asyncio.timeout(SOON):
        await phone.save_document("notes", "one", {"text": "1"})
        first = await anext(events)
        await phone.save_document("notes", "one", {"text": "2"})
        second = await anext(events)
        await phone.delete_document("notes", "one")
        third = await anext(events)
    assert [event.type for event in (first, second, third)] == ["insert", "update", "delete"]
    assert first.document == {"_key": "one", "_id": "notes/one", "text": "1"}
    assert (second.old_document or {})["text"] == "1"
    assert (third.document, third.source) == (None, "remote")


async def test_local_changes_are_told_after_their_commit_in_order(device: DeviceMaker) -> None:
    phone = device("phone")
    seen: list[tuple[str, str, bool]] = []

    def note(event: ChangeEvent) -> None:
        seen.append((event.type, event.key, phone._store.get_document("notes", event.key) is not None))

    stop_listening = phone.on_change(note)
    await phone.save_document("notes", "one", {"text": "1"})
    await phone.save_document("notes", "one", {"text": "1"})  # changes nothing
    await phone.delete_document("notes", "one")
    await phone.delete_document("notes", "one")  # is not there
    stop_listening()
    await phone.save_document("notes", "two", {})
    assert seen == [("insert", "one", True), ("delete", "one", False)]


async def test_a_listener_that_raises_disturbs_nobody(device: DeviceMaker, caplog: pytest.LogCaptureFixture) -> None:
    phone = device("phone")
    seen = []

    def broken(event: ChangeEvent) -> None:
        raise RuntimeError("broken listener")

    phone.on_change(broken)
    phone.on_change(seen.append)
    await phone.save_document("notes", "one", {"text": "1"})
    assert len(seen) == 1
    assert "broken listener" in caplog.text


async def test_commands_do_what_they_say(device: DeviceMaker) -> None:
    phone = device("phone", collections=["users"])
    commands = await phone.start()
    assert await phone.start() == commands
    await phone.save_document("users", "ann", {"name": "Ann"})
    await commands.send(SyncCommand.SyncNow())
    await until(lambda: phone._rounds.history.rounds == 1 and not phone.is_syncing())
    assert await phone.pending_changes() == []
    await commands.send(SyncCommand.SetOnline(False))
    await until(lambda: not phone.is_online())
    await commands.send(SyncCommand.SyncNow())
    await commands.send(SyncCommand.Subscribe("notes"))
    await until(lambda: [known.collection for known in phone._store.list_subscriptions()] == ["notes"])
    await commands.send(SyncCommand.Unsubscribe("notes"))
    await until(lambda: phone._store.list_subscriptions() == [])
    assert phone._rounds.history.rounds == 1
    await commands.send(SyncCommand.Stop())
    await until(lambda: phone._commands is None)
    with pytest.raises(SyncStoppedError):
        await commands.send(SyncCommand.SyncNow())


async def test_stopping_is_quick_ends_iterators_and_may_be_repeated(device: DeviceMaker) -> None:
    phone = device("phone", auto_sync=True)
    await phone.start()
    events = phone.changes()
    async with asyncio.timeout(6):
        await phone.stop()
        await phone.stop()
        assert [event async for event in events] == []
    await phone.save_document("notes", "one", {"text": "still works"})
    assert await phone.get_document("notes", "one") is not None


async def test_without_a_server_everything_local_works_and_the_result_says_offline(tmp_path: Path) -> None:
    with LocalStore.open(tmp_path / "phone.db", "phone") as store:
        client = HttpClient("127.0.0.1:9", 500, database="mydb", api_key="sk_x")
        async with SyncManager(store, client, SyncConfig(sync_interval_secs=0.05)) as phone:
            await phone.save_document("users", "ann", {"name": "Ann", "age": 30})
            assert await phone.query("FOR u IN users FILTER u.age > 18 RETURN u.name") == ["Ann"]
            result = await phone.sync_now()
            assert (result.success, result.error_details[0].type, phone.is_online()) == (False, "ConnectionError", False)
            with pytest.raises(ConnectionError):
                await phone.ping()
            assert len(await phone.pending_changes()) == 1


async def test_a_device_recovers_by_itself_when_the_server_comes_back(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "server")
    server.stop()
    with LocalStore.open(tmp_path / "phone.db", "phone") as store:
        async with SyncManager(store, server.client("d", 1000), SyncConfig(sync_interval_secs=0.2)) as phone:
            await phone.save_document("users", "ann", {"name": "Ann"})
            await until(lambda: phone._rounds.history.failed > 0)
            await asyncio.to_thread(server.start)
            try:
                await until(lambda: not store.get_pending_changes())
                assert (await phone.sync_now()).success
            finally:
                await asyncio.to_thread(server.stop)


async def test_bad_input_is_refused_by_name_and_changes_nothing(device: DeviceMaker) -> None:
    phone = device("phone")
    for collection, key, document, said in [
        ("_system", "one", {}, "collection: '_system' begins with '_'"),
        ("users", "a/b", {}, "key: 'a/b' has a character no key may have"),
        ("users", "", {}, "key: a key has 1 to 512 characters"),
        ("users", 5, {}, "key: expected a string, found int"),
        ("users", "one", [1], "document: expected an object (a dict), found an array"),
        ("users", "one", {"at": float("inf")}, "document.at: NaN and infinity"),
        ("users", "one", {"_key": "two"}, "document._key: 'two' is not the key"),
        ("users", "one", {"big": "x" * 1_100_000}, "bytes of JSON, at most 1048576"),
    ]:
        with pytest.raises(InvalidDocumentError) as refused:
            await phone.save_document(collection, key, document)  # type: ignore[arg-type]
        assert said in str(refused.value)
    assert (await phone.pending_changes(), await phone.query_documents("users")) == ([], [])
    with pytest.raises(FilterError, match="Parse error"):
        await phone.subscribe("users", "status ==")


async def test_no_more_changes_wait_than_the_setting_allows(device: DeviceMaker) -> None:
    phone = device("phone", max_pending_changes=2)
    await phone.save_document("notes", "one", {"text": "1"})
    await phone.save_document("notes", "two", {"text": "2"})
    with pytest.raises(StorageFullError, match="2 changes wait"):
        await phone.save_document("notes", "three", {"text": "3"})
    assert await phone.get_document("notes", "three") is None
    await phone.sync_now()
    await phone.save_document("notes", "three", {"text": "3"})


async def test_a_document_read_can_be_saved_back_as_it_is(device: DeviceMaker) -> None:
    phone = device("phone")
    await phone.save_document("notes", "one", {"text": "1", "list": [1, {"a": None}]})
    read = await phone.get_document("notes", "one", meta=True)
    assert read is not None
    await phone.save_document("notes", "one", {**read, "text": "2"}, merge=False)
    assert await phone.get_document("notes", "one") == {
        "_key": "one", "_id": "notes/one", "text": "2", "list": [1, {"a": None}],
    }  # fmt: skip


async def test_the_document_given_may_be_changed_afterwards_without_effect(device: DeviceMaker) -> None:
    phone = device("phone")
    document = {"list": [1]}
    await phone.save_document("notes", "one", document)
    document["list"].append(2)
    assert (await phone.get_document("notes", "one") or {})["list"] == [1]
    assert (await phone.pending_changes())[0].data == {"list": [1]}


async def test_a_manager_opened_by_its_path_keeps_the_device_id_of_the_store(tmp_path: Path) -> None:
    config = SyncConfig(local_storage_path=str(tmp_path / "app" / "store.db"), database="d", auto_sync=False)
    first = SyncManager.open(config, HttpClient("localhost:1"))
    await first.save_document("notes", "one", {"text": "1"})
    given = first._store.device_id
    await first.stop()
    second = SyncManager.open(config, HttpClient("localhost:1"))
    assert (second._store.device_id, len(await second.pending_changes())) == (given, 1)
    await second.stop()
