"""H1 to H7, invariants 31 to 33: the laws that make the types merge, each in 20,000 cases drawn from seeded worlds."""

from __future__ import annotations

import random

import pytest
from crdt_worlds import CASES_PER_WORLD, OPERATIONS, WORLDS, Done, World, worlds
from hypothesis import given, settings
from hypothesis import strategies as st

from solidb_sync.json_value import decode, encode
from solidb_sync.model.crdt.authorship import Authorship, BoundError, OperationError
from solidb_sync.model.crdt.bounded_counter import BoundedCounter, BoundedCounterOperation, client_of
from solidb_sync.model.crdt.counter import Counter, CounterOperation
from solidb_sync.model.crdt.elements import element_text
from solidb_sync.model.crdt.grow_set import GrowSetOperation
from solidb_sync.model.crdt.observed_remove_map import ObservedRemoveMap, ObservedRemoveMapOperation
from solidb_sync.model.crdt.observed_remove_set import ObservedRemoveSet, ObservedRemoveSetOperation
from solidb_sync.model.crdt.register import Register, RegisterOperation
from solidb_sync.model.crdt.registry import (
    State,
    applied,
    joined,
    operation_json,
    read_operation,
    read_state,
    state_json,
)
from solidb_sync.model.hybrid_clock import stamp_text
from solidb_sync.model.version_vector import COUNTER_MAX, EMPTY_VECTOR, Dot, VersionVector

every_type = pytest.mark.parametrize("kind", OPERATIONS)


@every_type
def test_joining_knows_no_order_no_grouping_and_no_repetition(kind: str) -> None:
    """Invariant 32: commutative, associative and idempotent, over states and deltas alike."""
    for made, chance in worlds(kind):
        for _ in range(CASES_PER_WORLD):
            one, two, three = chance.choices(made.known, k=3)
            both = joined(one, two)
            assert both == joined(two, one)
            assert joined(both, three) == joined(one, joined(two, three))
            assert joined(one, one) == one


@every_type
def test_an_edit_only_ever_adds_to_a_state(kind: str) -> None:
    """Invariant 32: what there was before an edit is included in what there is after it; its delta too, even much later."""
    for made, chance in worlds(kind):
        final = made.merged()
        for _ in range(CASES_PER_WORLD):
            done = chance.choice(made.done) if made.done else None
            if done is not None:
                assert joined(done.before, done.after) == done.after == joined(done.before, done.delta)
                assert joined(final, done.delta) == final


