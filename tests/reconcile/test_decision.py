"""Judging one edit: what its author had seen decides, and nobody's work is lost silently."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solidb_sync.model.delta import Delta, apply_delta, diff, paths_overlap, same_value, value_at
from solidb_sync.model.field_dots import FieldDots
from solidb_sync.model.version_vector import EMPTY_VECTOR, Dot, VersionVector
from solidb_sync.reconcile.decision import Decision, Edit, Operation, Version, decide

names = st.sampled_from(["a", "b", "c", ""])
scalars = st.sampled_from([None, True, 1, 1.0, -0.0, 0.0, "x", "y"])
values = st.recursive(scalars, lambda inner: st.dictionaries(names, inner, max_size=3) | st.lists(inner, max_size=2))
documents = st.dictionaries(names, values, max_size=4)

CREATED = Dot("maker", 1)


def created(document: dict[str, Any]) -> Version:
    """Return the first version of a document."""
    return Version(document, EMPTY_VECTOR.with_dot(CREATED), FieldDots.created(CREATED, 1))


def edit_of(
    old: dict[str, Any], new: dict[str, Any], actor: str, base: VersionVector | None = None, counter: int = 1
) -> Edit:
    """Return the edit that made `new` of `old`, with the author's full document at hand."""
    base = VersionVector({"maker": 1}) if base is None else base
    return Edit(Operation.UPDATE, base, Dot(actor, counter), document=new, delta=diff(old, new))


def without_full(edit: Edit) -> Edit:
    """Return an edit as it is first sent."""
    return Edit(edit.operation, edit.base, edit.dot, None, edit.delta)


def judged(current: Version | None, edit: Edit, seq: int = 2) -> Decision:
    """Return the outcome of an edit that can be told."""
    decision = decide(current, edit, seq=seq, trusted_base=edit.base)
    assert decision is not None
    return decision


def delete(actor: str, base: dict[str, int], counter: int = 1) -> Edit:
    """Return a deletion."""
    return Edit(Operation.DELETE, VersionVector(base), Dot(actor, counter))


def insert(actor: str, document: dict[str, Any], base: dict[str, int] | None = None, counter: int = 1) -> Edit:
    """Return a new document."""
    return Edit(Operation.INSERT, VersionVector(base or {}), Dot(actor, counter), document=document)


# edits that come after what they edit


@settings(deadline=None)
@given(st.lists(documents, min_size=1, max_size=5))
def test_edits_that_know_what_they_edit_never_conflict(versions: list[dict[str, Any]]) -> None:
    """Whoever makes them: each leaves exactly the author's document, without being asked for it in full."""
    current = created(versions[0])
    for seq, (old, new) in enumerate(pairwise(versions), start=2):
        edit = without_full(edit_of(old, new, ["phone", "laptop"][seq % 2], current.vector, counter=seq))
        decision = judged(current, edit, seq)
        assert decision.is_fast_forward
        assert decision.clash is None
        assert same_value(decision.version.document, new)
        assert decision.version.vector == current.vector.with_dot(edit.dot)
        current = decision.version


@settings(deadline=None)
@given(documents, documents)
def test_an_insert_over_a_known_version_replaces_it(old: dict[str, Any], new: dict[str, Any]) -> None:
    """The author saw the whole and gave the whole."""
    decision = judged(created(old), insert("phone", new, {"maker": 1}))
    assert same_value(decision.version.document, new)
    assert (decision.is_fast_forward, decision.clash) == (True, None)


def test_a_device_that_edits_twice_before_it_hears_back_is_not_concurrent_with_itself() -> None:
    """Its second edit was made upon its first."""
    first = judged(created({"v": 0}), edit_of({"v": 0}, {"v": 1}, "phone", counter=1))
    second = edit_of({"v": 1}, {"v": 2}, "phone", VersionVector({"maker": 1, "phone": 1}), counter=2)
    decision = judged(first.version, second, 3)
    assert (decision.is_fast_forward, decision.clash) == (True, None)


# concurrent edits


