"""Changes on their way out: what is sent together, and what each answer makes of them."""

from typing import Any

import pytest

from solidb_sync.errors import ProtocolError
from solidb_sync.json_value import decode
from solidb_sync.protocol.messages import ChangeResult
from solidb_sync.storage import outbox
from solidb_sync.storage.new_dots import readdress
from solidb_sync.storage.outbox import settle
from solidb_sync.storage.records import Mark

ANSWERS_TO_ONE = [
    ("applied", {}, None, 1),
    ("duplicate:applied", {}, None, 1),
    ("merged", {"c1": "held"}, {"v": 0}, 1),
    ("conflict", {"c1": "held"}, {"v": 0}, 1),
    ("duplicate:merged", {"c1": "held"}, {"v": 0}, 1),
    ("duplicate:conflict", {"c1": "held"}, {"v": 0}, 1),
    ("rejected", {"c1": "rejected"}, {"v": 0}, 0),
    ("duplicate:rejected", {"c1": "rejected"}, {"v": 0}, 0),
    ("skipped", {"c1": "pending"}, {"v": 0}, 0),
    ("need_full", {"c1": "pending"}, {"v": 0}, 0),
]


def ids(batch: Any) -> list[str]:
    """Return the change ids of a batch."""
    return [change.change_id for change in batch.changes]


# batches


def test_a_batch_has_the_oldest_changes_first_and_no_more_than_asked(device: Any) -> None:
    """In the order they were made, whatever document they are of."""
    for key in ("b", "a", "b", "c"):
        device.save(key, {"n": key, "at": len(device.engine.changes(state=None))})
    assert ids(device.batch(3)) == ["c1", "c2", "c3"]
    assert ids(device.batch(3, after=device.engine.changes(state=None)[2].id)) == ["c4"]
    assert ids(device.batch(100)) == ["c1", "c2", "c3", "c4"]


