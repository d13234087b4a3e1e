"""Forget what nobody needs any more: old tombstones, and vectors longer than what anybody can still be concurrent with.

Both wait for *causal stability*: the sequence up to which every live device has everything, and had it already when it made
the edits that it has still to send (`stable` in its requests). A device that was not here for the retention time is not
waited for. When it comes again it is told to fetch everything again (the floor, `server/history`), and its unsent edits are
judged by the sequence that each was made on (`base_seq`).

A tombstone goes when it is stable and older than the retention time. A stable document with several entries in its vector
gets the vector `{"server": seq}`, and its field dots become one. Documents with replicated fields keep theirs: the states
of the fields are joined by them.

Source: causal stability as in C. Baquero et al., "Making Operation-Based CRDTs Operation-Based", DAIS 2014.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from solidb_sync.json_value import decode
from solidb_sync.model.field_dots import SERVER_ACTOR, FieldDots
from solidb_sync.model.version_vector import Dot, VersionVector
from solidb_sync.server.databases import Database
from solidb_sync.server.storage.backend import WriteSession
from solidb_sync.server.storage.maintenance import Knowledge

DOCUMENTS_AT_ONCE = 1_000
"""How many documents one transaction looks at, so that pushes need not wait long."""
PORTIONS_MAX = 10_000
"""How many such transactions one maintenance runs; the next one goes on."""


@dataclass(slots=True)
class Maintained:
    """What a maintenance did, the sequence up to which everything was stable, and the floor afterwards."""

    tombstones_collected: int = 0
    vectors_compacted: int = 0
    stable: int = 0
    floor: int = 0
    is_done: bool = False


async def maintain(database: Database, *, now_ms: Callable[[], int], retention_ms: int) -> Maintained:
    """Collect and compact all that can be, in short transactions; may be broken off at any time."""
    total = Maintained()
    await database.write(lambda _: None)  # the notes on devices go first: they say what is stable
    for _ in range(PORTIONS_MAX):
        did = await database.write(lambda session: maintain_portion(session, now_ms=now_ms(), retention_ms=retention_ms))
        total.tombstones_collected += did.tombstones_collected
        total.vectors_compacted += did.vectors_compacted
        total.stable, total.floor = did.stable, did.floor
        if did.is_done:
            total.is_done = True
            break
    return total


def maintain_portion(session: WriteSession, *, now_ms: int, retention_ms: int) -> Maintained:
    """Collect and compact at most so many documents."""
    newest = session.head().newest
    least = session.least_stable(seen_since_ms=now_ms - retention_ms)
    stable = newest if least is None else min(least, newest)
    tombstones = session.old_tombstones(upto=stable, deleted_before_ms=now_ms - retention_ms, limit=DOCUMENTS_AT_ONCE)
    session.drop_tombstones(tombstones)
    session.forget_copies(noticed_before_ms=now_ms - retention_ms)
    after = session.compacted()
    shortened: list[Knowledge] = []
    if stable > after:
        upto = session.scan_end(after, stable, limit=DOCUMENTS_AT_ONCE)
        known = session.documents_between(after, upto, limit=DOCUMENTS_AT_ONCE)
        shortened = [compacted(document) for document in known if is_long(document)]
        session.save_compacted(shortened, upto)
        after = upto
    return Maintained(
        tombstones_collected=len(tombstones),
        vectors_compacted=len(shortened),
        stable=stable,
        floor=session.head().floor,
        is_done=len(tombstones) < DOCUMENTS_AT_ONCE and after >= stable,
    )


def is_long(document: Knowledge) -> bool:
    """Return whether a document's vector or its dots have more than one entry."""
    return len(decode(document.vector)) > 1 or len(decode(document.dots)) > 1


def compacted(document: Knowledge) -> Knowledge:
    """Return what says the same to all for whom the document is stable, in one entry: the server's own, by the sequence.

    The stamp of the latest write stays, so that a strategy that goes by stamps still has one to compare with.
    """
    dot = Dot(SERVER_ACTOR, document.seq)
    stamp = max(write.stamp for write in FieldDots.from_json(document.dots).writes())
    return document._replace(
        vector=VersionVector({dot.actor: dot.counter}).to_json().decode(),
        dots=FieldDots.created(dot, document.seq, stamp).to_json().decode(),
    )