def fields_of(some: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Return fields with few names, none or several."""
    return st.dictionaries(some, values, max_size=2)


mine = st.sampled_from(["a", "b"])
theirs = st.sampled_from(["c", ""])


@settings(deadline=None)
@given(st.tuples(*[fields_of(names)] * 2, *[fields_of(mine)] * 4, *[fields_of(theirs)] * 4))
def test_concurrent_edits_of_different_fields_commute(drawn: tuple[dict[str, Any], ...]) -> None:
    """In both orders the same document and vector, no conflict, and the effect of both; at the top and inside."""
    old = {**drawn[0], "inner": {**drawn[1], "anchor": 0}}
    sides = []
    for owned, top, inner, keep, keep_inner in ((("a", "b"), *drawn[2:6]), (("c", ""), *drawn[6:10])):
        kept = {name: value for name, value in old.items() if name not in owned or name in keep}
        kept_inner = {name: value for name, value in old["inner"].items() if name not in owned or name in keep_inner}
        sides.append({**kept, **top, "inner": {**kept_inner, **inner}})
    left, right = edit_of(old, sides[0], "phone"), edit_of(old, sides[1], "laptop")
    assert left.delta is not None
    assert right.delta is not None
    assert not any(paths_overlap(one, other) for one in left.delta.paths() for other in right.delta.paths())
    outcomes = []
    for first, second in ((left, right), (right, left)):
        middle = judged(created(old), without_full(first), 2)
        outcome = judged(middle.version, without_full(second), 3)
        assert (outcome.is_fast_forward, outcome.clash) == (False, None)
        outcomes.append(outcome.version)
    assert same_value(outcomes[0].document, outcomes[1].document)
    assert same_value(outcomes[0].document, apply_delta(apply_delta(old, left.delta), right.delta))
    assert outcomes[0].vector == outcomes[1].vector == {"maker": 1, "phone": 1, "laptop": 1}


@settings(deadline=None)
@given(documents, documents, documents)
def test_of_concurrent_edits_the_later_is_in_the_document_and_the_overruled_version_is_kept(
    old: dict[str, Any], one: dict[str, Any], other: dict[str, Any]
) -> None:
    """Every path both wrote with different results is named; the edit that came later has its values everywhere."""
    left, right = edit_of(old, one, "phone"), edit_of(old, other, "laptop")
    assert left.delta is not None
    assert right.delta is not None
    middle = judged(created(old), left, 2).version
    outcome = judged(middle, right, 3)
    assert outcome.version.document is not None
    assert outcome.version.vector == {"maker": 1, "phone": 1, "laptop": 1}
    for path, value in right.delta.values.items():
        found, now = value_at(outcome.version.document, path)
        assert found
        assert same_value(now, value)
    for path in right.delta.removed:
        assert value_at(outcome.version.document, path) == (False, None)
    touched = any(paths_overlap(one_path, path) for one_path in left.delta.paths() for path in right.delta.paths())
    if outcome.clash is not None:
        assert touched
        assert outcome.clash.present == middle
        assert outcome.clash.paths
    for path in left.delta.paths():
        if outcome.clash is None or not any(paths_overlap(path, lost) for lost in outcome.clash.paths):
            assert same_value(value_at(outcome.version.document, path), value_at(one, path)) or any(
                paths_overlap(path, written) for written in right.delta.paths()
            )


@settings(deadline=None)
@given(documents, documents)
def test_the_same_edit_made_on_both_sides_is_no_conflict(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Two people who agree."""
    middle = judged(created(old), edit_of(old, new, "phone"), 2).version
    outcome = judged(middle, edit_of(old, new, "laptop"), 3)
    assert outcome.clash is None
    assert same_value(outcome.version.document, new)


def test_an_overlap_is_a_conflict_decided_for_the_later_edit() -> None:
    """The fields that only one side wrote are kept from both."""
    middle = judged(created({"v": 0, "w": 0}), edit_of({"v": 0, "w": 0}, {"v": 1, "w": 1}, "phone")).version
    outcome = judged(middle, edit_of({"v": 0, "w": 0}, {"v": 2, "w": 0, "z": 2}, "laptop"), 3)
    assert outcome.version.document == {"v": 2, "w": 1, "z": 2}
    assert outcome.clash is not None
    assert (outcome.clash.present, outcome.clash.paths) == (middle, (("v",),))


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), (0.0, -0.0), (None, False), ([1], [1.0]), ({"x": 1}, {"x": 1.0})],
)
def test_values_of_two_json_types_are_not_the_same_value(one: object, other: object) -> None:
    """So writing both is a conflict."""
    middle = judged(created({}), edit_of({}, {"v": one}, "phone")).version
    outcome = judged(middle, edit_of({}, {"v": other}, "laptop"), 3)
    assert outcome.clash is not None
    assert outcome.clash.paths == (("v",),)