def test_a_batch_is_limited_in_bytes_but_never_empty(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first change always goes, however large."""
    monkeypatch.setattr(outbox, "PUSH_BYTES_MAX", 1_000)
    device.save("large", {"padding": "x" * 2_000})
    for key in "abcdef":
        device.save(key, {"padding": "x" * 200})
    assert ids(device.batch()) == ["c1"]
    second = device.batch(after=device.engine.changes(state=None)[0].id)
    assert 1 < len(second.changes) < 6
    assert sum(map(len, second.texts)) <= 1_000


def test_a_transaction_is_never_divided(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By count, by bytes, or by a page of the outbox; it stands alone if it must."""
    device.save("a", {})
    for key in "bcd":
        device.save(key, {"padding": "x" * 300}, transaction="t1", size=3)
    for key in "ef":
        device.save(key, {}, transaction="t2", size=2)
    after_first = device.engine.changes(state=None)[0].id
    assert ids(device.batch(2)) == ["c1"]
    assert ids(device.batch(2, after=after_first)) == ["c2", "c3", "c4"]
    assert ids(device.batch(5)) == ["c1", "c2", "c3", "c4"]
    assert ids(device.batch(1, after=after_first)) == ["c2", "c3", "c4"]
    monkeypatch.setattr(outbox, "PUSH_BYTES_MAX", 400)
    assert ids(device.batch(100, after=after_first)) == ["c2", "c3", "c4"]


def test_a_batch_leaves_out_collections_that_are_not_synced(device: Any) -> None:
    """And what is held or rejected."""
    device.save("a", {}, collection="private")
    device.save("b", {})
    device.save("c", {}, collection="private")
    device.save("d", {})
    assert ids(device.batch(1, covered={"notes"})) == ["c2"]
    assert ids(device.batch(100, covered={"notes"})) == ["c2", "c4"]
    device.answer("merged", batch=device.batch(1, covered={"notes"}))
    assert ids(device.batch(100, covered={"notes"})) == ["c4"]


def test_a_change_is_sent_as_it_was_made_upon(device: Any) -> None:
    """Each says what its author had seen: its own earlier changes too."""
    text = "so long that a delta is shorter"
    device.save("a", {"v": 1, "gone": 1, "text": text})
    device.save("a", {"v": 2, "new": None, "text": text})
    device.delete("a")
    first, second, third = (device.wire(name) for name in ("c1", "c2", "c3"))
    assert (first.operation, decode(bytes(first.document)), first.base_version) == (
        "insert",
        {"v": 1, "gone": 1, "text": text},
        {},
    )
    assert (second.operation, decode(bytes(second.delta)), second.unset) == ("update", {"v": 2, "new": None}, ["gone"])
    assert (second.counter, second.base_version) == (2, {"phone": 1})
    assert (third.operation, third.base_version) == ("delete", {"phone": 2})


def test_a_save_that_changes_nothing_is_no_change(device: Any) -> None:
    """1 and 1.0 are a change; deleting what is not there is none."""
    device.save("a", {"v": 1, "w": 2})
    assert device.save("a", {"w": 2, "v": 1}) == ""
    assert device.save("a", {"v": 1}, merge=True) == ""
    assert device.delete("never") == ""
    assert device.save("a", {"v": 1.0}, merge=True) != ""
    assert repr(device.visible("a")) == "{'v': 1.0, 'w': 2}"
    assert device.states() == {"c1": "pending", "c5": "pending"}


# answers


@pytest.mark.parametrize(("status", "states", "base", "acknowledged"), ANSWERS_TO_ONE)
def test_each_answer_means_one_thing_for_a_change(
    device: Any, server: Any, status: str, states: dict[str, str], base: dict[str, int] | None, acknowledged: int
) -> None:
    """And none of them touches what a reader sees."""
    device.pull(server.whole("a", {"v": 0}, {"x": 1}))
    device.save("a", {"v": 1})
    settled = device.answer(status)
    assert device.states() == states
    assert device.base("a") == base
    assert device.visible("a") == {"v": 1}
    assert device.vector("a") == {"x": 1, "phone": 1}
    assert settled.acknowledged == acknowledged
    assert [change.change_id for change in settled.rejected] == (["c1"] if "rejected" in status else [])


def test_an_applied_change_with_later_ones_moves_the_base_copy_up_to_it(device: Any, server: Any) -> None:
    """Whether it was a new document or one from the server."""
    device.pull(server.whole("old", {"v": 0, "w": 0}, {"x": 1}))
    for key in ("old", "new"):
        device.save(key, {"v": 1})
        device.save(key, {"v": 1, "w": 2})
    device.answer("applied", batch=device.batch(1))
    assert device.base("old") == {"v": 1}
    device.answer("applied", "applied")
    assert device.base("old") is None
    assert device.base("new") == {"v": 1}
    assert device.states() == {"c4": "pending"}
    device.check()


@pytest.mark.parametrize(
    ("statuses", "states", "base"),
    [
        (("applied", "merged", "merged"), {"c2": "held", "c3": "held"}, {"n": 1}),
        (("applied", "need_full", "skipped"), {"c2": "pending", "c3": "pending"}, {"n": 1}),
        (("applied", "applied", "rejected"), {"c3": "rejected"}, {"n": 2}),
        (("merged", "merged", "conflict"), {"c1": "held", "c2": "held", "c3": "held"}, None),
        (("rejected", "skipped", "skipped"), {"c1": "rejected", "c2": "rejected", "c3": "rejected"}, None),
        (("applied", "rejected", "skipped"), {"c2": "rejected", "c3": "rejected"}, {"n": 1}),
        (("merged", "rejected", "skipped"), {"c1": "held", "c2": "rejected", "c3": "rejected"}, None),
        (("skipped", "skipped", "skipped"), {"c1": "pending", "c2": "pending", "c3": "pending"}, None),
    ],
)
def test_answers_to_several_changes_of_one_document_are_taken_in_order(
    device: Any, statuses: tuple[str, ...], states: dict[str, str], base: dict[str, int] | None
) -> None:
    """The base copy follows the applied ones; what was made on top of a refused change is set aside with it."""
    for number in (1, 2, 3):
        device.save("a", {"n": number})
    device.answer(*statuses)
    assert device.states() == states
    assert device.base("a") == base
    assert device.visible("a") == {"n": 3}


def test_a_rejection_sets_aside_the_later_changes_of_its_document_alone(device: Any) -> None:
    """Also those that were not sent yet; every one says why."""
    device.save("a", {"n": 1})
    device.save("b", {"n": 1})
    device.save("a", {"n": 2})
    device.save("a", {"n": 3})
    settled = device.answer("rejected", "applied")
    assert device.states() == {"c1": "rejected", "c3": "rejected", "c4": "rejected"}
    assert [change.reason for change in settled.rejected] == [
        "Refused: because",
        "follows the rejected change c1",
        "follows the rejected change c1",
    ]
    assert ids(device.batch()) == []
    assert device.visible("a") == {"n": 3}


def test_a_change_made_after_a_rejection_keeps_the_visible_document(device: Any, server: Any) -> None:
    """The user goes on editing what is seen; an answer to the new edit takes nothing away."""
    device.pull(server.whole("a", {"v": 0}, {"x": 1}))
    device.save("a", {"v": 0, "refused": 1})
    device.answer("rejected")
    device.save("a", {"v": 2}, merge=True)
    device.answer("applied")
    device.check()
    device.pull(server.fields("a", {"other": 3}, {"x": 2, "phone": 2}))
    device.check()
    visible = device.visible("a")
    assert (visible["v"], visible["other"]) == (2, 3)


def test_need_full_sends_the_whole_document_as_it_was_with_the_change(device: Any, server: Any) -> None:
    """Not as it is now: the later change comes on top."""
    device.pull(server.whole("a", {"v": 0, "w": 0}, {"x": 1}))
    device.save("a", {"v": 1}, merge=True)
    device.save("a", {"w": 2}, merge=True)
    settled = device.answer("need_full", "skipped")
    assert settled.asked_in_full == 1
    first, second = device.wire("c1"), device.wire("c2")
    assert decode(bytes(first.document)) == {"v": 1, "w": 0}
    assert decode(bytes(first.delta)) == {"v": 1}
    assert (first.id, first.counter, first.base_version) == ("c1", 1, {"x": 1})
    assert isinstance(second.delta, type(first.delta))
    assert not isinstance(second.document, type(first.document))
    assert device.answer("need_full", "skipped").asked_in_full == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda results: results[:-1],
        lambda results: [],
        lambda results: [*results, ChangeResult("c9", "applied")],
        lambda results: results[::-1],
        lambda results: [ChangeResult("c1", "applied"), ChangeResult("c1", "applied"), *results[2:]],
        lambda results: [*results[:-1], ChangeResult("c3", "delighted")],
        lambda results: [*results[:-1], ChangeResult("c3", "duplicate")],
        lambda results: [*results[:-1], ChangeResult("c3", "duplicate", original="duplicate")],
        lambda results: [*results[:-1], ChangeResult("c3", "")],
    ],
)
def test_an_answer_that_does_not_fit_changes_nothing(device: Any, spoil: Any) -> None:
    """Missing, too many, in another order, or of an unknown kind: not one of them counts, though the rest be right."""
    for key in ("a", "b", "a"):
        device.save(key, {"n": len(device.states())})
    batch = device.batch()
    results = spoil([ChangeResult(name, "applied") for name in ("c1", "c2", "c3")])
    device.engine.begin()
    with pytest.raises(ProtocolError, match="results"):
        settle(device.engine, batch.changes, results)
    device.engine.commit()
    assert device.states() == {"c1": "pending", "c2": "pending", "c3": "pending"}
    assert device.engine.replica().settled == 0


