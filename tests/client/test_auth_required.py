"""Keys that stop working while devices use them, against the real server (B11, N2, 5.16)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from device_types import DeviceMaker
from server_process import ServerProcess
from solidb_sync import HttpClient, LocalStore, SyncConfig, SyncEvent, SyncManager

pytestmark = pytest.mark.anyio
SOON = 20


class Keys:
    """The keys of one database on the real server, and the one that a device's provider gives out."""

    def __init__(self, server: ServerProcess, database: str) -> None:
        self._server = server
        self._database = database
        self._id = ""
        self.given = ""
        self.asked = 0

    async def make(self) -> None:
        """Make a key, and let the provider give it out from now on."""
        made = await self._administer("POST", "", {"name": "phone", "database": self._database})
        self._id, self.given = made["id"], made["key"]

    async def revoke(self) -> None:
        """Let the server forget the key; the provider goes on giving it out."""
        await self._administer("DELETE", f"/{self._id}", None)

    async def provide(self) -> str:
        """Be a token provider."""
        self.asked += 1
        return self.given

    async def _administer(self, method: str, path: str, body: object) -> dict[str, str]:
        admin = self._server.client(self._database)
        sent = None if body is None else json.dumps(body).encode()
        answer = await admin.exchange(method, f"/_api/auth/api-keys{path}", body=sent)
        await admin.close()
        assert answer.status == 200
        told = json.loads(answer.body)
        assert isinstance(told, dict)
        return told


@pytest.fixture
async def keys(server: ServerProcess, database: str, device: DeviceMaker, anyio_backend: str) -> Keys:
    """A key of a database that is there."""
    keys = Keys(server, database)
    assert (await device("first").sync_now()).success
    await keys.make()
    return keys


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what is bound to come; the bound only ends a broken test."""
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_revoked_key_stops_the_sync_loses_nothing_and_a_new_one_mends_it(
    server: ServerProcess, database: str, keys: Keys
) -> None:
    """5.16, N2: asked once a round, no retry spent, the outbox whole, one event; the next round with a new token is fine."""
    client = HttpClient(server.address, database=database, token_provider=keys.provide)
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        phone, told = SyncManager(store, client, SyncConfig(auto_sync=False)), list[SyncEvent]()
        phone.on_event(told.append)
        await phone.save_document("notes", "one", {"text": "1"})
        assert (await phone.sync_now()).success
        await keys.revoke()
        await phone.save_document("notes", "two", {"text": "2"})
        asked = keys.asked
        for _ in range(3):
            result = await phone.sync_now()
            assert (result.success, result.error_details[0].type) == (False, "AuthError")
            assert not result.error_details[0].is_retryable
        status = await phone.status()
        assert (status.state, status.pending, status.consecutive_failures, status.is_online) == ("auth_required", 1, 0, True)
        assert keys.asked - asked == 3
        await keys.make()
        assert (await phone.sync_now()).success
        assert ((await phone.status()).state, await phone.pending_changes()) == ("idle", [])
        assert [event.kind.value for event in told].count("auth_required") == 1
        await phone.stop()


async def test_a_running_device_recovers_by_itself_at_its_interval(server: ServerProcess, database: str, keys: Keys) -> None:
    """5.16: without anybody asking, and what was saved meanwhile is sent."""
    client = HttpClient(server.address, database=database, token_provider=keys.provide)
    await keys.revoke()
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        async with SyncManager(store, client, SyncConfig(sync_interval_secs=0.2)) as phone:
            await until(lambda: phone._rounds.history.state == "auth_required")
            await phone.save_document("notes", "one", {"text": "1"})
            await until(lambda: phone._rounds.history.failed >= 3)
            assert phone._rounds.history.consecutive_failures == 0
            await keys.make()
            await until(lambda: not store.get_pending_changes())


async def test_saves_that_wait_for_credentials_send_nothing(server: ServerProcess, database: str, keys: Keys) -> None:
    """5.16: no storm of requests; a hundred saves before the interval has passed are no rounds, and one by hand mends it."""
    client = HttpClient(server.address, database=database, token_provider=keys.provide)
    await keys.revoke()
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        async with SyncManager(store, client, SyncConfig(sync_interval_secs=3600)) as phone:
            await until(lambda: phone._rounds.history.state == "auth_required")
            for number in range(100):
                await phone.save_document("notes", str(number), {"text": "x"})
            await keys.make()
            assert phone._rounds.history.rounds == 1
            assert (await phone.sync_now()).success
            assert await phone.pending_changes() == []


async def test_the_doorbell_rings_for_a_device_whose_first_token_had_expired(
    server: ServerProcess, database: str, keys: Keys, device: DeviceMaker
) -> None:
    """5.16: the stream is opened with the renewed token, so news comes long before the next round."""
    laptop = device("laptop")
    client = HttpClient(server.address, database=database, token="sk_" + "0" * 64, token_provider=keys.provide)
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        async with SyncManager(store, client, SyncConfig(sync_interval_secs=3600)) as phone:
            await until(lambda: phone._rounds.history.rounds == 1 and not phone.is_syncing())
            await laptop.save_document("notes", "one", {"text": "1"})
            await laptop.sync_now()
            await until(lambda: store.get_document("notes", "one") is not None)
            assert phone._rounds.history.failed == 0


async def test_a_password_for_a_server_without_a_login_is_said_to_be_of_no_use(server: ServerProcess, database: str) -> None:
    """B11: this version of the server knows keys only."""
    client = HttpClient(server.address, database=database, username="ann", password="sesame")
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        phone = SyncManager(store, client, SyncConfig(auto_sync=False))
        result = await phone.sync_now()
        assert (result.success, result.error_details[0].type) == (False, "AuthError")
        assert "the server has no logins (POST /auth/login): use an api_key" in result.errors[0]
        await phone.ping()
        await phone.stop()
