"""Devices with filters and a server in one process: the real application over real files, over a network with faults."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from solidb_sync import LocalStore, SyncConfig, SyncManager
from solidb_sync.client.transport.transport import TransportAnswer
from solidb_sync.clock import SystemClock
from solidb_sync.errors import ConnectionError
from solidb_sync.server.application import build_app, shut_down
from solidb_sync.server.config import ServerConfig
from solidb_sync.server.databases import Database
from solidb_sync.server.maintenance import maintain
from solidb_sync.server.storage.backend import ReadSession
from solidb_sync.server.storage.sqlite.server_backend import open_sqlite_backend
from solidb_sync.testing.faulty_network import Request, asgi_send

DAY_MS = 86_400_000
ADMIN_KEY = "administrator-" + "k" * 32


class World:
    """A server that can be killed, and devices around it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._devices: list[tuple[SyncManager, LocalStore]] = []
        self._open()

    def _open(self) -> None:
        clock = SystemClock()
        self.backend = open_sqlite_backend(self._path, clock=clock, random_bytes=os.urandom)
        self.app = build_app(ServerConfig(self._path, admin_key=ADMIN_KEY), self.backend, clock)
        self.send = asgi_send(self.app)

    def kill_server(self) -> None:
        """End the server without a word, and start another over the same files."""
        self.backend.close()
        self._open()

    def device(self, name: str, *, engine: str = "memory", path: str = ":memory:", **settings: Any) -> SyncManager:
        store = LocalStore.open(path, name, engine=engine)
        manager = SyncManager(store, Wire(self), SyncConfig(**{"auto_sync": False, **settings}))
        self._devices.append((manager, store))
        return manager

    def store_of(self, device: SyncManager) -> LocalStore:
        """Return the store of a device."""
        return next(store for manager, store in self._devices if manager is device)

    async def noticed(self, client_id: str) -> tuple[bool, int]:
        """Return whether the server has noticed copies of a device, and how many views it keeps of it."""

        def ask(session: ReadSession) -> tuple[bool, int]:
            return session.copies_noticed_ms(client_id) is not None, len(session.views_of(client_id))

        return await self._database().read(ask)

    def _database(self) -> Database:
        database = self.app.state.context.databases.find("db", create=False)
        assert isinstance(database, Database)
        return database

    async def maintain_after(self, *, days: int) -> None:
        """Let the server forget what it may, as if so many days had gone by."""
        now_ms = SystemClock().now_ms() + days * DAY_MS
        await maintain(self._database(), now_ms=lambda: now_ms, retention_ms=30 * DAY_MS)

    async def get(self, path: str) -> Any:
        answer = await Wire(self).exchange("GET", path)
        assert answer.status == 200, answer.body
        return answer.json()

    async def close(self) -> None:
        for manager, store in self._devices:
            await manager.stop()
            store.close()
        await shut_down(self.app)
        self.backend.close()


class Answer(TransportAnswer):
    """An answer with its JSON at hand."""

    def json(self) -> Any:
        import json

        return json.loads(self.body)


class Wire:
    """Carries requests to the server of a world. `faults` are used up one a request: `request` or `answer` is lost."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.faults: list[str] = []
        self.sent: list[Request] = []

    @property
    def database(self) -> str:
        return "db"

    async def exchange(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "request":
            raise ConnectionError("the request was lost")
        request = Request(method, path.partition("?")[0], urlencode(query or {}) or path.partition("?")[2],
                          (("x-api-key", ADMIN_KEY),), body or b"")  # fmt: skip
        self.sent.append(request)
        answer = await self._world.send(request)
        if fault == "answer":
            raise ConnectionError("the answer was lost")
        return Answer(answer.status, dict(answer.headers), answer.body)

    async def send_again(self, number: int) -> None:
        """Let an old request arrive once more."""
        await self._world.send(self.sent[number])

    async def listen(self, path: str, query: Mapping[str, str]) -> AsyncIterator[str]:
        raise ConnectionError("nobody rings here")
        yield ""

    async def close(self) -> None:
        """Give back nothing."""


def wire_of(device: SyncManager) -> Wire:
    """Return the network of a device."""
    wire = device._transport
    assert isinstance(wire, Wire)
    return wire


async def synced(*devices: SyncManager) -> None:
    """Sync devices, each of which must succeed."""
    for device in devices:
        result = await device.sync_now()
        assert result.success, result.errors


async def rows(device: SyncManager, collection: str = "notes") -> dict[str, Any]:
    """Return the documents of a device without what reads add."""
    return {
        key: {name: value for name, value in document.items() if name not in ("_key", "_id")}
        for key, document in await device.query_documents(collection)
    }


@pytest.fixture
def in_world(tmp_path: Path) -> Callable[..., Any]:
    """Runs a test in a world of its own."""
    made = iter(range(1_000_000))

    def run(test: Callable[[World], Any]) -> Any:
        async def inside() -> Any:
            world = World(tmp_path / f"world-{next(made)}")
            try:
                return await test(world)
            finally:
                await world.close()

        return asyncio.run(inside())

    return run
