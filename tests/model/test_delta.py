"""A delta turns one document into another, exactly: `apply_delta(old, diff(old, new)) == new`."""

import copy
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from solidb_sync.json_value import decode, encode
from solidb_sync.model.delta import (
    Delta,
    MissingParentError,
    apply_delta,
    diff,
    is_prefix,
    parse_path,
    path_text,
    paths_overlap,
    same_value,
    sorted_text,
    value_at,
)
from solidb_sync.storage.text_forms import delta_fields, parse_delta

names = st.sampled_from(["", "a", "b", "/", "~", "/a", "a/b", "~1", "~01", "é"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=3
)
scalars = st.sampled_from([None, True, False, 0, 1, 1.0, -0.0, 0.0, 2**53 + 1, 1e300, "", "1", "a"])
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))
documents = st.dictionaries(names, values, max_size=4)
paths = st.lists(names, min_size=1, max_size=4).map(tuple)


@settings(deadline=None)
@given(documents, documents)
@example({"a": 1}, {"a": 1.0})
@example({"a": 1}, {"a": True})
@example({"a": 0.0}, {"a": -0.0})
@example({"a": [{"b": 1}]}, {"a": [{"b": 1.0}]})
@example({"a": {}}, {"a": {"b": 1}})
@example({"a": {"b": 1}}, {"a": {}})
@example({"a": {"b": {"c": 1}}}, {"a": {"b": {"d": 1}}})
@example({"a": {"": 1}}, {"a": {"/": None}})
def test_applying_the_difference_makes_the_new_document(old: dict[str, Any], new: dict[str, Any]) -> None:
    """For all JSON: 1, 1.0 and true are three values, -0.0 is not 0.0, and null is a value; old stays what it was."""
    before = copy.deepcopy(old)
    delta = diff(old, new)
    assert same_value(apply_delta(old, delta), new)
    assert same_value(old, before)
    assert bool(delta) == (not same_value(old, new))


@settings(deadline=None)
@given(documents, documents)
def test_a_delta_survives_its_wire_form(old: dict[str, Any], new: dict[str, Any]) -> None:
    """As the map of fields set and the list of fields removed, through JSON text."""
    delta = diff(old, new)
    fields, unset = delta_fields(delta)
    assert same_value(apply_delta(old, parse_delta(decode(bytes(fields)), decode(encode(unset)))), new)


@settings(deadline=None)
@given(documents, documents)
def test_no_path_of_a_difference_contains_another(old: dict[str, Any], new: dict[str, Any]) -> None:
    """So the order in which they are written is none."""
    found = list(diff(old, new).paths())
    assert len(set(found)) == len(found)
    assert not any(is_prefix(one, other) for one in found for other in found if one is not other)


@settings(deadline=None)
@given(documents, documents)
def test_a_difference_names_only_what_differs(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Each path has another value before than after, or is on one side only."""
    for path in diff(old, new).paths():
        (had, before), (has, after) = value_at(old, path), value_at(new, path)
        assert had != has or not same_value(before, after)


@settings(deadline=None)
@given(values, values)
@example(1, 1.0)
@example(1, True)
@example(0, False)
@example(0.0, -0.0)
@example([0.0], [-0.0])
@example({"a": [1]}, {"a": [True]})
def test_two_values_are_the_same_when_their_sorted_texts_are(one: object, other: object) -> None:
    """Type strict, without an order of attributes."""
    assert same_value(one, other) == (sorted_text(one) == sorted_text(other))
    assert same_value(one, one)


def test_the_order_of_attributes_is_no_difference() -> None:
    """At any depth."""
    assert not diff({"a": {"x": 1, "y": [{"p": 1, "q": 2}]}, "b": 2}, {"b": 2, "a": {"y": [{"q": 2, "p": 1}], "x": 1}})


@settings(deadline=None)
@given(paths)
def test_a_path_reads_back_from_its_text(path: tuple[str, ...]) -> None:
    """Whatever is in the names."""
    assert parse_path(path_text(path)) == path


@settings(deadline=None)
@given(paths, paths)
def test_two_paths_have_two_texts(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """A top-level name is never mistaken for a pointer."""
    assert (path_text(one) == path_text(other)) == (one == other)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("status",), "status"),
        (("a b~c",), "a b~c"),
        (("",), "/"),
        (("/",), "/~1"),
        (("a", "b"), "/a/b"),
        (("a", ""), "/a/"),
        (("", ""), "//"),
        (("a/b", "~"), "/a~1b/~0"),
        (("~1", "x"), "/~01/x"),
    ],
)
def test_the_text_of_a_path_is_its_name_or_a_pointer(path: tuple[str, ...], text: str) -> None:
    """RFC 6901."""
    assert path_text(path) == text
    assert parse_path(text) == path


def test_a_value_into_what_is_no_object_names_the_place() -> None:
    """The shallowest one; nothing is changed."""
    document = {"a": {"b": 1}}
    with pytest.raises(MissingParentError) as caught:
        apply_delta(document, Delta({("x",): 1, ("a", "b", "c", "d"): 1}))
    assert caught.value.path == ("a", "b")
    with pytest.raises(MissingParentError) as caught:
        apply_delta(document, Delta({("gone", "c"): 1}))
    assert caught.value.path == ("gone",)
    assert document == {"a": {"b": 1}}


def test_removing_what_is_not_there_is_no_change() -> None:
    """Nor inside what is not there, nor inside what is no object."""
    document = {"a": 1, "b": {"c": 1}}
    assert apply_delta(document, Delta({}, (("x",), ("x", "y"), ("a", "y"), ("b", "y")))) == document


def test_applying_shares_nothing_with_the_document_it_changes() -> None:
    """Where it writes; the rest may be shared."""
    document = {"a": {"b": {"c": 1}}}
    changed = apply_delta(document, Delta({("a", "b", "c"): 2}, (("a", "b", "d"),)))
    assert (document, changed) == ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}})


@settings(deadline=None)
@given(paths, paths)
def test_overlapping_is_containing_one_way_or_the_other(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """And is mutual."""
    assert paths_overlap(one, other) == paths_overlap(other, one) == (is_prefix(one, other) or is_prefix(other, one))
