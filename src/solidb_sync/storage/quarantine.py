"""The quarantine: changes the server refused for good, kept with its reason until somebody decides.

A refused change takes only its dependants with it: later changes of the same document, which were made on top of it, and
the members of its transaction, which are all applied or none. Everything else goes on. What can become of a change in
quarantine: it is *retried* (under a new change id and a new dot, because the server answers the old id with the old
refusal), it is *discarded*, or a new edit of its document *takes it over*: the edit is then made of everything that the
user sees, so the server gets it whole and nothing of the refused change is lost.

Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from solidb_sync.json_value import decode
from solidb_sync.storage.conflict_log import reopen_conflicts
from solidb_sync.storage.departures import show_without
from solidb_sync.storage.dependants import dependants
from solidb_sync.storage.edits import DocumentChanged
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.new_dots import readdress
from solidb_sync.storage.records import ChangeState, StoredChange, StoredRow
from solidb_sync.storage.text_forms import decode_change, encode_change

Place = tuple[str, str]


def retry_rejected(engine: StorageEngine, number: int, mint_id: Callable[[], str]) -> bool:
    """Send a refused change again, with what it was made upon and what depends on it; False when there is none."""
    refused = _refused(engine, number)
    if refused is None:
        return False
    group = dependants(engine, refused, with_earlier=True)
    pending: list[StoredChange] = []
    for change in group:
        wire = decode_change(change.wire)
        wire.id = mint_id()
        if wire.transaction:
            wire.transaction_size = sum(change.transaction == other.transaction for other in group)
        text = encode_change(wire)
        pending.append(replace(change, state=ChangeState.PENDING, change_id=wire.id, needs_full=False, wire=text, reason=""))
    readdress(engine, pending)
    return True


def discard_rejected(engine: StorageEngine, number: int) -> list[DocumentChanged] | None:
    """Forget a refused change and what depends on it; return how documents changed, None when there is none."""
    refused = _refused(engine, number)
    if refused is None:
        return None
    group = dependants(engine, refused)
    places = list(dict.fromkeys((change.collection, change.key) for change in group))
    before = {place: engine.row(*place) for place in places}
    engine.drop_changes(change.id for change in group)
    reopen_conflicts(engine, group)
    for place in places:
        show_without(engine, place)
    return [fact for place in places if (fact := _fact(place, before[place], engine.row(*place))) is not None]


def _refused(engine: EngineReader, number: int) -> StoredChange | None:
    found = engine.changes(state=ChangeState.REJECTED, after=number - 1, limit=1)
    return found[0] if found and found[0].id == number else None


def _fact(place: Place, before: StoredRow | None, after: StoredRow | None) -> DocumentChanged | None:
    old, new = (None if row is None or row.body is None else decode(row.body) for row in (before, after))
    if old == new:
        return None
    return DocumentChanged(place[0], place[1], new, old, "{}" if after is None else after.vector, "local")
