"""The databases a running server has open, each with the notes on its devices."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from solidb_sync.clock import Clock
from solidb_sync.errors import StorageError
from solidb_sync.server.client_notes import ClientNotes
from solidb_sync.server.client_owners import ClientOwners
from solidb_sync.server.pages_ahead import PagesAhead
from solidb_sync.server.storage.backend import DatabaseBackend, ReadSession, ServerBackend, WriteSession

Result = TypeVar("Result")

SMALL_READ_ENTRIES = 64
"""A read of at most this many documents is done at once, a longer one on the reader thread."""

WRITTEN_AT_ONCE_MAX = 16
"""The notes of how many databases are written side by side at the end."""


@dataclass(frozen=True, slots=True)
class Database:
    """One database under its name, with what a running server knows beside its files."""

    name: str
    backend: DatabaseBackend
    notes: ClientNotes
    ahead: PagesAhead
    owners: ClientOwners

    async def write(self, work: Callable[[WriteSession], Result]) -> Result:
        """Run `work` in a transaction, and write the waiting notes with it."""
        notes, owners = self.notes.unwritten(), self.owners.unwritten()

        def with_notes(session: WriteSession) -> Result:
            result = work(session)
            session.save_clients(notes)
            if owners:
                session.save_owners(owners)
            return result

        result = await self.backend.write(with_notes)
        self.notes.wrote(notes)
        self.owners.wrote(owners)
        return result

    async def read(self, work: Callable[[ReadSession], Result], *, is_small: bool = True) -> Result:
        """Run `work` on a snapshot of what is committed."""
        return await self.backend.read(work, is_small=is_small)

    async def write_notes_when_due(self) -> None:
        """Write the notes on devices when they have waited for some seconds; not being able to is no failure of a pull."""
        if self.notes.is_due:
            try:
                await self.write(lambda _: None)
            except StorageError:
                return


class Databases:
    """Finds databases by name, and keeps what belongs to each while the server runs."""

    def __init__(self, backend: ServerBackend, clock: Clock) -> None:
        self.backend = backend
        self._clock = clock
        self._notes: dict[str, ClientNotes] = {}
        self._ahead: dict[str, PagesAhead] = {}
        self._owners: dict[str, ClientOwners] = {}

    def find(self, name: str, *, create: bool) -> Database | None:
        """Return a database, None when there is none and it may not be created."""
        backend = self.backend.database(name, create=create)
        if backend is None:
            return None
        notes = self._notes.get(name)
        if notes is None:
            notes = self._notes[name] = ClientNotes(self._clock)
        return Database(name, backend, notes, self._ahead.setdefault(name, PagesAhead()), self._owners_of(name))

    def _owners_of(self, name: str) -> ClientOwners:
        owners = self._owners.get(name)
        if owners is None:
            owners = self._owners[name] = ClientOwners()
        return owners

    async def write_all_notes(self) -> None:
        """Write every note that is not written yet; for the end."""
        names = [name for name, notes in self._notes.items() if notes.unwritten()]
        for first in range(0, len(names), WRITTEN_AT_ONCE_MAX):
            await asyncio.gather(*map(self._write_notes, names[first : first + WRITTEN_AT_ONCE_MAX]))

    async def _write_notes(self, name: str) -> None:
        with contextlib.suppress(StorageError):
            database = self.find(name, create=False)
            if database is not None:
                await database.write(lambda _: None)