def test_the_highest_settled_counter_never_falls(device: Any) -> None:
    """It tells the server which outcomes are stored here."""
    for key in "abc":
        device.save(key, {})
    late = device.batch(1)
    device.answer("skipped", "applied", "applied")
    assert device.engine.replica().settled == 3
    device.answer("applied", batch=late)
    assert device.engine.replica().settled == 3


# new dots


def test_new_dots_keep_the_ids_the_order_and_the_documents(device: Any, server: Any) -> None:
    """Counters follow the order in which the changes will be sent, over all documents: the server takes no gap."""
    device.pull(server.whole("a", {"v": 0}, {"x": 1}), server.whole("b", {"v": 0}, {"x": 1}))
    for number, key in enumerate(("a", "b", "a", "c", "b"), start=1):
        device.save(key, {"v": number})
    device.readdress(incarnation=2)
    changes = device.batch().changes
    assert [(change.change_id, change.actor, change.counter) for change in changes] == [
        (f"c{number}", "phone~2", number) for number in range(1, 6)
    ]
    wires = {name: device.wire(name) for name in ("c1", "c2", "c3", "c4", "c5")}
    assert {name: wire.counter for name, wire in wires.items()} == {f"c{number}": number for number in range(1, 6)}
    assert {name: wire.base_version for name, wire in wires.items()} == {
        "c1": {"x": 1},
        "c2": {"x": 1},
        "c3": {"x": 1, "phone~2": 1},
        "c4": {},
        "c5": {"x": 1, "phone~2": 2},
    }
    assert [device.visible(key) for key in "abc"] == [{"v": 3}, {"v": 5}, {"v": 4}]
    assert device.vector("a") == {"x": 1, "phone~2": 3}


def test_some_new_dots_among_others_are_sent_in_the_order_of_counters(device: Any) -> None:
    """A collection that joins late gets new dots alone; the batch still has no counter before a smaller one."""
    device.save("p", {}, collection="late")
    device.save("a", {})
    device.save("q", {}, collection="late")
    device.save("b", {})
    with device.transaction() as engine:
        readdress(engine, [change for change in engine.changes(state=None) if change.collection == "late"])
    counters = [change.counter for change in device.batch().changes]
    assert counters == sorted(counters)


def test_changes_the_server_knows_are_held_under_their_dot(device: Any, server: Any) -> None:
    """The others get new dots on top of them, and nothing changes for the reader."""
    device.pull(server.whole("a", {"v": 0, "w": 0}, {"x": 1}))
    device.save("a", {"v": 1}, merge=True)
    device.save("a", {"w": 2}, merge=True)
    device.readdress("c1")
    assert device.states() == {"c1": "held", "c2": "pending"}
    (second,) = device.batch().changes
    assert (second.actor, second.counter) == ("phone~1", 1)
    assert device.wire("c2").base_version == {"x": 1, "phone": 1}
    assert device.visible("a") == {"v": 1, "w": 2}


