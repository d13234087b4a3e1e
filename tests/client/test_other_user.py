"""A client id belongs to the principal that used it first; another user on the same device begins anew (5.16).

Real server processes and keys; a device is a store, a user a key.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from server_process import ServerProcess
from solidb_sync import (
    ConflictStatus,
    ConflictStrategy,
    HttpClient,
    LocalStore,
    SyncConfig,
    SyncError,
    SyncEvent,
    SyncManager,
    VersionVector,
)
from solidb_sync.storage.other_users import readdress_all
from solidb_sync.storage.records import ChangeState

pytestmark = pytest.mark.anyio
KeyMaker = Callable[..., Awaitable[str]]
SOON = 20


@pytest.fixture
async def key_for(server: ServerProcess, database: str, anyio_backend: str) -> AsyncIterator[KeyMaker]:
    """Makes keys by name."""
    admin = server.client(database)

    async def make(name: str, *, read_only: bool = False) -> str:
        body = json.dumps({"name": name, "database": database, "read_only": read_only}).encode()
        answer = await admin.exchange("POST", "/_api/auth/api-keys", body=body)
        assert answer.status == 200
        key = json.loads(answer.body)["key"]
        assert isinstance(key, str)
        return key

    yield make
    await admin.close()


@pytest.fixture
async def phone(anyio_backend: str) -> AsyncIterator[LocalStore]:
    """The store of one device."""
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        yield store


class Devices:
    """Managers over stores, with the key of whoever uses them; ended with the test."""

    def __init__(self, server: ServerProcess, database: str) -> None:
        self._server, self._database = server, database
        self._made: list[SyncManager] = []

    def manager(self, store: LocalStore, key: str, **settings: object) -> SyncManager:
        """Return a manager for one user."""
        client = HttpClient(self._server.address, database=self._database, api_key=key)
        config = SyncConfig(**{"auto_sync": False, **settings})  # type: ignore[arg-type]
        self._made.append(SyncManager(store, client, config))
        return self._made[-1]

    async def end(self) -> None:
        """Stop them all."""
        for manager in self._made:
            await manager.stop()


@pytest.fixture
async def devices(server: ServerProcess, database: str, anyio_backend: str) -> AsyncIterator[Devices]:
    """Makes managers."""
    made = Devices(server, database)
    yield made
    await made.end()


async def test_a_client_id_of_another_user_is_refused_and_nothing_is_taken(
    server: ServerProcess, database: str, key_for: KeyMaker, devices: Devices, phone: LocalStore
) -> None:
    """5.16: pushes, pulls, registrations, offers, streams and forgetting; the owner goes on undisturbed."""
    ann, bob = await key_for("ann"), await key_for("bob")
    owner = devices.manager(phone, ann)
    await owner.save_document("notes", "a", {"text": "ann's"})
    assert (await owner.sync_now()).success
    stranger = HttpClient(server.address, database=database, api_key=bob)
    change = {"collection": "notes", "key": "b", "operation": "insert", "document": {}, "id": "x", "counter": 9}
    bodies = {
        "/_api/sync/delta": {"database": database, "client_id": "phone", "protocol": 1, "changes": [change]},
        f"/_api/sync/pull/{database}": {"client_id": "phone"},
        f"/_api/sync/push/{database}": {"client_id": "phone", "changes": [change]},
        f"/_api/sync/clients/{database}": {"client_id": "phone", "protocol": 1, "reset": True},
    }
    for path, body in bodies.items():
        answer = await stranger.exchange("POST", path, body=json.dumps(body).encode())
        assert (answer.status, json.loads(answer.body)["type"]) == (403, "ClientOfAnother"), path
    for method, path in (
        ("PUT", f"/_api/sync/attachments/{database}/{'0' * 64}"),
        ("GET", f"/_api/sync/status/{database}"),
        ("DELETE", f"/_api/sync/clients/{database}/phone"),
        ("GET", f"/_api/sync/stream/{database}"),
    ):
        answer = await stranger.exchange(method, path, query={"client_id": "phone", "length": "1"})
        assert (answer.status, json.loads(answer.body)["type"]) == (403, "ClientOfAnother"), path
    await stranger.close()
    await owner.save_document("notes", "a", {"text": "again"})
    assert (await owner.sync_now()).pushed == 1
    assert phone.client_id == "phone"
    assert await owner.get_document("notes", "b") is None


async def shown_at(devices: Devices, key: str) -> dict[str, Any]:
    """Return what the server has, as a device that has just begun sees it."""
    with LocalStore.open(":memory:", "laptop", engine="memory") as store:
        laptop = devices.manager(store, key)
        assert (await laptop.sync_now()).success
        found = dict(await laptop.query_documents("notes"))
        await laptop.stop()
        return {key: {name: value for name, value in found[key].items() if name[0] != "_"} for key in found}


async def shown(manager: SyncManager, key: str) -> dict[str, Any] | None:
    """Return a document without what reads add."""
    found = await manager.get_document("notes", key)
    return found and {name: value for name, value in found.items() if name[0] != "_"}


async def with_unsent_edits(manager: SyncManager) -> None:
    """Send a document, then edit it three ways without sending."""
    await manager.save_document("notes", "sent", {"text": "1"})
    await manager.crdt_increment("notes", "sent", "visits", 4)
    assert (await manager.sync_now()).success
    await manager.save_document("notes", "sent", {"text": "2"})
    await manager.crdt_increment("notes", "sent", "visits", 3)
    await manager.save_document("notes", "new", {"text": "unsent"})


async def test_another_user_sees_what_the_server_has_and_sends_nothing_of_the_user_before(
    key_for: KeyMaker, devices: Devices, phone: LocalStore
) -> None:
    """5.16: another client id; what was not sent is neither shown, nor sent in another's name, and the event says so."""
    ann, bob = await key_for("ann"), await key_for("bob")
    await with_unsent_edits(devices.manager(phone, ann))

    second, told = devices.manager(phone, bob), list[SyncEvent]()
    second.on_event(told.append)
    result = await second.sync_now()
    assert (result.success, result.pushed) == (True, 0)
    assert phone.client_id.startswith("phone.")
    resyncs = [event for event in told if event.kind.value == "resync"]
    assert [event.reason for event in resyncs] == ["other_user"]
    assert "3 unsent edits of the user before are kept" in resyncs[0].message
    assert await shown(second, "sent") == {"text": "1", "visits": 4}
    assert await shown(second, "new") is None
    assert [(await second.status()).pending, (await second.status()).of_other_users] == [0, 3]
    assert await shown_at(devices, bob) == {"sent": {"text": "1", "visits": 4}}
    assert (await second.sync_now()).success
    assert len([event for event in told if event.kind.value == "resync"]) == 1  # the new name is kept


