"""Queries over this device's store, for the commands that ask and for the shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

import click

from sdbql.shell.bind_arguments import bind_argument
from solidb_sync.cli.device import NoServer, existing_store
from solidb_sync.cli.settings import ENCRYPTION_KEY, Settings
from solidb_sync.client.config import SyncConfig
from solidb_sync.client.sync_manager import SyncManager
from solidb_sync.errors import SoliDBError, StoreLockedError
from solidb_sync.storage.document_source import DocumentSource
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.stored_engine import engine_for


class StoreQueries:
    """Implements `sdbql.shell.session.Queried`: each query is one run of the event loop, which Ctrl-C cancels."""

    errors: tuple[type[Exception], ...] = (SoliDBError,)

    def __init__(self, store: LocalStore, manager: SyncManager, runner: asyncio.Runner) -> None:
        self._store = store
        self._manager = manager
        self._runner = runner

    def collections(self) -> list[str]:
        """Return the known collections."""
        return self._store.list_collections()

    def sample(self, collection: str, count: int) -> list[dict[str, Any]]:
        """Return the first documents of a collection; without the event loop, as a prompt may be waiting in it."""
        return self._store.scan(lambda reader: list(islice(DocumentSource(reader).scan(collection), count)))

    def run(self, text: str, bind_vars: Mapping[str, Any]) -> list[Any]:
        """Return the results of a query."""
        return self._runner.run(self._manager.query(text, dict(bind_vars)))

    def explain(self, text: str, bind_vars: Mapping[str, Any]) -> str:
        """Return the steps of a query."""
        return self._runner.run(self._manager.explain(text, dict(bind_vars)))


@contextmanager
def opened_for_queries(settings: Settings) -> Iterator[StoreQueries]:
    """Open the store, which must be there, for as long as the block runs; for reading only while another process has it."""
    path, device_id = existing_store(settings)
    with asyncio.Runner() as runner, _opened(path, device_id, settings.secret(ENCRYPTION_KEY)) as store:
        manager = SyncManager(store, NoServer(), SyncConfig(auto_sync=False))
        try:
            yield StoreQueries(store, manager, runner)
        finally:
            runner.run(manager.stop())


def _opened(path: str, device_id: str, key: str | None) -> LocalStore:
    try:
        return LocalStore.open(path, device_id, engine=engine_for(path), encryption_key=key)
    except StoreLockedError:
        return LocalStore.open_for_reading(path, device_id, encryption_key=key)


def bind_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--bind`."""
    option = click.option(
        "--bind", "binds", metavar="NAME=VALUE", multiple=True, help="A bind parameter: JSON, or plain text."
    )
    return option(function)


def bind_vars(binds: tuple[str, ...]) -> dict[str, Any]:
    """Return the bind parameters that the options give."""
    try:
        return dict([bind_argument(text) for text in binds])
    except ValueError as problem:
        raise click.BadParameter(str(problem), param_hint="--bind") from None