@every_type
def test_deltas_may_come_in_any_order_and_more_than_once(kind: str) -> None:
    """H1: the deltas of all edits make the state, however a network mixes and repeats them.

    It follows from the laws of joining, so a quarter of their cases will do.
    """
    for made, chance in worlds(kind, WORLDS // 4):
        final = made.merged()
        deltas = [done.delta for done in made.done]
        for _ in range(CASES_PER_WORLD if deltas else 0):
            state, *others = [*chance.sample(deltas, len(deltas)), *chance.choices(deltas, k=2)]
            for delta in others:
                state = joined(state, delta)
            assert plain(state) == plain(final)


def plain(state: State) -> object:
    return element_text(state.value())


@every_type
def test_a_state_reads_back_from_its_text_and_has_only_one(kind: str) -> None:
    """Invariant 21: equal states are the same bytes, so replicas can be compared."""
    for made, chance in worlds(kind):
        vector = made.seen["a"].merge(made.seen["b"]).merge(made.seen["c"])
        final = made.merged()
        for _ in range(CASES_PER_WORLD):
            state = chance.choice(made.known) if chance.random() < 0.9 else final
            text = encode(state_json(state))
            assert encode(decode(text)) == text
            assert encode(state_json(read_state(decode(text)))) == text
        assert read_state(decode(encode(state_json(final))), vector) == final


def heard(chance: random.Random, made: World) -> tuple[State, list[Done]]:
    """Return the join of some of the states there were, and all edits that are in it."""
    some = chance.choices(made.done, k=chance.randint(1, 3))
    state, vector = some[0].after, EMPTY_VECTOR
    for done in some:
        state = joined(state, done.after)
        vector = vector.merge(done.author.base).with_dot(done.author.dot)
    return state, [done for done in made.done if vector.covers(done.author.dot)]


def test_a_counter_shows_the_sum_of_all_that_was_added_and_taken() -> None:
    """H1, invariant 31: exactly that of the edits which were heard of, however often and by which ways."""
    for made, chance in worlds("counter"):
        for _ in range(CASES_PER_WORLD if made.done else 0):
            state, edits = heard(chance, made)
            assert state.value() == sum(done.operation.add for done in edits)  # type: ignore[union-attr]


def test_a_register_shows_the_last_write_by_stamp_and_actor() -> None:
    """H2: and never one that a later write had seen."""
    for made, chance in worlds("register"):
        for _ in range(CASES_PER_WORLD if made.done else 0):
            state, edits = heard(chance, made)
            assert isinstance(state, Register)
            last = max(edits, key=lambda done: (done.delta.stamp, *done.author.dot))  # type: ignore[union-attr]
            assert state.dot == last.author.dot
            assert not any(done.author.base.covers(state.dot) for done in edits)


def test_a_grow_only_set_has_everything_that_was_ever_added() -> None:
    """H3: it never shrinks, and has nothing else."""
    for made, chance in worlds("gset"):
        for _ in range(CASES_PER_WORLD if made.done else 0):
            state, edits = heard(chance, made)
            added = {text for done in edits for text in done.operation.add}  # type: ignore[union-attr]
            assert [element_text(value) for value in state.value()] == sorted(added)


def standing(edits: list[Done], name: str) -> list[Done]:
    """Return the edits whose addition of a name no other had seen and removed or replaced: the definition, word by word."""
    return [
        done
        for done in edits
        if name in puts(done) and not any(name in touches(other) and saw(other, done) for other in edits)
    ]


def saw(later: Done, earlier: Done) -> bool:
    return later is not earlier and later.author.base.covers(earlier.author.dot)


def puts(done: Done) -> frozenset[str]:
    match done.operation:
        case ObservedRemoveSetOperation(added):
            return added
        case ObservedRemoveMapOperation(put):
            return frozenset(put)
    raise AssertionError(done)


def touches(done: Done) -> frozenset[str]:
    assert isinstance(done.operation, (ObservedRemoveSetOperation, ObservedRemoveMapOperation))
    return puts(done) | done.operation.removed


def test_a_set_has_what_was_added_and_not_removed_by_somebody_who_had_seen_it() -> None:
    """H4, invariant 33: add wins; a removal covers only what its author had observed."""
    for made, chance in worlds("orset"):
        for _ in range(CASES_PER_WORLD if made.done else 0):
            state, edits = heard(chance, made)
            names = {name for done in edits for name in puts(done)}
            assert [element_text(value) for value in state.value()] == sorted(n for n in names if standing(edits, n))


def test_a_map_shows_of_the_puts_that_stand_the_one_with_the_greatest_stamp_and_actor() -> None:
    """H4, invariant 33: add wins for each key alone, and concurrent puts have one order everywhere."""
    for made, chance in worlds("ormap"):
        for _ in range(CASES_PER_WORLD if made.done else 0):
            state, edits = heard(chance, made)
            shown = {}
            for name in sorted({name for done in edits for name in puts(done)}):
                left = standing(edits, name)
                if left:
                    winner = max(left, key=lambda done: (done.author.stamp, *done.author.dot))
                    shown[name] = winner.operation.put[name]  # type: ignore[union-attr]
            assert plain(state) == element_text(shown)


PLAIN_VALUES = {
    "counter": [0, -7, 12, 2.0],
    "register": [None, {"b": 1, "a": 2}, 5, 5.0],
    "gset": [[], [1, 1.0, "x"], [{"p": 1}]],
    "orset": [[], [1, 1.0, "x"], [True, None]],
    "ormap": [{}, {"one": 1}, {"two": {"x": []}, "three": None}],
}


@every_type
def test_a_plain_value_saved_over_a_state_is_what_it_shows_afterwards(kind: str) -> None:
    """H6: by a difference, a write, additions and removals; only a grow-only set keeps what the save leaves out."""
    for made, chance in worlds(kind):
        state, vector = made.merged(), made.seen["a"].merge(made.seen["b"]).merge(made.seen["c"])
        for number in range(CASES_PER_WORLD):
            wanted = chance.choice(PLAIN_VALUES[kind])
            operation = state.operation_to(wanted)
            after = state
            if operation is not None:
                author = Authorship(Dot("phone", number + 1), vector, stamp_text(2))
                after = applied(state, operation, author)
            if kind == "gset":
                assert {*map(element_text, after.value())} == {*map(element_text, [*state.value(), *wanted])}
            elif kind == "counter":
                assert after.value() == wanted
            else:
                same = wanted if isinstance(wanted, dict) or kind == "register" else sorted(wanted, key=element_text)
                assert plain(after) == element_text(same)
            state, vector = after, vector.with_dot(Dot("phone", number + 1))


def test_a_bounded_counter_never_goes_below_zero() -> None:
    """H8's other half: with devices that know too much of their rights, and several lives of one client."""
    for seed in range(WORLDS):
        chance = random.Random(seed)
        server = BoundedCounter(chance.choice([0, 5]))
        held, expected = dict.fromkeys(("phone", "phone~1", "laptop"), server), server.origin
        for number in range(CASES_PER_WORLD):
            actor = chance.choice(list(held))
            wanted = BoundedCounterOperation(*(chance.choice([0, 0, 1, 3]) for _ in range(4)))
            author = Authorship(Dot(actor, number + 1), is_final=False)
            try:
                mine = held[actor].applied(wanted, author)
                assert mine.value() >= 0
                server = server.applied(wanted, Authorship(author.dot))
                expected += wanted.add - wanted.take
            except BoundError:
                pass
            if chance.random() < 0.3:
                held[actor] = server  # the others go on from what they knew: a store restored from a backup
            assert server.value() == expected >= 0
            assert server.pool() >= 0
            assert all(server.rights(client_of(name)) >= 0 for name in held)
            assert server.pool() + server.rights("phone") + server.rights("laptop") == server.value()


def test_states_of_one_bounded_counter_join_to_the_later_one() -> None:
    """Invariant 32 for what only one place ever applies: all its states follow one another."""
    for seed in range(WORLDS):
        chance = random.Random(seed)
        states = [BoundedCounter(4)]
        for number in range(20):
            author = Authorship(Dot(chance.choice(["phone", "phone~1", "laptop"]), number + 1))
            operation = BoundedCounterOperation(*(chance.choice([0, 1, 2]) for _ in range(4)))
            try:
                states.append(states[-1].applied(operation, author))
            except BoundError:
                continue
        for _ in range(CASES_PER_WORLD):
            first, second, third = (chance.randrange(len(states)) for _ in range(3))
            assert states[first].join(states[second]) == states[max(first, second)]
            assert states[first].join(states[second]).join(states[third]) == states[max(first, second, third)]
            text = encode(state_json(states[third]))
            assert read_state(decode(text)) == states[third]


values = st.recursive(st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text(max_size=3),
                      lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
                      max_leaves=5)  # fmt: skip
wire_operations = st.one_of(
    st.builds(CounterOperation, st.integers(-COUNTER_MAX, COUNTER_MAX)),
    st.builds(RegisterOperation, values),
    st.builds(GrowSetOperation, st.frozensets(values.map(element_text), max_size=4)),
    st.builds(
        ObservedRemoveSetOperation,
        st.frozensets(values.map(element_text), min_size=1, max_size=4),
        st.frozensets(values.map(element_text), max_size=4),
    ),
    st.builds(
        ObservedRemoveMapOperation,
        st.dictionaries(st.text(max_size=3), values, min_size=1, max_size=3),
        st.frozensets(st.text(max_size=3), max_size=3),
    ),
    st.builds(BoundedCounterOperation, *[st.integers(0, COUNTER_MAX)] * 4),
)


@settings(deadline=None)
@given(wire_operations)
def test_an_operation_reads_back_from_its_text(operation: object) -> None:
    """What is sent is what was done."""
    text = encode(operation_json(operation))  # type: ignore[arg-type]
    assert read_operation(decode(text)) == operation


@settings(deadline=None)
@given(values, values)
def test_two_elements_are_the_same_when_their_texts_are(one: object, other: object) -> None:
    """H3: 1, 1.0 and true are three elements; the order of an object's names makes no difference."""
    two = Register.from_plain(one, Dot("a", 1)).operation_to(other)
    assert (two is None) == (element_text(one) == element_text(other))
    assert len({element_text(value) for value in (1, 1.0, True)}) == 3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (5, ": expected an object, found a number"),
        ({}, ".t: expected counter, register, gset, orset, ormap, bounded; found 'None'"),
        ({"t": "count"}, ".t: expected counter, register, gset, orset, ormap, bounded; found 'count'"),
        ({"t": "counter"}, ".add: expected a whole number, found null"),
        ({"t": "counter", "add": 1.5}, ".add: expected a whole number, found 1.5"),
        ({"t": "counter", "add": True}, ".add: expected a whole number, found True"),
        ({"t": "counter", "add": 2**53}, f".add: expected -{COUNTER_MAX} to {COUNTER_MAX}, found {2**53}"),
        ({"t": "register"}, ".set: expected a value, found nothing"),
        ({"t": "gset", "add": {}}, ".add: expected an array, found an object"),
        ({"t": "gset", "add": [0] * 1001}, ".add: 1001 elements, at most 1000 in one operation"),
        ({"t": "orset"}, ": expected add or remove, found neither"),
        ({"t": "ormap", "put": []}, ".put: expected an object, found an array"),
        ({"t": "ormap", "remove": [1]}, ".remove: expected an array of keys, which are strings"),
        ({"t": "bounded"}, ": expected add, take, reserve or release, found none of them"),
        ({"t": "bounded", "take": -1}, f".take: expected 0 to {COUNTER_MAX}, found -1"),
    ],
)
def test_an_operation_that_is_none_is_refused_at_its_place(fields: object, message: str) -> None:
    """Every message names the field."""
    with pytest.raises(OperationError) as caught:
        read_operation(fields)
    assert str(caught.value) == message


