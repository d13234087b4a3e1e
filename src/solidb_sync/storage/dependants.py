"""Which changes of this device stand or fall together with one of them."""

from __future__ import annotations

from solidb_sync.protocol.limits import CHANGES_PER_BATCH_MAX
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.records import StoredChange

Place = tuple[str, str]


def dependants(engine: EngineReader, change: StoredChange, *, with_earlier: bool = False) -> list[StoredChange]:
    """Return, oldest first, a change and all others in its state that depend on it, however indirectly.

    A later change of the same document was made on top of an earlier one; the members of a transaction are applied all or
    none. `with_earlier` also takes the earlier changes of the same documents.
    """
    found: dict[int, StoredChange] = {}
    walked: dict[Place, int] = {}
    transactions = {""}
    waiting = [change]
    while waiting:
        one = waiting.pop()
        found[one.id] = one
        place = (one.collection, one.key)
        if walked.get(place, one.id + 1) > one.id:
            walked[place] = 0 if with_earlier else one.id
            waiting += [
                other
                for other in engine.changes_of(*place)
                if other.state is one.state and other.id not in found and (with_earlier or other.id > one.id)
            ]
        if one.transaction not in transactions:
            transactions.add(one.transaction)
            waiting += [other for other in _members(engine, one) if other.id not in found]
    return [found[number] for number in sorted(found)]


def _members(engine: EngineReader, change: StoredChange) -> list[StoredChange]:
    """Return the changes of a transaction: its members are recorded, and given new dots, one right after the other."""
    first = max(0, change.id - 1 - CHANGES_PER_BATCH_MAX)
    near = engine.changes(state=change.state, after=first, limit=2 * CHANGES_PER_BATCH_MAX + 1)
    return [other for other in near if other.transaction == change.transaction]
