"""What the writing connection knows of the outbox by heart: above all, that there is nothing in it.

Every page asks whether anything of its documents is kept here, and every round, three times, whether anything is left to
send. Most often the answer is no, and was no the last time. Ids of changes only grow, so one number says how far there is
anything to send. The rule is that of `held_tables`.
"""

from __future__ import annotations

from solidb_sync.storage.records import ChangeState, StoredBase, StoredChange
from solidb_sync.storage.sqlite import statements as sql
from solidb_sync.storage.sqlite.held_tables import HeldTables


class HeldChanges(HeldTables):
    """Changes and the base copies kept apart, read; and what has to be noted of each write."""

    _has_changes: bool | None
    _has_bases: bool | None
    _pending_upto: int | None
    """No pending change has an id above this; None when that is not known."""

    def _forget_tables(self) -> None:
        super()._forget_tables()
        self._has_changes = self._has_bases = self._pending_upto = None

    def has_changes(self) -> bool:
        """Return whether any change is kept."""
        if self._has_changes is None:
            self._has_changes = super().has_changes()
        return self._has_changes

    def has_changes_of(self, collection: str, key: str) -> bool:
        """Return whether any change of this document is kept."""
        return self._has_changes is not False and super().has_changes_of(collection, key)

    def changes_of(self, collection: str, key: str) -> list[StoredChange]:
        """Return the changes of one document, oldest first."""
        return [] if self._has_changes is False else super().changes_of(collection, key)

    def changes(self, *, state: ChangeState | None, after: int = 0, limit: int | None = None) -> list[StoredChange]:
        """Return changes, oldest first."""
        if state is not ChangeState.PENDING:
            return super().changes(state=state, after=after, limit=limit)
        if self._pending_upto is not None and after >= self._pending_upto:
            return []
        found = super().changes(state=state, after=after, limit=limit)
        if limit is None or len(found) < limit:
            self._pending_upto = found[-1].id if found else after
        return found

    def _note_change(self, number: int, state: ChangeState) -> None:
        """Note that there is a change with this id, in this state."""
        self._has_changes = True
        if state is ChangeState.PENDING and self._pending_upto is not None:
            self._pending_upto = max(number, self._pending_upto)

    def _note_drops(self) -> None:
        """Note that there may be fewer changes."""
        self._has_changes = None

    def base(self, collection: str, key: str) -> StoredBase | None:
        """Return the base copy kept apart."""
        return None if self._has_bases is False else super().base(collection, key)

    def has_bases(self) -> bool:
        """Return whether any base copy is kept apart."""
        if self._has_bases is None:
            self._has_bases = super().has_bases()
        return self._has_bases

    def put_base(self, collection: str, key: str, base: StoredBase) -> None:
        """Keep a base copy apart."""
        self._writable(collection)
        parameters = (self._numbers[collection], key, base.body, int(base.is_deleted), base.vector, base.stamp)
        self._do(sql.WRITE_BASE, parameters)
        self._has_bases = True

    def drop_base(self, collection: str, key: str) -> None:
        """Forget a base copy."""
        if self._has_bases is False:
            return
        self._has_bases = None
        self._do(sql.DROP_BASE, (self._number(collection), key))
