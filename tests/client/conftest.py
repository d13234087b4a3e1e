"""Devices for tests of the client: real stores in memory, a real server process, real HTTP.

The tests of the modules in `BOTH_FACES` run twice: with the manager as it is, and through the blocking one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from awaited_face import AwaitedFace
from device_types import DeviceMaker
from server_process import ServerProcess
from solidb_sync import LocalStore, SyncConfig, SyncManager, blocking

BOTH_FACES = {
    "test_deltas",
    "test_encryption",
    "test_events",
    "test_indexes",
    "test_monitoring",
    "test_quarantine",
    "test_replicated_fields",
    "test_running",
    "test_sync",
    "test_sync_states",
    "test_watching",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of some modules over both faces of the manager."""
    if "face" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] in BOTH_FACES:
        metafunc.parametrize("face", ["awaited", "blocking"])


@pytest.fixture
def face() -> str:
    """Which face of the manager a test sees."""
    return "awaited"


@pytest.fixture
def database(new_database: Callable[[], str]) -> str:
    """A database of this test's own."""
    return new_database()


@pytest.fixture
async def device(server: ServerProcess, database: str, face: str, anyio_backend: str) -> AsyncIterator[DeviceMaker]:
    """Makes managers of one database; they and their stores are closed when the test ends."""
    made: list[tuple[Any, LocalStore]] = []

    def make(name: str, *, engine: str = "memory", path: Any = ":memory:", **settings: Any) -> SyncManager:
        store = LocalStore.open(path, name, engine=engine)
        config = SyncConfig(**{"auto_sync": False, **settings})
        manager: Any = SyncManager(store, server.client(database), config)
        if face == "blocking":
            manager = AwaitedFace(blocking.SyncManager(store, server.client(database), config))
        made.append((manager, store))
        return manager

    yield make
    for manager, store in made:
        await manager.stop()
        store.close()
