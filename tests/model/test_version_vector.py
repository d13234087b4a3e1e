"""A version vector is a set of edits: inclusion is a partial order, merging its least upper bound."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from solidb_sync.model.version_vector import Causality, Dot, VersionVector

actors = st.sampled_from(["phone", "laptop", "server"])
vectors = st.dictionaries(actors, st.integers(0, 3)).map(VersionVector)
dots = st.builds(Dot, actors, st.integers(1, 4))
ALL_DOTS = [Dot(actor, counter) for actor in ("phone", "laptop", "server") for counter in range(1, 6)]


def edits(vector: VersionVector) -> set[Dot]:
    """Return the edits a vector stands for."""
    return {dot for dot in ALL_DOTS if vector.covers(dot)}


@settings(deadline=None)
@given(vectors, vectors)
def test_comparing_vectors_is_comparing_the_sets_of_edits_they_stand_for(one: VersionVector, other: VersionVector) -> None:
    """Four answers, and turning the question round turns the answer round."""
    expected = {
        (True, True): Causality.EQUAL,
        (True, False): Causality.AFTER,
        (False, True): Causality.BEFORE,
        (False, False): Causality.CONCURRENT,
    }[edits(one) >= edits(other), edits(one) <= edits(other)]
    mirrored = {Causality.AFTER: Causality.BEFORE, Causality.BEFORE: Causality.AFTER}
    assert one.compare(other) is expected
    assert other.compare(one) is mirrored.get(expected, expected)
    assert one.includes(other) == (edits(one) >= edits(other))
    assert (one == other) == (expected is Causality.EQUAL)
    assert one != other or hash(one) == hash(other)


@settings(deadline=None)
@given(vectors, vectors, vectors)
def test_inclusion_is_a_partial_order(one: VersionVector, two: VersionVector, three: VersionVector) -> None:
    """Reflexive, antisymmetric, transitive."""
    assert one.includes(one)
    assert not (one.includes(two) and two.includes(one)) or one == two
    assert not (one.includes(two) and two.includes(three)) or one.includes(three)


@settings(deadline=None)
@given(vectors, vectors, vectors)
def test_merging_is_the_union_of_edits(one: VersionVector, two: VersionVector, three: VersionVector) -> None:
    """So it is commutative, associative, idempotent, and the least vector that includes both."""
    merged = one.merge(two)
    assert edits(merged) == edits(one) | edits(two)
    assert merged == two.merge(one)
    assert merged.merge(three) == one.merge(two.merge(three))
    assert merged.merge(one) == merged
    assert not (three.includes(one) and three.includes(two)) or three.includes(merged)


@settings(deadline=None)
@given(vectors, dots)
def test_adding_a_dot_includes_it_and_loses_nothing(vector: VersionVector, dot: Dot) -> None:
    """A dot that is included already changes nothing."""
    with_dot = vector.with_dot(dot)
    assert with_dot.covers(dot)
    assert with_dot.includes(vector)
    assert with_dot.with_dot(dot) == with_dot
    assert with_dot == vector or not vector.covers(dot)
    assert with_dot.counter(dot.actor) == max(vector.counter(dot.actor), dot.counter)


@settings(deadline=None)
@given(vectors, vectors)
def test_clipping_leaves_what_both_know(vector: VersionVector, limits: VersionVector) -> None:
    """The greatest vector included in both."""
    assert edits(vector.clipped(limits)) == edits(vector) & edits(limits)


@settings(deadline=None)
@given(vectors)
def test_a_vector_reads_back_from_its_json(vector: VersionVector) -> None:
    """The text is the same for equal vectors: actors in order, none with 0."""
    text = vector.to_json()
    assert VersionVector(json.loads(text)) == vector
    assert list(json.loads(text)) == sorted(vector)
    assert 0 not in vector.values()


def test_a_vector_is_equal_to_the_map_it_prints_as() -> None:
    """Which is what people compare it with."""
    assert VersionVector({"phone": 2, "laptop": 0}) == {"phone": 2}
    assert VersionVector() == {}
    assert VersionVector({"phone": 2}) != {"phone": 3}


def test_a_vector_keeps_no_hold_on_the_map_it_was_made_of() -> None:
    """It is a value."""
    counts = {"phone": 1}
    vector = VersionVector(counts)
    counts["phone"] = 2
    assert vector == {"phone": 1}


def test_a_dot_is_exchanged_only_where_it_is_included_and_leaves_what_was_below_it() -> None:
    vector = VersionVector({"phone": 7, "laptop": 2})
    assert vector.exchanged(Dot("phone", 9), Dot("phone~1", 1), before=3) == vector
    assert vector.exchanged(Dot("phone", 7), Dot("phone~1", 1), before=3) == {"phone": 3, "phone~1": 1, "laptop": 2}
    assert vector.exchanged(Dot("phone", 5), Dot("phone~1", 1), before=3) == {"phone": 7, "phone~1": 1, "laptop": 2}
    assert vector.exchanged(Dot("phone", 7), Dot("laptop", 5), before=0) == {"laptop": 5}
