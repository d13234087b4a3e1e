"""A new life of a store begins, and a resync ends: what that means for the records."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from solidb_sync.client.conflict_refetch import fetch_again
from solidb_sync.model.version_vector import Dot
from solidb_sync.protocol.messages import RegisterAnswer
from solidb_sync.storage.departures import drop_row
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.known_versions import Covered
from solidb_sync.storage.other_users import readdress_all
from solidb_sync.storage.outbox import Applied
from solidb_sync.storage.overlay import rebuild
from solidb_sync.storage.records import ChangeState, Mark


def applied_changes(answer: RegisterAnswer) -> dict[str, Applied]:
    """Return the changes of ours that the server says it has, by their ids."""
    return {change_id: Applied(Dot(actor, counter), seq) for change_id, (actor, counter, seq) in answer.known.items()}


def new_incarnation(
    engine: StorageEngine, incarnation: int, known: Mapping[str, Applied], *, has_server_lost: bool = False
) -> None:
    """Take a new actor name; changes the server has not applied get new dots of it, in the same order.

    `has_server_lost`: the server has lost its past, so others may have changes that it does not know any more.
    """
    old = engine.replica()
    # a store that may be a copy can have used its dots for other edits before: they prove nothing
    lost = Dot(old.actor, old.counter) if has_server_lost and not old.must_renew else None
    engine.save_replica(replace(old, incarnation=incarnation, counter=0, settled=0, pushes=0, must_renew=False))
    readdress_all(engine, known=known, lost=lost)
    fetch_again(engine)
    engine.clear_marks(Mark.GHOST)


def finish_resync(engine: StorageEngine) -> None:
    """Drop what the server no longer has; a document with changes of ours was deleted there, and they lie over that.

    Changes the server took before the end of what was fetched went with their document: nothing will bring them back.
    """
    replica = engine.replica()
    covered = Covered(replica)
    for collection, key in engine.unseen():
        if collection not in covered:
            continue  # nothing was fetched of it
        changes = engine.changes_of(collection, key)
        engine.drop_changes(
            change.id for change in changes if change.state is ChangeState.HELD and 0 < change.answered <= replica.cursor
        )
        base = engine.base(collection, key)
        if not engine.has_changes_of(collection, key):
            drop_row(engine, collection, key)
        elif base is not None:
            engine.put_base(collection, key, replace(base, is_deleted=True))
            rebuild(engine, collection, key)
    engine.clear_unseen()
    engine.clear_marks(Mark.EVICTED)  # all that the server has is here again
    engine.save_replica(replace(engine.replica(), is_resyncing=False))
