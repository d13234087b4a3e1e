"""A decision that somebody made is taken back where it changed the document, and nowhere else."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from solidb_sync.model.delta import apply_delta, diff, parse_path, paths_overlap, same_value, value_at
from solidb_sync.reconcile.joined_sides import Side
from solidb_sync.reconcile.resolution import overruled_by, taken_back

values = st.sampled_from([1, 2, "s", None, [1]])
inner = st.dictionaries(st.sampled_from(["a", "b", "c"]), values, max_size=3)
documents = st.fixed_dictionaries({}, optional={"x": values, "y": values, "in": inner | values, "new": values})
elsewhere = st.dictionaries(st.sampled_from(["later", "x", "y"]), values, max_size=2)


@settings(deadline=None, max_examples=300)
@given(documents | st.none(), documents | st.none(), elsewhere)
def test_what_a_decision_changed_is_as_before_and_later_edits_of_other_paths_stay(
    before: dict[str, Any] | None, target: dict[str, Any] | None, later: dict[str, Any]
) -> None:
    overruled = overruled_by(target, before)
    paths = [parse_path(text) for text in overruled.written]
    edits = {name: value for name, value in later.items() if not any(paths_overlap((name,), path) for path in paths)}
    current = target if target is None and not edits else {**(target or {}), **edits}
    undone = taken_back(overruled, current) or {}
    assert same_value(undone, {**(before or {}), **edits})


@settings(deadline=None, max_examples=300)
@given(documents, documents, documents)
@example({"in": {"a": 1}}, {"in": {}}, {"in": {"a": 2}})  # the whole object was decided about
@example({"in": {"a": 1, "b": 1}}, {"in": {"b": 1}}, {"in": {"a": 2, "b": 2}})
def test_wherever_somebody_wrote_since_the_decided_paths_are_as_before(
    before: dict[str, Any], target: dict[str, Any], current: dict[str, Any]
) -> None:
    """Also when a later edit has replaced the object they are in, and others are kept where they don't touch them."""
    overruled = overruled_by(target, before)
    undone = taken_back(overruled, current)
    assert undone is not None
    paths = [parse_path(text) for text in overruled.written]
    for path in paths:
        (was_there, was), (is_there, now) = value_at(before, path), value_at(undone, path)
        assert (is_there, same_value(now, was)) == (was_there, True)
    for name in set(current) - {path[0] for path in paths}:
        assert same_value(undone[name], current[name])
    if ("in",) not in paths and all(isinstance(each.get("in"), dict) for each in (before, target, current)):
        for name in set(current["in"]) - {path[-1] for path in paths if path[0] == "in"}:
            assert same_value(undone["in"][name], current["in"][name])


def test_a_decision_that_made_a_document_is_taken_back_by_deleting_it() -> None:
    assert taken_back(overruled_by({"x": 1}, None), {"x": 1}) is None
    assert taken_back(overruled_by({"x": 1}, None), {"x": 1, "later": 2}) == {"later": 2}


def test_a_decision_to_delete_is_taken_back_by_the_document_it_deleted() -> None:
    overruled = overruled_by(None, {"x": 1, "y": 2})
    assert taken_back(overruled, None) == {"x": 1, "y": 2}
    assert taken_back(overruled, {"x": 9, "later": 3}) == {"x": 1, "y": 2, "later": 3}


def test_a_decision_that_changes_nothing_overrules_nothing() -> None:
    assert overruled_by({"x": 1}, {"x": 1}) == Side({"x": 1}, ())
    assert apply_delta({"x": 1}, diff({"x": 1}, {"x": 1})) == {"x": 1}
