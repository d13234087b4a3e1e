"""`SyncManager`: the public face of the client, put together from its facets, and how it starts and stops.

Local methods (save, get, delete, query) never touch the network and are durable when they return. Everything else happens
in rounds (`rounds`, `sync_round`), which the background loop starts. The methods stand in `client/manager/`, one file for
each subject.
"""

from __future__ import annotations

import asyncio
import uuid
from types import TracebackType
from typing import Self

from solidb_sync.client.background_loop import BackgroundLoop
from solidb_sync.client.commands import Command, CommandSender, SetOnline, Stop, Subscribe, SyncNow, Unsubscribe
from solidb_sync.client.config import SyncConfig
from solidb_sync.client.manager.attachments import AttachmentMethods
from solidb_sync.client.manager.conflicts import ConflictMethods
from solidb_sync.client.manager.deltas import DeltaMethods
from solidb_sync.client.manager.documents import DocumentMethods
from solidb_sync.client.manager.encryption import EncryptionMethods
from solidb_sync.client.manager.filters import FilterMethods
from solidb_sync.client.manager.observation import ObservationMethods
from solidb_sync.client.manager.quarantine import QuarantineMethods
from solidb_sync.client.manager.queries import QueryMethods
from solidb_sync.client.manager.replicated_fields import ReplicatedFieldMethods
from solidb_sync.client.manager.space import SpaceMethods
from solidb_sync.client.periodic_cleanup import clean_up_for_ever
from solidb_sync.client.transport.transport import Transport
from solidb_sync.errors import ConfigError
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.opening import stored_device_id
from solidb_sync.storage.stored_engine import engine_for

STOP_SECONDS_MAX = 5.0


class SyncManager(
    DocumentMethods,
    AttachmentMethods,
    ReplicatedFieldMethods,
    QueryMethods,
    ConflictMethods,
    DeltaMethods,
    EncryptionMethods,
    QuarantineMethods,
    SpaceMethods,
    FilterMethods,
    ObservationMethods,
):
    """Local documents that work without a network, and a server they are kept in step with when there is one.

    Making one does no I/O. `random_source` decides the jitter of retries; give a seeded one to repeat a run.
    """

    @classmethod
    def open(cls, config: SyncConfig, client: Transport, *, device_id: str | None = None) -> Self:
        """Open the store at `config.local_storage_path` and return a manager that closes it when it stops.

        Without a `device_id` the store keeps the one it has; a new store gets a random one.
        """
        path = config.local_storage_path
        if path is None:
            raise ConfigError("local_storage_path: name the file of the store")
        device_id = device_id or stored_device_id(path, config.encryption_key) or str(uuid.uuid4())
        store = LocalStore.open(path, device_id, engine=engine_for(path), encryption_key=config.encryption_key)
        manager = cls(store, client, config)
        manager._owns_store = True
        return manager

    async def start(self) -> CommandSender:
        """Start the background task and return its command channel; a second call returns the same channel."""
        if self._commands is not None:
            return self._commands
        self._commands = CommandSender()
        self._loop = BackgroundLoop(
            self._run_round,
            interval_seconds=self._interval_seconds,
            max_retries=self._config.max_retries,
            backoff=self._backoff,
            is_online_by_hand=lambda: self._connectivity.is_on,
            probe=self._probe,
        )
        self._tasks = [asyncio.create_task(self._serve_commands(self._commands), name="sync commands")]
        if self._config.auto_sync:
            self._tasks.append(asyncio.create_task(self._loop.run(), name="sync rounds"))
            self._tasks.append(asyncio.create_task(self._lane.run(), name="sync attachments"))
            if self._config.cleanup_interval_secs is not None:
                cleaning = clean_up_for_ever(self.cleanup, interval_seconds=self._config.cleanup_interval_secs)
                self._tasks.append(asyncio.create_task(cleaning, name="cleanup"))
            self._listen()
        return self._commands

    async def stop(self) -> None:
        """End the background task and every `changes()`; bounded in time, harmless to repeat."""
        commands, self._commands = self._commands, None
        if commands is not None:
            commands.close()
        tasks, self._tasks, self._loop = self._tasks, [], None
        ending = [task for task in tasks if task is not asyncio.current_task()]
        for task in ending:
            task.cancel()
        await self._rounds.cancel()
        await self._lane.cancel()
        await self._conflicts.stop()
        if ending:
            await asyncio.wait(ending, timeout=STOP_SECONDS_MAX)
        self._notifications.close()
        self._events.close()
        self._states.close()
        await self._transport.close()
        if self._owns_store:
            self._store.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _serve_commands(self, commands: CommandSender) -> None:
        while True:
            if await self._obey(await commands.receive()):
                return

    async def _obey(self, command: Command) -> bool:
        """Do what a command says; returns whether it was the last."""
        match command:
            case SyncNow():
                if self._connectivity.is_on:
                    await self.sync_now()
                else:
                    self._rounds.history.skipped += 1
            case Subscribe(collection, filter_text, bind_vars):
                await self.subscribe(collection, filter_text, bind_vars)
            case Unsubscribe(collection):
                await self.unsubscribe(collection)
            case SetOnline(online):
                await self.set_online(online)
            case Stop():
                await self.stop()
                return True
        return False
