"""Laws of values: one total order, and equality that agrees with it and with hash keys."""

import json
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import sdbql
from sdbql.values import compare, display, equal, hash_key, sort_key, to_json

numbers = (
    st.integers(-(2**63), 2**63 - 1)
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0.0, -0.0, 1.0, 2.0**53, 2**53 + 1, 0.5])
)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=3) | st.sampled_from(["", "1", "true", "a"])
keys = st.sampled_from(["a", "b", "", "é"])
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


def sign(number: int) -> int:
    """Return -1, 0 or 1."""
    return (number > 0) - (number < 0)


@given(json_values, json_values)
def test_order_is_antisymmetric(left: Any, right: Any) -> None:
    """Turning a comparison round turns its answer round."""
    assert sign(compare(left, right)) == -sign(compare(right, left))


@given(json_values, json_values, json_values)
def test_order_is_transitive(one: Any, two: Any, three: Any) -> None:
    """What is not after a value that is not after a third is not after the third."""
    low, middle, high = sorted([one, two, three], key=sort_key)
    assert compare(low, middle) <= 0
    assert compare(middle, high) <= 0
    assert compare(low, high) <= 0


@given(json_values, json_values)
def test_order_agrees_with_equality(left: Any, right: Any) -> None:
    """Two values tie in the order exactly when they are equal."""
    assert (compare(left, right) == 0) == equal(left, right)


@given(json_values, json_values)
def test_equality_agrees_with_hash_keys(left: Any, right: Any) -> None:
    """Equal values, and no others, have equal keys with equal hashes."""
    assert equal(left, right) == (hash_key(left) == hash_key(right))
    if equal(left, right):
        assert hash(hash_key(left)) == hash(hash_key(right))


@given(json_values, json_values)
def test_sort_keys_agree_with_order(left: Any, right: Any) -> None:
    """Python sorts keys as `compare` orders values."""
    assert (sort_key(left) < sort_key(right)) == (compare(left, right) < 0)


@given(json_values)
def test_a_value_equals_itself_read_back_from_its_text(value: Any) -> None:
    """JSON text loses nothing that equality sees."""
    assert equal(json.loads(to_json(value)), value)


@given(json_values, json_values)
def test_equal_values_display_alike(left: Any, right: Any) -> None:
    """1 and 1.0 print the same, at any depth."""
    if equal(left, right):
        assert display(left) == display(right)


@given(st.integers(-(2**63), 2**63 - 1).map(float) | st.sampled_from([2.0**53, 1e16, 1e18, -(2.0**63), -0.0]))
def test_a_float_shows_as_the_integer_it_equals(value: float) -> None:
    """However large: no `.0`, and no exponent where the integer has none."""
    if -(2**63) <= value < 2**63:
        assert display(value) == display(int(value)) == str(int(value))
        assert to_json([value]) == to_json([int(value)])


@given(st.lists(json_values, max_size=6))
@settings(max_examples=60)
def test_sort_and_distinct_follow_the_laws(rows: list[Any]) -> None:
    """SORT gives the order, DISTINCT the equality, and SORT with LIMIT the beginning of SORT."""
    ordered = sdbql.run("FOR v IN @rows SORT v RETURN v", {"rows": rows})
    assert all(compare(one, other) <= 0 for one, other in pairwise(ordered))
    backwards = sdbql.run("FOR v IN @rows SORT v DESC RETURN v", {"rows": rows})
    assert all(compare(one, other) >= 0 for one, other in pairwise(backwards))
    top = sdbql.run("FOR v IN @rows SORT v LIMIT 2 RETURN v", {"rows": rows})
    assert [to_json(value) for value in top] == [to_json(value) for value in ordered[:2]]
    distinct = sdbql.run("FOR v IN @rows RETURN DISTINCT v", {"rows": rows})
    assert len(distinct) == len({hash_key(value) for value in rows})
    groups = sdbql.run("FOR v IN @rows COLLECT x = v WITH COUNT INTO n RETURN n", {"rows": rows})
    assert sum(groups) == len(rows)
    assert len(groups) == len(distinct)


@given(json_values, json_values)
@settings(max_examples=60)
def test_every_way_to_compare_gives_the_same_answer(left: Any, right: Any) -> None:
    """Operators, membership and joins all mean the one equality."""
    binds = {"a": left, "b": right}
    [answers] = sdbql.run(
        """LET bs = [{v: @b}]
        RETURN [@a == @b, !(@a != @b), @a IN [@b], @b IN [@a, @a, @a, @a, @a, @a, @a, @a, @a],
                POSITION([@b], @a) == 0, LENGTH(UNIQUE([@a, @b])) == 1,
                LENGTH(FOR x IN [@a, @a] FOR y IN bs FILTER y.v == x RETURN 1) == 2,
                @a <= @b AND @a >= @b, CASE @a WHEN @b THEN true ELSE false END]""",
        binds,
    )
    assert answers == [equal(left, right)] * len(answers)
