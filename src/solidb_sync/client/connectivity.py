"""Whether a device is online: not taken offline by hand, and the server was reachable when it was last tried."""

from __future__ import annotations

from solidb_sync.client.sync_events import SyncEventKind, SyncEvents


class Connectivity:
    """What is known of the way to the server; tells when `is_online` changes."""

    def __init__(self, events: SyncEvents) -> None:
        self._events = events
        self._is_on = True
        self._is_reachable = True

    @property
    def is_on(self) -> bool:
        """False while taken offline by hand: then nothing may use the network."""
        return self._is_on

    @property
    def is_reachable(self) -> bool:
        """Whether the server answered when it was last tried; True before it was."""
        return self._is_reachable

    @property
    def is_online(self) -> bool:
        """True unless taken offline, by hand or by what was observed."""
        return self._is_on and self._is_reachable

    def switch(self, *, is_on: bool) -> None:
        """Take the device offline or online by hand. Coming back, the server counts as reachable until it is tried."""
        was_online = self.is_online
        self._is_reachable = self._is_reachable or (is_on and not self._is_on)
        self._is_on = is_on
        self._tell_change(was_online)

    def observe(self, *, is_reachable: bool) -> None:
        """Note whether the server answered when it was tried."""
        was_online = self.is_online
        self._is_reachable = is_reachable
        self._tell_change(was_online)

    def _tell_change(self, was_online: bool) -> None:
        if self.is_online != was_online:
            self._events.tell(SyncEventKind.ONLINE if self.is_online else SyncEventKind.OFFLINE)
