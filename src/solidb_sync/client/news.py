"""Apply a page that came with the ring of the doorbell, if it is the very one that a pull would have brought."""

from __future__ import annotations

from dataclasses import replace

from solidb_sync.client.scope import Scope
from solidb_sync.protocol.messages import ReceivedAnswer
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.inbox import Page, PageApplied, apply_page


def apply_news(engine: StorageEngine, page: Page, answer: ReceivedAnswer, *, wants_facts: bool) -> PageApplied | None:
    """Apply a page with the news of all collections, if this device had all up to where it begins; otherwise nothing."""
    replica = engine.replica()
    had_all = replica.cursor == replica.caught_up == page.from_cursor
    had_all = had_all and (replica.epoch, replica.run) == (answer.epoch, answer.run)
    waits = (
        replica.is_resyncing
        or engine.backfills()
        or engine.open_conflicts()
        or any(known.filter for known in engine.subscriptions())
    )
    if not had_all or waits or answer.cursor <= page.from_cursor:
        return None
    scope = Scope(None if replica.covered is None else frozenset(replica.covered), frozenset(replica.excluded))
    wanted = [change for change in page.changes if change.collection in scope]
    applied = apply_page(engine, replace(page, changes=wanted), wants_facts=wants_facts)
    return None if applied.needs_whole else applied
