"""Deliberate bugs of eviction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from solidb_sync.client import evicted_documents
from solidb_sync.client.manager import space
from solidb_sync.storage import retention
from solidb_sync.storage.inbox import keep_fetched
from solidb_sync.storage.known_versions import base_seq
from solidb_sync.storage.records import Mark
from solidb_sync.testing.planter import Mutant, Planter


def edits_evicted(patch: Planter) -> None:
    """A document leaves whether or not there are edits of it that the server has not taken."""
    patch.setattr(retention, "is_clean", lambda reader, collection, key, **_: reader.replica().cursor > 0)


def evictions_not_marked(patch: Planter) -> None:
    """A document that left to save room is taken for one that there never was."""
    original = retention.leave

    def leave(engine: Any, chosen: Sequence[Any], reason: str) -> Any:
        facts = original(engine, chosen, reason)
        for fact in facts:
            engine.unmark(Mark.EVICTED, fact.collection, fact.key)
        return facts

    patch.setattr(space, "leave", leave)


def old_versions_taken_back(patch: Planter) -> None:
    """What is fetched is kept whatever the cursor says; a page that is on its way may be older."""

    def take_back(engine: Any, place: tuple[str, str], answer: Any) -> bool:
        if answer.change is None or not retention.is_evicted(engine, *place) or not base_seq(engine, *place):
            return False
        keep_fetched(engine, answer.change)
        return True

    patch.setattr(evicted_documents, "take_back", take_back)


EVICTION_MUTANTS: tuple[Mutant, ...] = (
    edits_evicted,
    evictions_not_marked,
    old_versions_taken_back,
)