def test_a_counter_refuses_what_no_number_keeps_exactly() -> None:
    """Beyond 2**53 - 1, whichever way."""
    full = Counter().applied(CounterOperation(COUNTER_MAX), Authorship(Dot("phone", 1)))
    for actor in ("phone", "laptop"):
        with pytest.raises(BoundError, match="which no counter keeps"):
            full.applied(CounterOperation(1), Authorship(Dot(actor, 2)))


def test_one_edit_puts_several_entries_and_each_is_removed_alone() -> None:
    """H4: they share a dot, and removing one leaves the other, also for who hears of it later."""
    both = ObservedRemoveMapOperation({"one": 1, "two": 2})
    put = ObservedRemoveMap().applied(both, Authorship(Dot("phone", 1)))
    removed = ObservedRemoveMapOperation(removed=frozenset({"one"}))
    delta = put.delta(removed, Authorship(Dot("laptop", 1), VersionVector({"phone": 1})))
    assert put.join(delta).value() == {"two": 2}
    assert delta.join(put).value() == {"two": 2}


def test_folded_entries_show_the_same() -> None:
    """Compaction puts one dot in the place of all; the value stays what it was."""
    for kind in OPERATIONS:
        for made, _ in worlds(kind, WORLDS // 4):
            final = made.merged()
            assert plain(final.folded(Dot("server", 9))) == plain(final)


def test_entries_removed_after_a_fold_are_gone_for_good() -> None:
    """The dot of the fold stands for what was there."""
    put = ObservedRemoveSet.from_plain([1, 2], Dot("phone", 1)).folded(Dot("server", 7))
    seen = Authorship(Dot("laptop", 1), VersionVector({"server": 7}))
    assert put.applied(ObservedRemoveSetOperation(removed=frozenset({"1"})), seen).value() == [2]
