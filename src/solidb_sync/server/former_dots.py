"""Operations that may be known here by another dot already, after this server has lost a part of its history.

Their author sends them again under a new life (`former` in a change: the dot they had before). Meanwhile another device may
have offered a version which includes them; or it will do so later, with states that count them under the old name. So the
old dot stays the one under which operations count: a version that covers it has them, and any other gets them under it,
where joining states finds them equal. Only operations: what became of a plain edit is judged anew, as its author does not
know how it was decided. See docs/PROTOCOL.md, "A server that went back in time".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from solidb_sync.model.crdt.field_states import Operations
from solidb_sync.model.version_vector import EMPTY_VECTOR, Dot
from solidb_sync.reconcile.decision import Edit, Version
from solidb_sync.server.proposed_change import ProposedChange
from solidb_sync.server.working_set import WorkingSet


@dataclass(frozen=True, slots=True)
class CountedAs:
    """An edit, the operations of it that are still to be applied, and the dot under which they count."""

    edit: Edit
    operations: Operations
    dot: Dot
    is_former: bool = False


def counted_as(working: WorkingSet, change: ProposedChange, edit: Edit, current: Version | None) -> CountedAs:
    """Return how the operations of a change count.

    A device that had no answer since can't know that the server lost its past, and sends what it had sent before, under the
    same dots: what is in a version that was offered meanwhile is done. A former dot holds when everything that its life did
    to this document before it is here: an entry of a vector speaks for all edits up to it. And it holds only if that life
    never got further than its author knows: a device that was put back to a backup has used its dots twice.
    """
    vector = EMPTY_VECTOR if current is None else current.vector
    former = change.former
    if former is None and change.operations and working.was_offered(edit.dot) and vector.covers(edit.dot):
        return CountedAs(_without_operations(edit), {}, edit.dot, is_former=True)
    if former is None or working.has_seen_more(former):
        return CountedAs(edit, change.operations, edit.dot)
    dot = Dot(former.actor, former.counter)
    if vector.covers(dot):
        return CountedAs(_without_operations(edit), {}, dot, is_former=True)
    if vector.counter(former.actor) < former.after:
        return CountedAs(edit, change.operations, edit.dot)
    return CountedAs(edit, change.operations, dot, is_former=True)


def _without_operations(edit: Edit) -> Edit:
    """Return what is left of an edit: nothing, when it had only operations, whatever has become of the document."""
    has_plain_part = bool(edit.delta if edit.delta is not None else edit.document)
    return edit if has_plain_part else replace(edit, only_closes=True)
