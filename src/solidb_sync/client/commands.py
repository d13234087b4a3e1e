"""The commands a running manager takes, and the bounded channel they go through."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from solidb_sync.errors import SyncError, SyncStoppedError

COMMANDS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class SyncNow:
    """Run a round now; nothing happens while offline."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Start syncing a collection."""

    collection: str
    filter: str | None = None
    bind_vars: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Stop syncing a collection; its documents stay."""

    collection: str


@dataclass(frozen=True, slots=True)
class SetOnline:
    """Go offline or online by hand."""

    online: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """End the background task."""


Command = SyncNow | Subscribe | Unsubscribe | SetOnline | Stop


class SyncCommand:
    """The commands by the names they are sent with: `SyncCommand.SyncNow()`."""

    SyncNow = SyncNow
    Subscribe = Subscribe
    Unsubscribe = Unsubscribe
    SetOnline = SetOnline
    Stop = Stop


class CommandSender:
    """Sends commands to a running manager. At most 1,000 wait; after `Stop` every send raises `SyncStoppedError`."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Command] = asyncio.Queue(COMMANDS_MAX)
        self._is_closed = False

    async def send(self, command: Command) -> None:
        """Send a command, waiting while the channel is full."""
        self._check_open()
        await self._queue.put(command)

    def send_nowait(self, command: Command) -> None:
        """Send a command at once, or raise `SyncError` when the channel is full."""
        self._check_open()
        try:
            self._queue.put_nowait(command)
        except asyncio.QueueFull:
            raise SyncError(f"{COMMANDS_MAX} commands are waiting already") from None

    async def receive(self) -> Command:
        """Return the next command; for the background loop."""
        return await self._queue.get()

    def close(self) -> None:
        """Refuse what comes later."""
        self._is_closed = True

    def _check_open(self) -> None:
        if self._is_closed:
            raise SyncStoppedError("the manager has been stopped; start it again to send commands")
