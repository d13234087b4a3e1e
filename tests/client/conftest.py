"""Devices for tests of the client: real stores in memory, a real server process, real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from device_types import DeviceMaker
from server_process import ServerProcess
from solidb_sync import LocalStore, SyncConfig, SyncManager


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    """A database of this test's own."""
    return new_database()


@pytest.fixture
async def device(server: ServerProcess, database: str, anyio_backend: str) -> AsyncIterator[DeviceMaker]:
    """Makes managers of one database; they and their stores are closed when the test ends."""
    made: list[tuple[SyncManager, LocalStore]] = []

    def make(name: str, *, engine: str = "memory", path: Any = ":memory:", **settings: Any) -> SyncManager:
        store = LocalStore.open(path, name, engine=engine)
        config = SyncConfig(**{"auto_sync": False, **settings})
        manager = SyncManager(store, server.client(database), config)
        made.append((manager, store))
        return manager

    yield make
    for manager, store in made:
        await manager.stop()
        store.close()