def test_a_change_applied_on_top_of_a_held_one_leaves_the_effect_of_both(device: Any, server: Any) -> None:
    """The server's version is the device's version at that change, held ones before it included."""
    device.pull(server.whole("a", {"v": 0, "w": 0}, {"x": 1}))
    device.save("a", {"v": 1}, merge=True)
    device.save("a", {"w": 2}, merge=True)
    device.save("a", {"z": 3}, merge=True)
    device.readdress("c1")
    device.answer("applied", batch=device.batch(1))
    device.check()
    assert device.base("a") == {"v": 1, "w": 2}
    assert device.states() == {"c3": "pending"}
    device.answer("applied")
    assert device.visible("a") == {"v": 1, "w": 2, "z": 3}
    assert device.states() == {}
    device.pull(server.fields("a", {"new": 4}, {"x": 2, "phone": 1, "phone~1": 2}))
    assert device.visible("a") == {"v": 1, "w": 2, "z": 3, "new": 4}


def test_an_operation_sent_again_a_second_time_is_after_what_counts_by_its_own_dot(device: Any) -> None:
    """5.17: the one before it counts by the dot of its first life, so no server need ever have it by that of the second.

    A server that was put back twice counted what came after it twice (recovery worlds, dense, seed 83).
    """
    device.operate("k", "n", 1)
    device.operate("k", "n", 2)
    device.readdress(incarnation=1, has_server_lost=True)
    device.operate("k", "n", 4)
    device.operate("k", "n", 8)
    device.readdress(incarnation=2, has_server_lost=True)
    former = [device.wire(f"c{number}").former for number in range(1, 5)]
    assert [(found.actor, found.counter, found.after, found.last) for found in former] == [
        ("phone", 1, 0, 2),
        ("phone", 2, 1, 2),
        ("phone~1", 3, 0, 4),
        ("phone~1", 4, 3, 4),
    ]


def test_a_known_change_that_the_base_copy_has_is_forgotten(device: Any, server: Any) -> None:
    """No pull would ever come to cover it."""
    device.save("a", {"v": 1})
    device.pull(server.whole("a", {"v": 1}, {"phone": 1}))
    device.readdress("c1")
    assert device.states() == {}
    assert device.visible("a") == {"v": 1}


def test_a_change_known_from_another_life_asks_for_a_new_incarnation(device: Any) -> None:
    """A copy of this store has sent it before: under our name may be edits that are not ours (simulation, seed 487)."""
    device.save("a", {"v": 1})
    device.save("b", {"v": 1})
    batch = device.batch()
    known = [
        ChangeResult(change.change_id, "duplicate", original="merged", actor="phone~1", counter=1)
        for change in batch.changes
    ]
    with device.transaction() as engine:
        settle(engine, batch.changes[:1], [ChangeResult(batch.changes[0].change_id, "applied")])
    assert not device.engine.replica().must_renew
    with device.transaction() as engine:
        settle(engine, batch.changes[1:], known[1:])
    assert device.engine.replica().must_renew


@pytest.mark.parametrize("later", [False, True])
def test_a_document_made_anew_after_an_emptying_is_only_what_was_sent(device: Any, server: Any, later: bool) -> None:
    """It was created here and elsewhere, emptied, and the insert applied: nothing is left of the other one (seed 2069)."""
    device.save("a", {"v": 1})
    if later:
        device.save("a", {"v": 2}, merge=True)
    device.pull(server.whole("a", {"w": 1}, {"x": 1}), to=5)
    assert device.visible("a") == {"w": 1, "v": 1 + later}
    device.pull(to=6, resets=("notes",))
    assert device.visible("a") == {"w": 1, "v": 1 + later}
    device.answer("applied")
    assert (device.visible("a"), device.vector("a")) == ({"v": 1 + later}, {"phone": 1 + later})
    assert device.base("a") == ({"v": 1} if later else None)
    device.check()


@pytest.mark.parametrize(("status", "stays"), [("applied", True), ("duplicate:applied", False)])
def test_only_an_edit_taken_now_keeps_a_document_that_was_told_to_leave(
    device: Any, server: Any, status: str, stays: bool
) -> None:
    """One that had been taken before the page came is in the version that is outside the filter (seed 234)."""
    device.save("a", {"v": 1})
    with device.transaction() as engine:
        engine.mark(Mark.LEAVING, "notes", "a")
    device.answer(status)
    assert device.engine.is_marked(Mark.LEAVING, "notes", "a") is not stays
