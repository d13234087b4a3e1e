"""Open this device's store as a `SyncManager`, with a server or without one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from solidb_sync.cli.settings import ENCRYPTION_KEY, Settings
from solidb_sync.client.config import SyncConfig
from solidb_sync.client.sync_manager import SyncManager
from solidb_sync.client.transport.http_transport import HttpClient
from solidb_sync.client.transport.transport import Transport, TransportAnswer
from solidb_sync.errors import ConnectionError, StorageError
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.store_path import PathUse, checked_path
from solidb_sync.storage.stored_engine import engine_for, stored_engine


class NoServer:
    """Stands in for a server when a command works on the local store only: nothing can be sent by mistake."""

    database = "local"

    async def exchange(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> TransportAnswer:
        """Refuse."""
        raise ConnectionError("this command works without a server")

    def listen(self, path: str, query: Mapping[str, str]) -> AsyncIterator[str]:
        """Refuse."""
        raise ConnectionError("this command works without a server")

    async def close(self) -> None:
        """Do nothing."""


def http_client(settings: Settings) -> HttpClient:
    """Return the way to the server the settings name; does no I/O."""
    return HttpClient(
        settings.need("url"),
        database=settings.need("database"),
        api_key=settings.secret("api_key"),
        allow_plain_http=settings.boolean("allow_plain_http"),
    )


def _place(settings: Settings) -> tuple[str, str]:
    return settings.need("store"), settings.need("device_id")


def existing_store(settings: Settings) -> tuple[str, str]:
    """Return path and device id of the store, or raise `StorageError` when there is none yet."""
    path, device_id = _place(settings)
    path = checked_path(path, PathUse.READ, name="store")
    if stored_engine(path) is None:
        raise StorageError(f"{path}: there is no store; `solidb-sync init`, a first `put` or a first `sync` makes one")
    return path, device_id


@asynccontextmanager
async def opened(
    settings: Settings,
    transport: Transport | None = None,
    *,
    creates: bool = False,
    interval_seconds: float | None = None,
) -> AsyncIterator[SyncManager]:
    """Open the store for as long as the block runs; `interval_seconds` makes it a manager that syncs by itself.

    Raises `StoreLockedError` when another process has the store, `StorageError` when there is none and this command
    doesn't make one.
    """
    path, device_id = _place(settings) if creates else existing_store(settings)
    config = SyncConfig(auto_sync=interval_seconds is not None, sync_interval_secs=interval_seconds or 30)
    key = settings.secret(ENCRYPTION_KEY)
    with LocalStore.open(path, device_id, engine=engine_for(path), encryption_key=key) as store:
        manager = SyncManager(store, transport or NoServer(), config)
        try:
            yield manager
        finally:
            await manager.stop()