@pytest.mark.parametrize("engine", ["memory", "sqlite", "rocksdb"])
async def test_what_the_first_user_had_not_sent_goes_out_when_that_user_signs_in_again(
    key_for: KeyMaker, devices: Devices, engine: str, tmp_path: Path
) -> None:
    """5.16: under the client id it was made under, in its order, and each increment once; also over restarts."""
    ann, bob = await key_for("ann"), await key_for("bob")
    path = ":memory:" if engine == "memory" else tmp_path / "store"
    kept = LocalStore.open(path, "phone", engine=engine)

    def reopened(store: LocalStore) -> LocalStore:
        if engine == "memory":
            return store
        store.close()
        return LocalStore.open(path, "phone", engine=engine)

    await with_unsent_edits(devices.manager(kept, ann))
    kept = reopened(kept)
    second = devices.manager(kept, bob)
    assert (await second.sync_now()).success
    alias = kept.client_id
    await second.save_document("notes", "sent", {"mood": "bob's"})
    await second.crdt_increment("notes", "sent", "visits", 10)
    assert (await second.sync_now()).pushed == 2
    kept = reopened(kept)
    assert kept.client_id == alias != "phone"
    first = devices.manager(kept, ann)
    await first.save_document("notes", "new", {"more": "made offline since"})
    result = await first.sync_now()
    assert (result.success, result.pushed, list(result.conflicts)) == (True, 4, [])
    assert kept.client_id == "phone"
    assert (await first.status()).of_other_users == 0
    expected = {
        "sent": {"text": "2", "visits": 17, "mood": "bob's"},
        "new": {"text": "unsent", "more": "made offline since"},
    }
    assert await shown_at(devices, bob) == expected
    assert {key: await shown(first, key) for key in expected} == expected
    again = devices.manager(kept, bob)
    assert (await again.sync_now()).success
    assert kept.client_id == alias
    kept.close()


