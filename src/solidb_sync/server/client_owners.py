"""Whose each client id is: of the principal that used it first, for good. Nobody else may sync under it.

Otherwise whoever knows another's client id could have its actor fenced, count in its name, or learn from its views what
it holds. A device that is refused takes another client id and fetches what its new user may read.

Owners are remembered here when a device is first seen, and written with the next transaction, which is that of its own first
push or registration. One that only pulls may be forgotten by a crash within seconds, and is then noted again.
"""

from __future__ import annotations

from collections.abc import Mapping

OWNERS_HELD_MAX = 100_000


class ClientOwners:
    """The owners of one database's clients, as far as they have been asked for."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._unwritten: dict[str, str] = {}

    def of(self, client_id: str) -> str | None:
        """Return the owner of a client, None when it has to be looked up."""
        return self._known.get(client_id)

    def learn(self, client_id: str, owner: str) -> None:
        """Remember what is stored."""
        if len(self._known) >= OWNERS_HELD_MAX:
            self._known = dict(self._unwritten)
        self._known[client_id] = owner

    def claim(self, client_id: str, owner: str) -> None:
        """Give a client that has no owner to this one."""
        self.learn(client_id, owner)
        self._unwritten[client_id] = owner

    def unwritten(self) -> Mapping[str, str]:
        """Return the claims that are to be written."""
        return dict(self._unwritten)

    def wrote(self, claims: Mapping[str, str]) -> None:
        """Forget that claims wait, once they are committed."""
        for client_id in claims:
            self._unwritten.pop(client_id, None)
