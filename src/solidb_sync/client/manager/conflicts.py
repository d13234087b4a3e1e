"""Conflicts: how they are decided, the log, those that wait for somebody to decide, and taking a decision back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from solidb_sync.client.conflict_strategy import ConflictStrategy
from solidb_sync.client.conflicts import Conflict, ConflictResolution, public_conflict
from solidb_sync.client.local_edits import checked_document
from solidb_sync.client.manager.parts import ManagerParts, check_collection
from solidb_sync.errors import ConfigError, SyncError
from solidb_sync.reconcile.resolution import DELETE, REPLACE, Choice
from solidb_sync.storage.conflict_log import is_own
from solidb_sync.storage.resolutions import record_undo

Callback = TypeVar("Callback", bound=Callable[[Conflict], Any])


class ConflictMethods(ManagerParts):
    """What could not be kept side by side."""

    async def set_conflict_strategy(self, col: str, strategy: ConflictStrategy) -> None:
        """Have a collection's conflicts decided by a strategy, from the next round on; kept in the store.

        The function of a custom strategy is not: set it again in every process. Open conflicts are offered to it.
        """
        check_collection(col)
        if not isinstance(strategy, ConflictStrategy):
            raise ConfigError(f"strategy: expected a ConflictStrategy, found {strategy!r}")
        await self._strategies.set(col, strategy)
        self._conflicts.offer_again()
        self._conflicts.offer_open()
        self._something_was_saved()

    def on_conflict(self, callback: Callback) -> Callable[[], None]:
        """Call `callback` once with each `Conflict`; returns a function that ends it. Usable as a decorator.

        It may be a coroutine function, and returns a `ConflictResolution`, a document, or None to leave the conflict as it
        is. It is called after the conflict was logged, beside the sync; a plain function on a thread of its own, for at
        most `conflict_handling.CALL_SECONDS_MAX`. What raises or takes longer leaves the conflict as it is.
        """
        return self._conflicts.add_callback(callback)

    async def conflicts_handled(self) -> None:
        """Wait until every conflict found so far was offered to callbacks and functions, and what they said is saved."""
        self._conflicts.offer_open()
        await self._conflicts.finish()

    async def conflict_log(self, col: str | None = None) -> list[Conflict]:
        """Return every conflict found so far, oldest first, with both versions and the base."""
        logged = [entry for entry in self._view(lambda reader: reader.conflicts()) if is_own(entry)]
        return [public_conflict(conflict) for conflict in logged if col in (None, conflict.collection)]

    async def get_conflicts(self, col: str | None = None) -> list[Conflict]:
        """Return the conflicts that wait for somebody to decide, oldest first."""
        pending = self._view(lambda reader: reader.open_conflicts())
        return [public_conflict(conflict) for conflict in pending if col in (None, conflict.collection)]

    async def resolve_conflict(self, col: str, key: str, resolved: dict[str, Any] | ConflictResolution | None) -> None:
        """Decide the open conflict of a document: by the document to keep, None to delete it, or a `ConflictResolution`.

        The decision is an edit on top of both sides; it is sent like any other, and closes the conflict on every device.
        Raises `SyncError` when there is no open conflict about this document, and while its other side has not been fetched:
        sync, and decide then.
        """
        match resolved:
            case ConflictResolution():
                choice = Choice(resolved.choice, resolved.document)
            case None:
                choice = Choice(DELETE)
            case _:
                choice = Choice(REPLACE, checked_document(col, key, resolved).value)
        for conflict in await self.get_conflicts(col):
            if conflict.document_key == key and await self._conflicts.decide(conflict.id, choice):
                return
        raise SyncError(f"{col}/{key} has no open conflict; get_conflicts() lists those there are")

    async def undo_resolution(self, id: str) -> None:
        """Take back how a conflict was decided: an edit that brings the overruled values back, where they were at stake.

        Raises `SyncError` when there is no such conflict, or no decision to take back, and while the other side has not been
        fetched; `DocumentEvictedError` while the document is evicted: get it first.
        """
        await self._conflicts.record(id, lambda engine, minted: record_undo(engine, minted, id))