async def test_an_edit_whose_answer_was_lost_has_its_effect_once_when_its_user_returns(
    server: ServerProcess, database: str, key_for: KeyMaker, devices: Devices, phone: LocalStore
) -> None:
    """Invariant 3: it was applied before the other user came, which nobody here knew."""
    ann, bob = await key_for("ann"), await key_for("bob")
    first = devices.manager(phone, ann)
    await first.crdt_increment("notes", "a", "visits", 1)
    assert (await first.sync_now()).success
    await first.crdt_increment("notes", "a", "visits", 5)
    (change,) = phone.view(lambda reader: reader.changes(state=ChangeState.PENDING))
    lost = f'{{"database":"{database}","client_id":"phone","protocol":1,"last_counter":2,"changes":[{change.wire}]}}'
    way = HttpClient(server.address, database=database, api_key=ann)
    answer = await way.exchange("POST", "/_api/sync/delta", body=lost.encode())
    assert [result["status"] for result in json.loads(answer.body)["results"]] == ["applied"]
    await way.close()
    assert (await devices.manager(phone, bob).sync_now()).success
    result = await first.sync_now()
    assert (result.success, result.pushed) == (True, 0)
    assert await shown(first, "a") == {"visits": 6}
    assert await shown_at(devices, ann) == {"a": {"visits": 6}}
    assert await first.pending_changes() == []


async def test_what_somebody_edits_before_the_server_has_seen_them_is_theirs(
    key_for: KeyMaker, devices: Devices, phone: LocalStore
) -> None:
    """5.16: also on top of an unsent edit of the user before, of which nothing goes along."""
    ann, bob = await key_for("ann"), await key_for("bob")
    first = devices.manager(phone, ann)
    await with_unsent_edits(first)
    second = devices.manager(phone, bob)
    await second.save_document("notes", "sent", {"mood": "bob's"})
    await second.save_document("notes", "own", {"text": "bob's"})
    await phone.commit(readdress_all)  # as a change of scope does
    result = await second.sync_now()
    assert (result.success, result.pushed, list(result.conflicts)) == (True, 2, [])
    expected = {"sent": {"text": "1", "visits": 4, "mood": "bob's"}, "own": {"text": "bob's"}}
    assert await shown_at(devices, bob) == expected
    assert {key: await shown(second, key) for key in expected} == expected
    version = (await second.get_document("notes", "sent", meta=True) or {})["_version"]
    assert {actor.partition("~")[0]: count for actor, count in version.items()} == {"phone": 2, phone.client_id: 1}
    assert (await first.sync_now()).pushed == 3
    assert await shown(first, "sent") == {"text": "2", "visits": 7, "mood": "bob's"}


async def test_refused_edits_are_put_away_with_their_reason(key_for: KeyMaker, devices: Devices, phone: LocalStore) -> None:
    """The quarantine of one user is not another's to see, to retry or to discard."""
    ann, bob = await key_for("ann"), await key_for("bob")
    first = devices.manager(phone, ann)
    await first.save_document("notes", "large", {f"field_{number}": "x" * 10_000 for number in range(60)})
    assert (await first.sync_now()).success
    with LocalStore.open(":memory:", "laptop", engine="memory") as store:
        laptop = devices.manager(store, ann)
        assert (await laptop.sync_now()).success
        await laptop.save_document("notes", "large", {f"other_{number}": "y" * 10_000 for number in range(40)})
        assert (await laptop.sync_now()).success
        await laptop.stop()
    await first.save_document("notes", "large", {f"more_{number}": "z" * 10_000 for number in range(40)})
    assert not (await first.sync_now()).success
    (refused,) = await first.rejected_changes()
    second = devices.manager(phone, bob)
    assert (await second.sync_now()).success
    assert await second.rejected_changes() == []
    found = await second.get_document("notes", "large", meta=True) or {}
    assert ("more_1" in found, "other_1" in found, found["_sync"]) == (False, True, {"state": "synced"})
    assert (await first.sync_now()).success
    (back,) = await first.rejected_changes()
    assert (back.change_id, back.reason) == (refused.change_id, refused.reason)
    assert "more_1" in (await first.get_document("notes", "large") or {})
    assert await first.discard_rejected(back.id)
    assert "more_1" not in (await first.get_document("notes", "large") or {})


