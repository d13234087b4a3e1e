"""Managers without `await`, over stores in memory and on disk, with a server or without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server_process import ServerProcess
from solidb_sync import HttpClient, LocalStore, SyncConfig
from solidb_sync.blocking import SyncManager


@pytest.fixture(params=["memory", "sqlite"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SyncManager]:
    """A manager without a server."""
    with LocalStore.open(tmp_path / "store.db", "phone", engine=request.param) as store:
        manager = SyncManager(store, HttpClient("127.0.0.1:9", 500, database="none"), SyncConfig(auto_sync=False))
        yield manager
        manager.stop()


@pytest.fixture
def device(server: ServerProcess, new_database: Callable[[], str]) -> Iterator[Callable[..., SyncManager]]:
    """Makes managers of one database; they and their stores are closed when the test ends."""
    database = new_database()
    made: list[tuple[SyncManager, LocalStore]] = []

    def make(name: str, *, auto_sync: bool = False) -> SyncManager:
        store = LocalStore.open(":memory:", name, engine="memory")
        manager = SyncManager(store, server.client(database), SyncConfig(auto_sync=auto_sync))
        made.append((manager, store))
        return manager

    yield make
    for manager, store in made:
        manager.stop()
        store.close()
