"""Deliberate bugs of one feature each: transactions, conflict strategies, replicated fields, filters and more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from solidb_sync.json_value import decode
from solidb_sync.model.delta import path_text
from solidb_sync.model.delta_policy import DeltaPolicy
from solidb_sync.reconcile import crdt_merge, decision
from solidb_sync.reconcile.strategy import LAWS, Side, Strategy
from solidb_sync.server import apply_changes, collect_changes, judge_change, proposed_change
from solidb_sync.server.views import selected_changes
from solidb_sync.server.working_set import WorkingSet
from solidb_sync.storage import sent_form
from solidb_sync.testing.attachment_mutants import ATTACHMENT_MUTANTS
from solidb_sync.testing.client_mutants import RARE_CLIENT_MUTANTS
from solidb_sync.testing.decision_mutants import DECISION_MUTANTS, REFUSED_DECISION_MUTANTS
from solidb_sync.testing.eviction_mutants import EVICTION_MUTANTS
from solidb_sync.testing.planter import Mutant, Planter
from solidb_sync.testing.reset_mutants import RESET_MUTANTS
from solidb_sync.testing.sealing_mutants import SEALING_MUTANTS
from solidb_sync.testing.simulated_world import FEATURES
from solidb_sync.testing.status_mutants import FILTERED_STATUS_MUTANTS, REFUSED_STATUS_MUTANTS, STATUS_MUTANTS


def strategies_ignored(patch: Planter) -> None:
    """Every conflict is decided by last write wins, whatever its device has asked for."""
    patch.setattr(WorkingSet, "strategy", lambda *_: Strategy.LAST_WRITE_WINS)


def first_write_wins_half(patch: Planter) -> None:
    """Of an edit that is overruled whole the fields that do not overlap are written all the same."""
    laws = {**LAWS, Strategy.FIRST_WRITE_WINS: replace(LAWS[Strategy.FIRST_WRITE_WINS], by_path=True)}
    patch.setattr(decision, "LAWS", laws)


def _overlap_taken(patch: Planter, strategy: Strategy) -> None:
    patch.setattr(decision, "LAWS", {**LAWS, strategy: replace(LAWS[strategy], overlap=Side.ARRIVING)})


def manual_merges_not_left_open(patch: Planter) -> None:
    """`merge_fields:manual` decides overlapping fields by arrival, as `merge_fields` does, and asks nobody."""
    _overlap_taken(patch, Strategy.MERGE_FIELDS_MANUAL)


def custom_conflicts_not_left_open(patch: Planter) -> None:
    """The server decides itself what the function of a `custom` strategy has to decide."""
    _overlap_taken(patch, Strategy.CUSTOM)


def operations_of_overruled_edits_applied_twice(patch: Planter) -> None:
    """An increment that meets a version its author has not seen is counted twice."""
    original = crdt_merge.put_fields_in

    def put_fields_in(decided: Any, fields: Any, *rest: Any, **options: Any) -> Any:
        done = original(decided, fields, *rest, **options)
        if decided.is_fast_forward:
            return done
        return original(done.decision, fields, rest[0], done.states, **options)

    patch.setattr(judge_change, "put_fields_in", put_fields_in)


def states_forgotten_with_the_document(patch: Planter) -> None:
    """A deletion forgets the states of the fields: counts begin anew when the document comes back."""
    original = WorkingSet.crdt_states

    def crdt_states(self: Any, name: Any) -> Any:
        current, _ = self.current(name)
        return {} if current is not None and current.document is None else original(self, name)

    patch.setattr(WorkingSet, "crdt_states", crdt_states)


def nothing_leaves(patch: Planter) -> None:
    """A document that stops matching a filter is no longer sent, and stays where it is."""
    patch.setattr(selected_changes, "_taken_away", lambda *_, **__: (None, 0, None))


def pushed_rows_not_in_the_view(patch: Planter) -> None:
    """A document that a device pushes is not noted as held by it, and never taken away from it."""
    patch.setattr(apply_changes, "take_into_views", lambda *_, **__: None)


def filters_passed_over(patch: Planter) -> None:
    """Everything matches every filter."""
    patch.setattr(selected_changes, "_matches", lambda *_: True)


def pages_cut_transactions(patch: Planter) -> None:
    """A page ends where it ends: of a transaction that reaches beyond it a part is shown."""
    for module in (collect_changes, selected_changes):
        patch.setattr(module, "entries_with", lambda *_, **__: [])


def members_judged_one_by_one(patch: Planter) -> None:
    """Of a transaction the server takes what it finds good, and refuses the rest."""

    def judged(working: Any, unit: Any, own_entry: int, _: Any) -> Any:
        return [apply_changes._judge_member(working, change, own_entry) for change in unit]

    patch.setattr(apply_changes, "_judge_transaction", judged)


def thresholds_passed_over(patch: Planter) -> None:
    """Fields are sent whenever they are shorter than the document, whatever their device has asked for."""

    def sends_fields(_: Any, collection: str, *, delta_bytes: int, document_bytes: int) -> bool:
        return delta_bytes < document_bytes

    patch.setattr(DeltaPolicy, "sends_fields", sends_fields)


def whole_forms_write_every_field(patch: Planter) -> None:
    """An edit that comes with its whole document is taken to have written all of it."""
    original = proposed_change._take_delta

    def take_delta(change: Any, wire: Any) -> Any:
        if wire.fields and not wire.unset:
            wire = msgspec.structs.replace(wire, fields=[path_text((name,)) for name in decode(change.document)])
        return original(change, wire)

    patch.setattr(proposed_change, "_take_delta", take_delta)


def whole_forms_remove_nothing(patch: Planter) -> None:
    """An edit that goes out with its whole document forgets which fields it has removed."""
    original = sent_form._with_document

    def with_document(wire: Any, document: bytes) -> str:
        return original(msgspec.structs.replace(wire, unset=[]), document)

    patch.setattr(sent_form, "_with_document", with_document)


TRANSACTION_MUTANTS: tuple[Mutant, ...] = (pages_cut_transactions,)
REFUSED_TRANSACTION_MUTANTS: tuple[Mutant, ...] = (members_judged_one_by_one,)
DELTA_MUTANTS: tuple[Mutant, ...] = (thresholds_passed_over, whole_forms_write_every_field, whole_forms_remove_nothing)
STRATEGY_MUTANTS: tuple[Mutant, ...] = (
    strategies_ignored,
    first_write_wins_half,
    manual_merges_not_left_open,
    custom_conflicts_not_left_open,
)
FIELD_MUTANTS: tuple[Mutant, ...] = (operations_of_overruled_edits_applied_twice, states_forgotten_with_the_document)
FILTER_MUTANTS: tuple[Mutant, ...] = (nothing_leaves, pushed_rows_not_in_the_view, filters_passed_over)

FEATURE_MUTANTS: tuple[tuple[frozenset[str], tuple[Mutant, ...]], ...] = (
    (frozenset(), TRANSACTION_MUTANTS),
    (frozenset({"rejections"}), REFUSED_TRANSACTION_MUTANTS),
    (frozenset({"deltas"}), DELTA_MUTANTS),
    (frozenset({"status"}), STATUS_MUTANTS),
    (frozenset({"status", "filters"}), FILTERED_STATUS_MUTANTS),
    (frozenset({"status", "rejections"}), REFUSED_STATUS_MUTANTS),
    (frozenset({"resets"}), RESET_MUTANTS),
    (frozenset({"sealed"}), SEALING_MUTANTS),
    (frozenset({"strategies"}), STRATEGY_MUTANTS),
    (frozenset({"fields"}), FIELD_MUTANTS),
    (frozenset({"filters"}), FILTER_MUTANTS),
    (frozenset({"decisions"}), DECISION_MUTANTS),
    (frozenset({"decisions", "resets", "rejections"}), REFUSED_DECISION_MUTANTS),
    (frozenset({"evictions"}), EVICTION_MUTANTS),
    (frozenset({"attachments"}), ATTACHMENT_MUTANTS),
    (FEATURES, RARE_CLIENT_MUTANTS),
)
