"""The changes the server refused for good, and what becomes of them."""

from __future__ import annotations

from solidb_sync.client.manager.parts import ManagerParts
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.pending_change import PendingChange, public_change
from solidb_sync.storage.quarantine import discard_rejected, retry_rejected
from solidb_sync.storage.records import ChangeState


class QuarantineMethods(ManagerParts):
    """Refused changes block nothing else, and nothing of them is lost until somebody says so."""

    async def rejected_changes(self) -> list[PendingChange]:
        """Return the changes the server refused for good, with its reason, oldest first."""
        changes = self._view(lambda reader: reader.changes(state=ChangeState.REJECTED))
        return [public_change(change) for change in changes]

    async def retry_rejected(self, id: int) -> bool:
        """Send a refused change again, as a new one; False when there is none with this id.

        What it was made on top of goes with it, and what depends on it. A new save of the document does the same with
        the document as the user then sees it.
        """
        mint_id, author = self._store.mint_id, self._edits.author

        def work(engine: StorageEngine) -> bool:
            author.note(engine)
            return retry_rejected(engine, id, mint_id)

        retried = await self._store.commit(work)
        if retried:
            self._states.look_at_all()
            self._something_was_saved()
        return retried

    async def discard_rejected(self, id: int) -> bool:
        """Forget a refused change and those that depend on it; False when there is none with this id.

        Its document then shows what the server has.
        """
        facts = await self._store.commit(lambda engine: discard_rejected(engine, id))
        self._notifications.publish(facts or [])
        self._states.look_at_all()
        return facts is not None