def test_an_edit_inside_what_the_other_replaced_is_a_conflict() -> None:
    """Field and containing object overlap, in both orders."""
    old = {"a": {"b": 1, "c": 1}}
    inside, whole = edit_of(old, {"a": {"b": 2, "c": 1}}, "phone"), edit_of(old, {"a": {}}, "laptop")
    for first, second, paths in ((inside, whole, (("a",),)), (whole, inside, (("a", "b"),))):
        outcome = judged(judged(created(old), first).version, second, 3)
        assert outcome.clash is not None
        assert outcome.clash.paths == paths


def test_two_documents_made_under_one_key_are_merged_and_their_common_fields_are_in_conflict() -> None:
    """Neither author knew of the other."""
    first = judged(None, insert("phone", {"name": "Ann", "a": 1, "same": 1}), 1)
    assert (first.is_fast_forward, first.created) == (True, True)
    second = judged(first.version, insert("laptop", {"name": "Bob", "b": 2, "same": 1}), 2)
    assert second.version.document == {"name": "Bob", "a": 1, "b": 2, "same": 1}
    assert second.clash is not None
    assert second.clash.paths == (("name",),)
    assert not second.is_fast_forward


def test_a_field_that_a_revival_left_out_was_written_by_it() -> None:
    """Who edits that field without knowing of deletion and revival is in conflict with them."""
    gone = judged(created({"v": 0, "b": 0}), delete("phone", {"maker": 1})).version
    revived = judged(gone, insert("phone", {"v": 1}, {"maker": 1, "phone": 1}, counter=2), 3).version
    outcome = judged(revived, edit_of({"v": 0, "b": 0}, {"v": 0, "b": 2}, "laptop"), 4)
    assert outcome.version.document == {"v": 1, "b": 2}
    assert outcome.clash is not None
    assert outcome.clash.paths == (("b",),)


# deletes


def test_a_delete_that_knew_the_document_wins_without_a_conflict() -> None:
    """And its vector includes all it deleted."""
    decision = judged(created({"v": 0}), delete("phone", {"maker": 1}))
    assert (decision.version.document, decision.is_fast_forward, decision.clash) == (None, True, None)
    assert decision.version.vector == {"maker": 1, "phone": 1}


def test_a_delete_of_what_changed_meanwhile_is_a_conflict_for_the_later() -> None:
    """The update that is lost is kept with the conflict."""
    middle = judged(created({"v": 0}), edit_of({"v": 0}, {"v": 1}, "phone")).version
    outcome = judged(middle, delete("laptop", {"maker": 1}), 3)
    assert outcome.version.document is None
    assert outcome.clash is not None
    assert (outcome.clash.present, outcome.clash.paths) == (middle, ())


def test_an_update_of_what_was_deleted_meanwhile_revives_it_whole_and_is_a_conflict() -> None:
    """It takes the author's full document; without it, it must be asked for."""
    middle = judged(created({"v": 0, "w": 0}), delete("phone", {"maker": 1})).version
    edit = edit_of({"v": 0, "w": 0}, {"v": 1, "w": 0}, "laptop")
    assert decide(middle, without_full(edit), seq=3, trusted_base=edit.base) is None
    outcome = judged(middle, edit, 3)
    assert outcome.version.document == {"v": 1, "w": 0}
    assert outcome.created
    assert outcome.clash is not None
    assert outcome.clash.present == middle


def test_a_document_made_again_by_one_who_knew_of_the_deletion_is_no_conflict() -> None:
    """A revival that came after."""
    middle = judged(created({"v": 0}), delete("phone", {"maker": 1})).version
    outcome = judged(middle, insert("laptop", {"v": 1}, {"maker": 1, "phone": 1}), 3)
    assert (outcome.version.document, outcome.is_fast_forward, outcome.clash) == ({"v": 1}, True, None)


def test_two_deletes_agree() -> None:
    """Also when neither knew of the other."""
    middle = judged(created({"v": 0}), delete("phone", {"maker": 1})).version
    outcome = judged(middle, delete("laptop", {"maker": 1}), 3)
    assert (outcome.version.document, outcome.clash) == (None, None)
    assert outcome.version.vector == {"maker": 1, "phone": 1, "laptop": 1}


