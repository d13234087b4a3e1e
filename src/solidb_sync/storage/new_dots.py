"""New dots for changes that wait: when a store begins a new life, or changes go out later than others made after them."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from solidb_sync.model.version_vector import EMPTY_VECTOR, Dot, VersionVector
from solidb_sync.protocol.messages import FormerDot, WireChange
from solidb_sync.protocol.names import actor_belongs_to
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.outbox import Applied, Place, has_operations, hold
from solidb_sync.storage.overlay import rebuild
from solidb_sync.storage.records import StoredChange
from solidb_sync.storage.text_forms import decode_change, encode_change


def readdress(
    engine: StorageEngine,
    changes: list[StoredChange],
    *,
    known: Mapping[str, Applied] | None = None,
    lost: Dot | None = None,
) -> None:
    """Give all pending changes new dots of the current incarnation, under the same ids; hold the `known` ones instead.

    `known` are the changes that the server has applied already, as it recorded them. The others are appended anew, so
    that the order of ids stays the order of counters. What an edit had seen stays what it had seen: only the dots of our own
    earlier edits are exchanged in its base. `lost` is the newest dot of the life in which the server lost its past: an
    operation on a replicated field may be known to others by a dot of that life, and keeps it beside the new one.
    """
    by_document: dict[Place, _Moving] = {}
    for change in changes:
        moving = by_document.setdefault((change.collection, change.key), _Moving(lost))
        applied = (known or {}).get(change.change_id)
        if applied is None:
            moving.move(engine, change)
        else:
            moving.hold(engine, change, applied)
    for place in by_document:
        rebuild(engine, *place)


class _Moving:
    """The changes of one document on the way to new dots: which dots of ours the next one is made on top of."""

    def __init__(self, lost: Dot | None) -> None:
        self._lost = lost
        self._earlier: dict[str, tuple[int, VersionVector]] = {}
        """Of each name that earlier changes were counted under, the highest count of them, and the dots they have now."""
        self._before: dict[Dot, int] = {}
        """Of each edit that counts by the dot of an earlier life, its actor's edit of the document before it."""
        self._accepted: dict[str, int] = {}
        """Of each name this store has counted under, the dots that the server has."""

    def move(self, engine: StorageEngine, change: StoredChange) -> None:
        """Append a change under a new dot, in place of the old one."""
        wire = self._rebased(change)
        wire.former = self._former(engine, change, wire)
        dot = engine.next_dot()
        wire.counter = dot.counter
        self._note(change, dot)
        engine.drop_changes([change.id])
        engine.add_change(replace(change, actor=dot.actor, counter=dot.counter, wire=encode_change(wire)))

    def _former(self, engine: StorageEngine, change: StoredChange, wire: WireChange) -> FormerDot | UnsetType:
        """Return the first dot under which others may know the operations of a change."""
        before = decode_change(change.wire).base_version.get(change.actor, 0)
        if wire.former is not UNSET:
            self._before[Dot(change.actor, change.counter)] = before
            return wire.former if actor_belongs_to(wire.former.actor, engine.replica().client_id) else UNSET
        if self._lost is None or change.actor != self._lost.actor or not has_operations(change):
            return UNSET
        return FormerDot(change.actor, change.counter, self._lost.counter, self._counted_by_itself(change.actor, before))

    def _counted_by_itself(self, actor: str, counter: int) -> int:
        """Return this edit, or the next one before it, that counts by its own dot: no vector need ever name the others."""
        while (found := self._before.get(Dot(actor, counter))) is not None:
            counter = found
        return counter

    def hold(self, engine: StorageEngine, change: StoredChange, applied: Applied) -> None:
        """Hold a change under the dot that the server has recorded."""
        wire, (actor, counter) = self._rebased(change), applied.dot
        self._note(change, applied.dot)
        held = replace(change, actor=actor, counter=counter, answered=applied.seq, wire=encode_change(wire))
        hold(engine, held)

    def _rebased(self, change: StoredChange) -> WireChange:
        """Return the change with a base that has our earlier edits under the dots they have now."""
        wire = decode_change(change.wire)
        seen = dict(wire.base_version)
        own = seen.pop(change.actor, 0)
        accepted = self._accepted.setdefault(change.actor, own)  # the oldest change was made on top of those
        if accepted:
            seen[change.actor] = accepted
        base = VersionVector(seen)
        for actor, (highest, dots) in self._earlier.items():
            if actor == change.actor or wire.base_version.get(actor, 0) >= highest:
                base = base.merge(dots)  # what was made under another name, and put away meanwhile, it has not seen
        wire.base_version = dict(base)
        return wire

    def _note(self, change: StoredChange, dot: Dot) -> None:
        highest, dots = self._earlier.get(change.actor, (0, EMPTY_VECTOR))
        self._earlier[change.actor] = max(highest, change.counter), dots.with_dot(dot)
