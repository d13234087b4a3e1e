"""Notes on each device: how far it has come, when it was last here, which collections it asks for.

These notes are for people, dashboards and maintenance, which asks how far everybody has come; that a device was judged by
an old note is noticed when it asks (`history.check_floor`). They are kept in memory and written along with
the next push, or when a sync comes some seconds after they were last written, or at the end.
"""

from __future__ import annotations

from collections.abc import Sequence

from solidb_sync.clock import Clock
from solidb_sync.json_value import encode
from solidb_sync.server.storage.records import ClientNote
from solidb_sync.server.sync_request import SyncCall

WRITE_AFTER_SECONDS = 5.0
NOTES_HELD_MAX = 10_000


class ClientNotes:
    """The notes of one database that may be newer than what is stored."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._unwritten: dict[str, ClientNote] = {}
        self._written_at = clock.monotonic()

    def note(self, call: SyncCall) -> None:
        """Remember what a sync says of its device."""
        self._unwritten[call.client_id] = ClientNote(
            client_id=call.client_id,
            actor=call.actor,
            acknowledged=call.acknowledged,
            cursor=call.stored,
            collections=encode(
                {"names": call.collections, "excluded": call.excluded, "views": call.views, "caught_up": call.caught_up}
            ).decode(),
            last_sync_ms=self._clock.now_ms(),
            stable=call.stable if call.stable is not None or not call.protocol else call.stored,
        )

    @property
    def is_due(self) -> bool:
        """True when the notes have waited long enough, or are many."""
        if len(self._unwritten) >= NOTES_HELD_MAX:
            return True
        return bool(self._unwritten) and self._clock.monotonic() - self._written_at >= WRITE_AFTER_SECONDS

    def unwritten(self) -> list[ClientNote]:
        """Return the notes that are to be written."""
        return list(self._unwritten.values())

    def wrote(self, notes: Sequence[ClientNote]) -> None:
        """Forget notes that have been committed, unless a newer one has come since."""
        for note in notes:
            if self._unwritten.get(note.client_id) is note:
                del self._unwritten[note.client_id]
        self._written_at = self._clock.monotonic()

    def forget(self, client_id: str) -> bool:
        """Drop the note of a device."""
        return self._unwritten.pop(client_id, None) is not None

    def newest(self, client_id: str) -> ClientNote | None:
        """Return the note of a device that is not written yet."""
        return self._unwritten.get(client_id)