def test_a_delete_of_what_the_server_never_had_leaves_a_tombstone() -> None:
    """Whose vector has what is trusted of the base."""
    edit = delete("phone", {"ghost": 5})
    decision = decide(None, edit, seq=1, trusted_base=EMPTY_VECTOR)
    assert decision is not None
    assert (decision.version.document, decision.version.vector) == (None, {"phone": 1})


# what needs the author's full document


def test_an_update_of_what_the_server_does_not_have_needs_the_full_document() -> None:
    """And makes it with that."""
    edit = edit_of({"v": 0}, {"v": 1}, "phone", VersionVector({"maker": 1}))
    assert decide(None, without_full(edit), seq=1, trusted_base=EMPTY_VECTOR) is None
    assert judged(None, edit).version.document == {"v": 1}


@pytest.mark.parametrize("meanwhile", [{"other": 1}, {"a": "text", "other": 1}, {"a": None}, {"a": [1]}])
def test_an_edit_inside_an_object_that_is_gone_is_widened_to_the_authors_whole_value(meanwhile: dict[str, Any]) -> None:
    """Never a piece of an object nobody ever had; without the full document it must be asked for."""
    old = {"a": {"b": {"c": 1}, "d": 1}}
    middle = judged(created(old), edit_of(old, meanwhile, "phone")).version
    edit = edit_of(old, {"a": {"b": {"c": 2}, "d": 1}}, "laptop")
    assert decide(middle, without_full(edit), seq=3, trusted_base=edit.base) is None
    outcome = judged(middle, edit, 3)
    assert outcome.version.document == {**meanwhile, "a": {"b": {"c": 2}, "d": 1}}
    assert outcome.clash is not None
    assert outcome.clash.paths == (("a",),)
    assert outcome.version.dots.write_at(("a", "d")).dot == edit.dot


def test_a_removal_inside_an_object_that_is_gone_needs_nothing() -> None:
    """What should not be there is not there."""
    old = {"a": {"b": 1, "c": 1}}
    middle = judged(created(old), edit_of(old, {"z": 1}, "phone")).version
    outcome = judged(middle, without_full(edit_of(old, {"a": {"c": 1}}, "laptop")), 3)
    assert outcome.version.document == {"z": 1}


# vectors and dots


@settings(deadline=None)
@given(documents, documents, documents, st.dictionaries(st.sampled_from(["maker", "phone", "x"]), st.integers(0, 3)))
def test_a_version_includes_what_was_there_what_is_trusted_and_the_edit(
    old: dict[str, Any], one: dict[str, Any], other: dict[str, Any], base: dict[str, int]
) -> None:
    """And nothing else: a base that the server does not know adds nothing."""
    middle = judged(created(old), edit_of(old, one, "phone")).version
    edit = edit_of(old, other, "laptop", VersionVector(base))
    trusted = VersionVector(base).clipped({"maker": 1, "phone": 1})
    for operation in (edit, insert("laptop", other, base), delete("laptop", base)):
        decision = decide(middle, operation, seq=3, trusted_base=trusted)
        assert decision is not None
        assert decision.version.vector == middle.vector.merge(trusted).with_dot(edit.dot)
        assert decision.is_fast_forward == VersionVector(base).includes(middle.vector)


@settings(deadline=None)
@given(documents, documents, documents)
def test_what_is_written_since_a_sequence_leads_from_that_version_to_this(
    old: dict[str, Any], one: dict[str, Any], other: dict[str, Any]
) -> None:
    """The fields whose dots are newer are all that a pull must carry."""
    middle = judged(created(old), edit_of(old, one, "phone"), 2).version
    latest = judged(middle, edit_of(old, other, "laptop"), 3).version
    assert middle.document is not None
    assert latest.document is not None
    for version, since in ((created(old), 1), (middle, 2)):
        assert version.document is not None
        paths = latest.dots.written_since(since)
        assert paths is not None
        found = {path: value_at(latest.document, path) for path in paths}
        sent = Delta(
            {path: value for path, (present, value) in found.items() if present},
            tuple(path for path, (present, _) in found.items() if not present),
        )
        assert same_value(apply_delta(version.document, sent), latest.document)
