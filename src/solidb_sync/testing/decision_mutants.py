"""Deliberate bugs of what people decide by hand, and take back."""

from __future__ import annotations

from typing import Any

from solidb_sync.reconcile import joined_sides, resolution
from solidb_sync.server import conflict_records
from solidb_sync.server.working_set import WorkingSet
from solidb_sync.storage import edits, quarantine, resolutions
from solidb_sync.testing.planter import Mutant, Planter


def decisions_close_nothing(patch: Planter) -> None:
    """The server takes a decision for an edit like any other, and keeps the conflict open."""
    patch.setattr(WorkingSet, "resolve_conflicts", lambda *_: None)


def own_side_not_laid_over(patch: Planter) -> None:
    """A device's own side is accepted, and the document stays as it is."""
    original = resolution.decided

    def decided(sides: Any, choice: Any, current: Any) -> Any:
        return current if choice.kind == resolution.ACCEPT_LOCAL else original(sides, choice, current)

    patch.setattr(resolutions, "decided", decided)


def older_side_over_merged_fields(patch: Planter) -> None:
    """Where two conflicts become one, the older brings back what a later edit had written beside the newer."""
    original = joined_sides.joined
    patch.setattr(conflict_records, "joined", lambda older, newer, _: original(older, newer))


def undoing_changes_nothing(patch: Planter) -> None:
    """A decision that is taken back leaves the document as it is."""
    for name in ("undone", "taken_back"):
        patch.setattr(resolutions, name, lambda _, current: current)


def refused_decisions_stay_decided(patch: Planter) -> None:
    """A conflict whose decision was refused, and given up, is open at the server and nowhere else."""
    for module in (edits, quarantine):
        patch.setattr(module, "reopen_conflicts", lambda *_: None)


DECISION_MUTANTS: tuple[Mutant, ...] = (
    decisions_close_nothing,
    own_side_not_laid_over,
    older_side_over_merged_fields,
    undoing_changes_nothing,
)
REFUSED_DECISION_MUTANTS: tuple[Mutant, ...] = (refused_decisions_stay_decided,)
