"""What each strategy makes of two sides, and the laws that hold whatever the order: pure, without devices or a server."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solidb_sync.model.delta import diff, same_value
from solidb_sync.model.field_dots import FieldDots
from solidb_sync.model.hybrid_clock import stamp_text
from solidb_sync.model.version_vector import EMPTY_VECTOR, Causality, Dot, VersionVector
from solidb_sync.reconcile.decision import Decision, Edit, Operation, Version, Winner, decide
from solidb_sync.reconcile.joined_sides import Side, joined
from solidb_sync.reconcile.resolution import Choice, Sides, decided, undone
from solidb_sync.reconcile.strategy import LAWS, Strategy

MAKER = Dot("maker", 1)
BASE = VersionVector({"maker": 1})
START = {"x": 0, "y": 0, "in": {"a": 0, "b": 0}}
OPEN = (Strategy.MANUAL, Strategy.CUSTOM)


def start() -> Version:
    return Version(START, EMPTY_VECTOR.with_dot(MAKER), FieldDots.created(MAKER, 1, stamp_text(1)))


def edit(actor: str, after: dict[str, Any] | None, at: int, base: VersionVector = BASE) -> Edit:
    """Return the edit that makes `after` of the start, stamped `at`."""
    dot = Dot(actor, 1)
    if after is None:
        return Edit(Operation.DELETE, base, dot, stamp=stamp_text(at))
    return Edit(Operation.UPDATE, base, dot, after, diff(START, after), stamp_text(at))


def run(strategy: Strategy, *edits: Edit) -> list[Decision]:
    """Return the outcomes of edits that arrive in this order."""
    current, outcomes = start(), []
    for seq, one in enumerate(edits, start=2):
        outcome = decide(current, one, seq=seq, trusted_base=one.base, strategy=strategy)
        assert outcome is not None
        outcomes.append(outcome)
        current = outcome.version
    return outcomes


@pytest.mark.parametrize(
    ("one", "other", "causality"),
    [
        ({}, {}, Causality.EQUAL),
        ({"A": 1}, {"A": 1}, Causality.EQUAL),
        ({"A": 2}, {"A": 1}, Causality.AFTER),
        ({"A": 1}, {}, Causality.AFTER),
        ({}, {"B": 1}, Causality.BEFORE),
        ({"A": 2, "server": 1}, {"B": 2, "server": 1}, Causality.CONCURRENT),
    ],
)
def test_two_vectors_are_equal_after_before_or_concurrent(
    one: dict[str, int], other: dict[str, int], causality: Causality
) -> None:
    """G1: a conflict is possible only when they are concurrent."""
    assert VersionVector(one).compare(VersionVector(other)) is causality


def test_every_strategy_has_a_law() -> None:
    assert set(LAWS) == set(Strategy)


@pytest.mark.parametrize("strategy", list(Strategy))
def test_an_edit_that_knows_everything_is_applied_by_every_strategy(strategy: Strategy) -> None:
    """Invariant 9: no false conflict."""
    for after in ({**START, "x": 1}, None):
        (outcome,) = run(strategy, edit("p", after, 5))
        assert (outcome.is_fast_forward, outcome.clash, outcome.version.document) == (True, None, after)


@settings(deadline=None)
@given(st.sampled_from(list(Strategy)), st.permutations(["x", "y", "in"]))
def test_edits_of_different_fields_come_to_the_same_in_any_order(strategy: Strategy, names: list[str]) -> None:
    """Invariant 22, G4: by every strategy, without a conflict."""
    edits = [edit(f"d{name}", {**START, name: name}, at) for at, name in enumerate(names)]
    outcomes = run(strategy, *edits)
    assert outcomes[-1].version.document == {"x": "x", "y": "y", "in": "in"}
    assert all(outcome.clash is None for outcome in outcomes)


@pytest.mark.parametrize("strategy", [Strategy.FIRST_WRITE_WINS, *OPEN])
def test_an_edit_that_is_not_taken_changes_nothing_but_the_vector(strategy: Strategy) -> None:
    """G3: its dot joins the vector, so that its author learns that it is settled."""
    first, second = run(strategy, edit("p", {**START, "x": 1}, 5), edit("q", {**START, "x": 2, "y": 2}, 6))
    assert second.version.document == first.version.document
    assert second.version.dots == first.version.dots
    assert second.version.vector == {"maker": 1, "p": 1, "q": 1}
    clash = second.clash
    assert clash is not None
    assert clash.arrived == {**START, "x": 2, "y": 2}
    assert (clash.paths, set(clash.written)) == ((("x",),), {("x",), ("y",)})
    assert clash.winner is (Winner.NONE if strategy in OPEN else Winner.PRESENT)


values = st.sampled_from([1, 2, "s", None, [1]])
inner = st.dictionaries(st.sampled_from(["a", "b", "c"]), values, max_size=3)
documents = st.fixed_dictionaries({}, optional={"x": values, "y": values, "in": inner | values, "new": values})


@settings(deadline=None, max_examples=300)
@given(documents, documents, st.booleans())
def test_two_edits_by_stamps_come_to_the_same_in_either_order(
    one: dict[str, Any], other: dict[str, Any], first_is_later: bool
) -> None:
    """Invariant 22 for hybrid clocks, nested fields included."""
    edits = edit("p", one, 6 if first_is_later else 5), edit("q", other, 5 if first_is_later else 6)
    outcomes = [run(Strategy.LAST_STAMP_WINS, *order)[-1].version for order in (edits, edits[::-1])]
    assert same_value(outcomes[0].document, outcomes[1].document)
    assert outcomes[0].vector == outcomes[1].vector


flat = st.dictionaries(st.sampled_from(["x", "y", "z"]), values, max_size=3)


@settings(deadline=None, max_examples=200)
@given(st.lists(flat, min_size=3, max_size=3), st.permutations([5, 6, 7]) | st.just([5, 5, 5]))
def test_three_edits_by_stamps_come_to_the_same_in_every_order(after: list[dict[str, Any]], stamps: list[int]) -> None:
    """Equal stamps are ordered by actor."""
    edits = [edit(f"d{at}", {**START, **each}, stamps[at]) for at, each in enumerate(after)]
    documents = [run(Strategy.LAST_STAMP_WINS, *order)[-1].version.document for order in permutations(edits)]
    assert all(same_value(documents[0], document) for document in documents)


@pytest.mark.parametrize("strategy", [Strategy.MERGE_FIELDS, Strategy.MERGE_FIELDS_MANUAL])
def test_merging_fields_keeps_an_edit_from_a_deletion_in_either_order(strategy: Strategy) -> None:
    edits = edit("p", {**START, "x": 1}, 5), edit("q", None, 6)
    for order in (edits, edits[::-1]):
        outcome = run(strategy, *order)[-1]
        assert outcome.version.document == {**START, "x": 1}
        assert outcome.clash is not None


def test_a_stamp_of_the_past_loses_at_the_fields_both_wrote_and_nowhere_else() -> None:
    edits = edit("p", {**START, "x": 1, "y": 1}, 9), edit("q", {**START, "x": 2, "in": {"a": 2, "b": 0}}, 5)
    outcome = run(Strategy.LAST_STAMP_WINS, *edits)[-1]
    assert outcome.version.document == {"x": 1, "y": 1, "in": {"a": 2, "b": 0}}
    assert outcome.clash is not None
    assert (outcome.clash.winner, outcome.clash.paths) == (Winner.PRESENT, (("x",),))


def test_an_older_conflict_lives_on_in_a_newer_one_where_nothing_lies_over_it() -> None:
    older, newer = Side({"x": 1, "in": {"a": 1}}, ("x", "/in/a")), Side({"x": 2, "in": {"a": 0}}, ("x",))
    assert joined(older, newer) == Side({"x": 2, "in": {"a": 1}}, ("x", "/in/a"))
    assert joined(older, Side(None, ())) == Side(None, ())


SIDES = {"local": Side({"x": "l", "y": "l"}, ("x", "y")), "remote": Side({"x": "r", "y": 0}, ("x",))}
NOW = {"x": "now", "y": "now", "z": "now"}


@pytest.mark.parametrize(
    ("winner", "choice", "outcome"),
    [
        ("", Choice("accept_local"), {"x": "l", "y": "l", "z": "now"}),
        ("", Choice("accept_remote"), NOW),
        ("local", Choice("accept_remote"), {"x": "r", "y": "now", "z": "now"}),
        ("local", Choice("accept_local"), NOW),
        ("remote", Choice("accept_local"), {"x": "l", "y": "l", "z": "now"}),
        ("", Choice("replace", {"w": 1}), {"w": 1}),
        ("", Choice("merge", {"x": "m", "y": 0}), {"x": "m", "y": "now", "z": "now"}),
        ("", Choice("delete"), None),
    ],
)
def test_a_decision_is_made_over_the_document_as_it_is_now(winner: str, choice: Choice, outcome: Any) -> None:
    """G7: only what was at stake changes."""
    assert decided(Sides(**SIDES, winner=winner), choice, NOW) == outcome


@pytest.mark.parametrize(
    ("winner", "lost", "outcome"),
    [
        ("local", (), {"x": "r", "y": "now", "z": "now"}),
        ("remote", (), {"x": "l", "y": "l", "z": "now"}),
        ("both", ("x",), {"x": "l", "y": "now", "z": "now"}),
    ],
)
def test_taking_a_decision_back_brings_the_other_side(winner: str, lost: tuple[str, ...], outcome: Any) -> None:
    assert undone(Sides(**SIDES, winner=winner, lost=lost), NOW) == outcome


@pytest.mark.parametrize("strategy", OPEN)
@pytest.mark.parametrize("after", [None, {"x": 2}])
def test_of_two_who_decide_at_once_the_first_decision_is_taken(strategy: Strategy, after: dict[str, Any] | None) -> None:
    """Each had seen all there is, a tombstone too, and not that the other's edit is open (deciding world, seed 28)."""
    gone = Edit(Operation.DELETE, BASE, Dot("deleter", 1))
    deleted = decide(start(), gone, seq=2, trusted_base=BASE, strategy=strategy)
    assert deleted is not None
    base = deleted.version.vector
    opened = decide(deleted.version, edit("one", {"x": 1}, 3), seq=3, trusted_base=BASE, strategy=strategy)
    assert opened is not None
    assert opened.clash is not None
    assert opened.version.document is None
    operation = Operation.DELETE if after is None else Operation.INSERT
    decision = Edit(operation, base, Dot("two", 1), after, closes=True)
    taken = decide(opened.version, decision, seq=4, trusted_base=base, strategy=strategy)
    assert taken is not None
    assert (taken.clash, taken.version.document, taken.is_fast_forward) == (None, after, False)


@pytest.mark.parametrize("strategy", OPEN)
def test_of_two_decisions_of_what_was_not_deleted_the_second_is_open_again(strategy: Strategy) -> None:
    """It had not seen the first."""
    base = start().vector
    first = Edit(Operation.DELETE, base, Dot("one", 1), closes=True)
    second = Edit(Operation.INSERT, base, Dot("two", 1), {"x": 2}, closes=True)
    once, again = run(strategy, first, second)
    assert once.clash is None
    assert again.clash is not None
    assert again.clash.winner is Winner.NONE


def test_a_decision_that_merged_into_what_was_there_is_taken_back_by_the_side_that_was_not_in_it() -> None:
    """Not by an older version of what is there (deciding world, seeds 60 and 99)."""
    sides = Sides(Side({"x": 1}, ("x",)), Side({"x": 2}, ("x",)), "merged")
    assert undone(sides, {"x": 3, "y": 4}) == {"x": 1, "y": 4}
    assert undone(Sides(Side({"x": 1}, ()), Side(None, ()), "merged"), None) == {"x": 1}
