"""A device tells the server what it asks for when the server holds something else, and goes on."""

from __future__ import annotations

import json

import pytest

from device_types import DeviceMaker
from solidb_sync import LocalStore, SyncConfig, SyncManager
from solidb_sync.client.transport.transport import TransportAnswer
from solidb_sync.protocol.endpoints import CLIENTS, DELTA, path_for

pytestmark = pytest.mark.anyio


async def ask_for(manager: SyncManager, strategy: str | None) -> None:
    value = None if strategy is None else json.dumps(strategy)
    await manager._store.commit(lambda engine: engine.put_setting("strategy:notes", value))


async def test_a_device_registers_when_its_settings_change_and_only_then(device: DeviceMaker) -> None:
    phone = device("phone")
    await phone.save_document("notes", "a", {"n": 1})
    await phone.sync_now()
    assert (await phone.status()).requests == 1
    await ask_for(phone, "manual")
    await phone.save_document("notes", "b", {"n": 1})
    result = await phone.sync_now()
    assert (result.success, result.pushed) == (True, 1)
    assert (await phone.status()).requests == 1 + 3
    await phone.sync_now()
    assert (await phone.status()).requests == 5
    await ask_for(phone, None)
    assert (await phone.sync_now()).success
    assert (await phone.status()).requests == 5 + 3


async def test_a_resync_registers_with_the_settings(device: DeviceMaker) -> None:
    phone = device("phone")
    await ask_for(phone, "manual")
    assert (await phone.full_resync()).success
    assert (await phone.status()).requests == 3  # it registers, pulls, and asks for its open conflicts


class ForgetfulServer:
    """A server that takes settings and never has them."""

    database = "db"

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def exchange(self, method: str, path: str, *, body: bytes = b"", **rest: object) -> TransportAnswer:
        self.paths.append(path)
        if path == DELTA:
            answer = {"server_version": {}, "epoch": "e", "register": True}
        else:
            answer = {
                "client_id": "phone", "incarnation": 0, "known": {}, "epoch": "e", "server_time": "", "server_version": {}
            }  # fmt: skip
        return TransportAnswer(200, {}, json.dumps(answer).encode())

    async def close(self) -> None:
        pass


async def test_a_server_that_never_takes_the_settings_ends_the_round_with_an_error() -> None:
    server = ForgetfulServer()
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        phone = SyncManager(store, server, SyncConfig(auto_sync=False))  # type: ignore[arg-type]
        await phone.save_document("notes", "a", {"n": 1})
        result = await phone.sync_now()
        assert "settings" in result.errors[0]
        assert (await phone.status()).pending == 1
    assert server.paths.count(path_for(CLIENTS, "db")) == 3
    assert server.paths.count(DELTA) == 4