async def test_open_conflicts_of_one_user_are_not_anothers_and_are_still_open_when_that_user_returns(
    key_for: KeyMaker, devices: Devices, phone: LocalStore
) -> None:
    """G9: the fetch of open conflicts under the other client id says nothing of them."""
    ann, bob = await key_for("ann"), await key_for("bob")
    first = devices.manager(phone, ann, conflict_strategy=ConflictStrategy.MANUAL)
    await first.save_document("notes", "a", {"text": "1"})
    assert (await first.sync_now()).success
    with LocalStore.open(":memory:", "laptop", engine="memory") as store:
        laptop = devices.manager(store, ann)
        assert (await laptop.sync_now()).success
        await laptop.save_document("notes", "a", {"text": "laptop's"})
        assert (await laptop.sync_now()).success
        await laptop.stop()
    await first.save_document("notes", "a", {"text": "phone's"})
    await first.sync_now()
    (conflict,) = await first.get_conflicts()
    second = devices.manager(phone, bob, conflict_strategy=ConflictStrategy.MANUAL)
    assert (await second.sync_now()).success
    assert (await second.get_conflicts(), await second.conflict_log()) == ([], [])
    assert (await second.status()).conflicts == 0
    with pytest.raises(SyncError, match="there is no conflict"):
        await second.undo_resolution(conflict.id)
    assert (await first.sync_now()).success
    assert [(found.id, found.status) for found in await first.get_conflicts()] == [(conflict.id, ConflictStatus.PENDING)]
    await first.resolve_conflict("notes", "a", {"text": "decided"})
    assert (await first.sync_now()).success
    assert await shown_at(devices, ann) == {"a": {"text": "decided"}}


async def test_attached_bytes_that_were_not_sent_wait_for_their_user_too(
    server: ServerProcess, database: str, key_for: KeyMaker, devices: Devices, phone: LocalStore
) -> None:
    """They are not sent with the new credentials, not even before a round has found out, and not collected."""
    ann, bob = await key_for("ann"), await key_for("bob")
    first = devices.manager(phone, ann)
    await first.save_document("notes", "a", {"text": "1"})
    assert (await first.sync_now()).success
    await first.put_attachment("notes", "a", "photo", b"ann's picture")
    second = devices.manager(phone, bob)
    assert (await second.sync_attachments()).errors != []
    assert (await second.sync_now()).success
    assert (await second.sync_attachments()).sent == 0
    assert await second.collect_attachments() == 0
    assert (await first.sync_now()).success
    moved = await first.sync_attachments()
    assert (moved.sent, moved.errors) == (1, [])
    with LocalStore.open(":memory:", "laptop", engine="memory") as store:
        laptop = devices.manager(store, ann)
        assert (await laptop.sync_now()).success
        async with await laptop.open_attachment("notes", "a", "photo") as reader:
            assert await reader.read() == b"ann's picture"
        await laptop.stop()


async def test_another_key_of_the_same_name_is_the_same_user(key_for: KeyMaker, devices: Devices, phone: LocalStore) -> None:
    """A key that was renewed changes nothing for its devices."""
    for _ in range(2):
        manager = devices.manager(phone, await key_for("ann"))
        assert (await manager.sync_now()).success
    assert phone.client_id == "phone"


async def test_rows_that_the_server_does_not_send_to_the_new_user_are_wiped(
    key_for: KeyMaker, devices: Devices, phone: LocalStore
) -> None:
    """5.16: here a document that only this device holds, as if the new user could not read it."""
    first = devices.manager(phone, await key_for("ann"))
    await first.save_document("notes", "shared", {"text": "1"})
    assert (await first.sync_now()).success
    phone.put_document("notes", "private", {"text": "ann's"}, VersionVector({"server": 1}))
    second = devices.manager(phone, await key_for("bob"))
    assert (await second.sync_now()).success
    assert [key for key, _ in await second.query_documents("notes")] == ["shared"]


async def test_a_listening_device_hears_under_its_new_name(key_for: KeyMaker, devices: Devices, phone: LocalStore) -> None:
    """The doorbell of the user before is hung up: changes go on arriving without being asked for."""
    ann, bob = await key_for("ann"), await key_for("bob")
    assert (await devices.manager(phone, ann).sync_now()).success
    second = devices.manager(phone, bob, auto_sync=True, sync_interval_secs=3600)
    arrived = second.changes(source="remote")
    await second.start()
    async with asyncio.timeout(SOON):
        while not phone.client_id.startswith("phone."):
            await asyncio.sleep(0.005)
        assert (await second.sync_now()).success
        with LocalStore.open(":memory:", "laptop", engine="memory") as store:
            laptop = devices.manager(store, ann)
            await laptop.save_document("notes", "a", {"text": "news"})
            assert (await laptop.sync_now()).success
            assert (await anext(arrived)).key == "a"
            await laptop.stop()
