"""States of replicated fields from two replicas that each know something the other does not: 5.17, invariant 31."""

from solidb_sync.model.crdt.authorship import Authorship
from solidb_sync.model.crdt.counter import Counter, CounterOperation
from solidb_sync.model.crdt.field_states import read_states, states_text
from solidb_sync.model.crdt.observed_remove_set import ObservedRemoveSet, ObservedRemoveSetOperation
from solidb_sync.model.version_vector import Dot, VersionVector
from solidb_sync.reconcile.crdt_merge import join_offered

ADD_X = ObservedRemoveSetOperation(frozenset({'"x"'}))
ADD_Y = ObservedRemoveSetOperation(frozenset({'"y"'}))
REMOVE_X = ObservedRemoveSetOperation(removed=frozenset({'"x"'}))


def test_what_both_counted_and_what_one_removed_is_joined() -> None:
    """The server went back to before the removal and took an increment since; the device still has the removal."""
    first, phone = Authorship(Dot("phone", 1)), VersionVector({"phone": 1})
    count, names = Counter().applied(CounterOperation(5), first), ObservedRemoveSet().applied(ADD_X, first)
    here = {
        ("n",): count.applied(CounterOperation(1), Authorship(Dot("laptop", 1), phone)),
        ("s",): names.applied(ADD_Y, Authorship(Dot("laptop", 1), phone)),
    }
    there = {
        ("n",): count.applied(CounterOperation(10), Authorship(Dot("phone", 2), phone)),
        ("s",): names.applied(REMOVE_X, Authorship(Dot("phone", 2), phone)),
    }
    sides = {
        "states": states_text(here),
        "seen": VersionVector({"phone": 1, "laptop": 1}),
        "offered": states_text(there),
        "offered_seen": VersionVector({"phone": 2}),
    }
    document, text = join_offered({"n": 0, "z": 1}, **sides)  # type: ignore[arg-type]
    assert document == {"n": 16, "s": ["y"], "z": 1}
    assert join_offered({}, **{**sides, "offered": text, "offered_seen": VersionVector({"phone": 2, "laptop": 1})}) == (  # type: ignore[arg-type]
        {"n": 16, "s": ["y"]},
        text,
    )
    assert join_offered(None, **sides) == (None, text)  # type: ignore[arg-type]
    assert read_states(text).keys() == {("n",), ("s",)}
