"""One request of a round, and what its answer does to the store: results, conflicts, page and cursor in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec.structs import replace

from solidb_sync.client.delta_stats import NO_DELTAS, DeltaStats, pushed_sizes
from solidb_sync.client.known_floors import note_first_sent, note_floor
from solidb_sync.client.known_views import note_numbers
from solidb_sync.errors import ProtocolError
from solidb_sync.protocol.messages import ReceivedAnswer
from solidb_sync.storage.attachment_custody import send_again
from solidb_sync.storage.conflict_log import close_conflicts, record_conflicts
from solidb_sync.storage.departures import drop_left
from solidb_sync.storage.edits import DocumentChanged
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.hybrid_stamps import note_seen_stamp
from solidb_sync.storage.inbox import Page, apply_page
from solidb_sync.storage.outbox import Batch, settle
from solidb_sync.storage.records import Mark, StoredChange, StoredConflict


@dataclass(slots=True)
class RoundOutcome:
    """What a round has done so far; filled as its answers are recorded."""

    pulled: int = 0
    pushed: int = 0
    conflicts: list[StoredConflict] = field(default_factory=list)
    rejected: list[StoredChange] = field(default_factory=list)
    deltas: DeltaStats = NO_DELTAS


@dataclass(frozen=True, slots=True)
class Recorded:
    """What recording one answer did."""

    made_progress: bool
    needs_whole: bool
    left_open: bool


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: the changes it carries and their text, where its page starts, and which collections it is about."""

    batch: Batch
    changes: bytes
    cursor: int
    limit: int
    whole: bool = False
    collection: str | None = None


def record_answer(
    engine: StorageEngine, ask: Ask, answer: ReceivedAnswer, *, stamp: str, wants_facts: bool
) -> tuple[Recorded, RoundOutcome, list[DocumentChanged]]:
    """Write one answer: results and conflicts, then the page; all in the caller's transaction."""
    did = RoundOutcome()
    replica = engine.replica()
    pushes = answer.pushes if ask.collection is None else replica.pushes
    if (replica.epoch, replica.run, replica.pushes) != (answer.epoch, answer.run, pushes):
        engine.save_replica(replace(replica, epoch=answer.epoch, run=answer.run, pushes=pushes))
    did.conflicts = record_conflicts(engine, answer.conflicts, stamp)
    note_numbers(engine, answer.views)
    if not replica.cursor:
        note_first_sent(engine, answer.results)
    settled = settle(engine, ask.batch.changes, answer.results)
    did.pushed, did.rejected = settled.acknowledged, settled.rejected
    did.deltas = pushed_sizes(ask.batch)
    needs_whole, facts = False, list[DocumentChanged]()
    if ask.limit:
        resets = tuple(answer.resets) if isinstance(answer.resets, list) else ()
        page = Page(ask.cursor, answer.cursor, answer.server_changes, not answer.has_more, ask.collection, resets)
        applied = apply_page(engine, page, wants_facts=wants_facts)
        did.pulled, facts, needs_whole = applied.pulled, applied.facts, applied.needs_whole
        did.deltas += DeltaStats(applied.sent_bytes, applied.full_bytes, applied.pulled)
        if not needs_whole and not ask.cursor:
            note_floor(engine, ask.collection, answer.floor or 0)
        if not needs_whole:
            close_conflicts(engine, answer.resolved)
        if page.is_last and page.collection is None and not needs_whole and engine.has_marks(Mark.LEAVING):
            facts = [*facts, *drop_left(engine)]
    if answer.missing_attachments:
        send_again(engine, answer.missing_attachments)
    if answer.hlc:
        note_seen_stamp(engine, answer.hlc)
    made_progress = bool(settled.acknowledged or settled.rejected or settled.asked_in_full)
    left_open = settled.acknowledged + len(settled.rejected) < len(ask.batch.changes)
    return Recorded(made_progress, needs_whole, left_open), did, facts


def checked(ask: Ask, recorded: Recorded) -> Recorded:
    """Return what recording did; raise when the answer led nowhere."""
    if (recorded.needs_whole and ask.whole) or (recorded.left_open and not recorded.made_progress):
        raise ProtocolError("the server's answer settles nothing and leads nowhere; stopped asking")
    return recorded


def settles_everything(ask: Ask, answer: ReceivedAnswer) -> bool:
    """Return whether every change is settled as it was sent, so that the next request need not wait for the disk."""
    return all(
        (result.original or result.status) in ("applied", "merged", "conflict")
        and (not result.actor or (result.actor, result.counter) == (change.actor, change.counter))
        for change, result in zip(ask.batch.changes, answer.results, strict=False)
    )
