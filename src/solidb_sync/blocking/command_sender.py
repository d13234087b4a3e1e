"""The command channel of a started manager, without `await`."""

from __future__ import annotations

from solidb_sync.blocking.facade import Facade, blocking
from solidb_sync.client import commands
from solidb_sync.client.commands import Command


class CommandSender(Facade[commands.CommandSender]):
    """Sends commands from any thread. At most 1,000 wait; after `Stop` every send raises `SyncStoppedError`."""

    send = blocking(commands.CommandSender.send)

    def send_nowait(self, command: Command) -> None:
        """Send a command at once, or raise `SyncError` when the channel is full; callbacks may do this."""
        self._now(self._core.send_nowait, command)
