"""What the architecture promises: local calls that never touch the network, and the steps of a round as they can be seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta

import pytest

import solidb_sync
from device_types import DeviceMaker
from server_process import ServerProcess
from solidb_sync import ConflictStrategy, ConnectionError, HttpClient, LocalStore, SyncConfig, SyncManager, blocking
from solidb_sync.client.transport.transport import TransportAnswer
from solidb_sync.json_value import decode

pytestmark = pytest.mark.anyio
SOON = 20
LONG = "x" * 50_000


class UntouchableWay:
    """A way to a server that notes every touch, and carries nothing."""

    database = "mydb"

    def __init__(self) -> None:
        self.touches: list[str] = []

    async def exchange(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> TransportAnswer:
        self.touches.append(f"{method} {path}")
        raise ConnectionError("a local call has touched the network")

    def listen(self, path: str, query: Mapping[str, str]) -> AsyncIterator[str]:
        self.touches.append(f"listen {path}")
        raise ConnectionError("a local call has touched the network")

    async def close(self) -> None:
        """There is nothing to close."""


class WatchedWay:
    """The way to a real server: what goes over it is kept, and an answer can be held back."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.has_answered = asyncio.Event()
        self.requests: list[bytes] = []
        self.answers: list[bytes] = []

    @property
    def database(self) -> str | None:
        return self._client.database

    async def exchange(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> TransportAnswer:
        answer = await self._client.exchange(method, path, query=query, body=body)
        if path.endswith("/delta"):
            self.requests.append(body or b"")
            self.answers.append(answer.body)
            self.has_answered.set()
            await asyncio.wait_for(self.may_answer.wait(), SOON)
        return answer

    def listen(self, path: str, query: Mapping[str, str]) -> AsyncIterator[str]:
        return self._client.listen(path, query)

    async def close(self) -> None:
        await self._client.close()


async def use_everything_local(manager: SyncManager) -> None:
    """Call each method that reads, writes, queries or sets something on this device."""
    await manager.save_document("notes", "a", {"n": 1, "text": "one"})
    await manager.save_document("notes", "a", {"n": 2})
    await manager.save_document("notes", "b", {"n": 3}, merge=False)
    async with manager.transaction() as together:
        await together.save_document("notes", "c", {"n": 4})
    await manager.delete_document("notes", "b")
    await manager.crdt_increment("counts", "k", "visits", 3)
    await manager.crdt_decrement("counts", "k", "visits")
    await manager.crdt_set("counts", "k", "name", "k")
    await manager.crdt_add_to_set("counts", "k", "seen", 1)
    await manager.crdt_orset_add("counts", "k", "tags", "t")
    await manager.crdt_orset_remove("counts", "k", "tags", "t")
    await manager.crdt_map_put("counts", "k", "map", "x", 1)
    await manager.crdt_map_remove("counts", "k", "map", "x")
    await manager.crdt_bounded_increment("counts", "k", "stock", 2)
    await manager.crdt_bounded_decrement("counts", "k", "stock", 1)
    await manager.create_index("notes", "n")
    await manager.set_conflict_strategy("notes", ConflictStrategy.MERGE_FIELDS)
    await manager.enable_delta_sync("notes", True)
    await manager.set_delta_threshold(0.5)
    assert (await manager.get_document("notes", "a") or {})["n"] == 2
    assert await manager.get_document("notes", "b") is None
    assert [key for key, _ in await manager.query_documents("notes")] == ["a", "c"]
    assert await manager.query("FOR d IN notes FILTER d.n > @n SORT d.n RETURN d.n", {"n": 1}) == [2, 4]
    assert await manager.query("FOR c IN counts RETURN c.visits") == [2]
    assert await manager.get_conflicts() == await manager.conflict_log() == []
    assert {change.collection for change in await manager.pending_changes()} == {"notes", "counts"}
    await manager.debug_vectors("notes", "a")
    await manager.status()
    await manager.metrics()


async def test_no_local_call_touches_the_network() -> None:
    """O2: the way to the server notes every touch; one that is asked for is noted, so the note can be believed."""
    way = UntouchableWay()
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        phone = SyncManager(store, way, SyncConfig(auto_sync=False))
        await use_everything_local(phone)
        assert way.touches == []
        assert not (await phone.sync_now()).success
        assert way.touches != []
        await phone.stop()


async def test_local_calls_are_answered_while_a_round_waits_for_the_server(server: ServerProcess, database: str) -> None:
    """O2: every kind of call, in the middle of a request; what they wrote goes with the next one."""
    way = WatchedWay(server.client(database))
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        phone = SyncManager(store, way, SyncConfig(auto_sync=False))
        await phone.save_document("other", "first", {"n": 1})
        way.may_answer.clear()
        round_ = asyncio.create_task(phone.sync_now())
        await asyncio.wait_for(way.has_answered.wait(), SOON)
        await phone.save_document("notes", "meanwhile", {"n": 0})
        await phone.delete_document("notes", "meanwhile")
        await asyncio.wait_for(phone.query("FOR o IN other RETURN o.n"), SOON)
        waiting = {change.key for change in await phone.pending_changes()}
        assert {"first", "meanwhile"} <= waiting
        assert phone.is_syncing()
        assert not round_.done()
        way.may_answer.set()
        assert (await round_).success
        assert (await phone.sync_now()).success
        assert await phone.pending_changes() == []
        await phone.stop()


async def test_a_change_waits_travels_with_its_vector_and_is_gone_once_it_is_answered(
    server: ServerProcess, database: str
) -> None:
    """O5: collected, sent with its vector, merged, answered with the new vector, marked as synced."""
    way = WatchedWay(server.client(database))
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        phone = SyncManager(store, way, SyncConfig(auto_sync=False))
        await phone.save_document("notes", "a", {"n": 1})
        await phone.sync_now()
        await phone.save_document("notes", "a", {"n": 2})
        (collected,) = await phone.pending_changes()
        way.may_answer.clear()
        way.has_answered.clear()
        round_ = asyncio.create_task(phone.sync_now())
        await asyncio.wait_for(way.has_answered.wait(), SOON)
        request, answer = decode(way.requests[-1]), decode(way.answers[-1])
        (sent,), (result,) = request["changes"], answer["results"]
        assert (sent["id"], sent["base_version"]) == (collected.change_id, {"phone": 1})
        assert (result["change_id"], result["status"]) == (collected.change_id, "applied")
        assert answer["server_version"]["phone"] == 2
        assert [change.change_id for change in await phone.pending_changes()] == [collected.change_id]
        way.may_answer.set()
        assert (await round_).pushed == 1
        assert await phone.pending_changes() == []
        await phone.stop()


async def test_a_pull_sends_what_the_device_has_and_gets_what_is_newer_with_its_vector(
    server: ServerProcess, database: str, device: DeviceMaker
) -> None:
    """O6: the vector goes, the fields since come with the new one; the cursor moves when they are in the store."""
    other, way = device("other"), WatchedWay(server.client(database))
    with LocalStore.open(":memory:", "phone", engine="memory") as store:

        def cursor() -> int:
            return store.view(lambda reader: reader.replica().cursor)

        phone = SyncManager(store, way, SyncConfig(auto_sync=False))
        await other.save_document("notes", "a", {"n": 1, "text": "same"})
        await other.sync_now()
        await phone.sync_now()
        before = cursor()
        await other.save_document("notes", "a", {"n": 2})
        await other.sync_now()
        way.may_answer.clear()
        way.has_answered.clear()
        round_ = asyncio.create_task(phone.sync_now())
        await asyncio.wait_for(way.has_answered.wait(), SOON)
        (change,) = decode(way.answers[-1])["server_changes"]
        assert decode(way.requests[-1])["version_vector"]["server"] == before
        assert (change["delta"], change["version_vector"]) == ({"n": 2}, {"other": 2})
        assert (cursor(), (await phone.get_document("notes", "a") or {})["n"]) == (before, 1)
        way.may_answer.set()
        assert (await round_).pulled == 1
        assert (cursor(), (await phone.get_document("notes", "a") or {})["n"]) == (change["seq"], 2)
        await phone.stop()


@pytest.mark.parametrize("field_bytes", [10, 5_000])
async def test_the_bytes_of_a_round_are_in_proportion_to_the_field(
    server: ServerProcess, database: str, field_bytes: int
) -> None:
    """O7: counted on the wire, whole requests and answers, of a document ten times as long as the longer field."""
    ways = [WatchedWay(server.client(database)) for _ in range(2)]
    stores = [LocalStore.open(":memory:", name, engine="memory") for name in ("phone", "laptop")]
    phone, laptop = [SyncManager(store, way, SyncConfig(auto_sync=False)) for store, way in zip(stores, ways, strict=True)]
    await phone.save_document("notes", "a", {"n": "", "text": LONG})
    for each in (phone, laptop, phone):
        await each.sync_now()
    for way in ways:
        way.requests.clear()
        way.answers.clear()
    await phone.save_document("notes", "a", {"n": "y" * field_bytes})
    await phone.sync_now()
    await laptop.sync_now()
    assert (await laptop.get_document("notes", "a") or {})["n"] == "y" * field_bytes
    sent, received = sum(map(len, ways[0].requests)), sum(map(len, ways[1].answers))
    assert field_bytes < sent < field_bytes + 1_000
    assert field_bytes < received < field_bytes + 1_000
    for manager, store in zip((phone, laptop), stores, strict=True):
        await manager.stop()
        store.close()


def test_the_manager_has_the_name_of_the_prose_as_well() -> None:
    """O14."""
    assert solidb_sync.OfflineSyncManager is SyncManager
    assert blocking.OfflineSyncManager is blocking.SyncManager


async def test_a_document_shows_its_vector_and_its_time_on_the_device_and_on_the_server(
    device: DeviceMaker, database: str
) -> None:
    """O4: a flat map of counters that only grow, one for each author, and a time in UTC; the same at both ends."""
    phone, laptop = device("phone"), device("laptop")
    versions = []
    for number, author in enumerate((phone, laptop, phone, laptop)):
        await author.save_document("notes", "a", {"n": number})
        for each in (author, phone, laptop):
            assert (await each.sync_now()).success
        answer = await author._transport.exchange("GET", f"/_api/database/{database}/document/notes/a")
        on_server = decode(answer.body)
        for each in (phone, laptop):
            shown = await each.get_document("notes", "a", meta=True) or {}
            assert shown["_version"] == on_server["_version"]
            for time in (shown["_timestamp"], on_server["_timestamp"]):
                assert datetime.fromisoformat(time).utcoffset() == timedelta(0)
        versions.append(on_server["_version"])
    assert versions == [{"phone": 1}, {"phone": 1, "laptop": 1}, {"phone": 2, "laptop": 1}, {"phone": 2, "laptop": 2}]
