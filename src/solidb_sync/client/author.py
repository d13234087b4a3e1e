"""Whose the edits on this device are: noted with the first edit that each user makes here (`storage/other_users`)."""

from __future__ import annotations

from collections.abc import Callable

from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.other_users import note_author


class Author:
    """Whoever the credentials of a manager are for; `name` is asked again with every edit, as credentials change."""

    def __init__(self, name: Callable[[], str]) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """The present name, empty when nobody knows."""
        return self._name()

    def note(self, engine: StorageEngine) -> None:
        """Note in the transaction of an edit whose it is."""
        if name := self._name():
            note_author(engine, name)
