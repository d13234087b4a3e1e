"""Deliberate bugs of collections that are emptied or dropped as a whole."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from solidb_sync.server import collect_changes, sync_round
from solidb_sync.server.views import selected_changes
from solidb_sync.storage import inbox
from solidb_sync.testing.planter import Mutant, Planter


def resets_not_told(patch: Planter) -> None:
    """Devices are not told that a collection was emptied, and keep what they have of it."""
    patch.setattr(sync_round, "resets_for", lambda *_: UNSET)


def emptied_with_what_came_since(patch: Planter) -> None:
    """The page that empties a collection leaves out what came into it beyond its end, which the device may have already."""
    for module in (collect_changes, selected_changes):
        patch.setattr(module, "after_resets", lambda *_: [])


def emptied_with_unsent_edits(patch: Planter) -> None:
    """An emptied collection takes along the documents that have edits on the way."""

    def drop_clean_rows(engine: Any, collection: str, *, but: Any, upto: int) -> Any:
        for key in list(engine.keys(collection)):
            if (collection, key) not in but:
                engine.drop_changes(change.id for change in engine.changes_of(collection, key))
                engine.drop_row(collection, key)
                engine.drop_base(collection, key)
        return []

    patch.setattr(inbox, "drop_clean_rows", drop_clean_rows)


RESET_MUTANTS: tuple[Mutant, ...] = (resets_not_told, emptied_with_what_came_since, emptied_with_unsent_edits)
