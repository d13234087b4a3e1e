"""Changes the server refused for good (5.13, invariants 2 and 17): who goes with them, and what can become of them."""

from __future__ import annotations

import itertools
from typing import Any

from solidb_sync.protocol.messages import WireChange
from solidb_sync.storage.quarantine import discard_rejected, retry_rejected
from solidb_sync.storage.records import ChangeState


def number_of(device: Any, change_id: str) -> int:
    """Return the number of a change."""
    return next(change.id for change in device.engine.changes(state=None) if change.change_id == change_id)


def retry(device: Any, change_id: str) -> bool:
    """Retry a refused change; the new ids are r1, r2, ..."""
    fresh = itertools.count(1)
    number = number_of(device, change_id)
    with device.transaction() as engine:
        return retry_rejected(engine, number, lambda: f"r{next(fresh)}")


def discard(device: Any, change_id: str) -> Any:
    """Discard a refused change."""
    number = number_of(device, change_id)
    with device.transaction() as engine:
        return discard_rejected(engine, number)


def wires(device: Any) -> list[WireChange]:
    """Return the changes of the next batch."""
    return [device.wire(change.change_id) for change in device.batch(1000).changes]


# who goes with a refused change


def test_a_refused_change_takes_the_members_of_a_transaction_that_depends_on_it(device: Any) -> None:
    """c2 of another document can't go alone: its transaction has a member made on top of the refused c1."""
    device.save("a", {"n": 1})
    device.save("b", {"n": 1}, transaction="t", size=2)
    device.save("a", {"n": 2}, transaction="t", size=2)
    device.save("b", {"n": 2})
    device.save("c", {"n": 1})
    settled = device.answer("rejected", "skipped", "skipped", "skipped", "applied")
    assert device.states() == {"c1": "rejected", "c2": "rejected", "c3": "rejected", "c4": "rejected"}
    assert len(settled.rejected) == 4
    assert [change.reason for change in settled.rejected][1:] == ["follows the rejected change c1"] * 3
    assert device.visible("b") == {"n": 2}


def test_a_change_is_set_aside_once_whatever_its_own_answer_says(device: Any) -> None:
    """A member that goes with the first and is refused itself keeps its place and its reason."""
    device.save("a", {"n": 1}, transaction="t", size=2)
    device.save("b", {"n": 1}, transaction="t", size=2)
    settled = device.answer("rejected", "rejected")
    assert [change.change_id for change in settled.rejected] == ["c1", "c2"]
    assert device.engine.changes(state=ChangeState.REJECTED)[1].reason == "follows the rejected change c1"


# retrying


def test_a_retried_change_goes_out_as_a_new_one_made_upon_the_same(device: Any, server: Any) -> None:
    """New id and dot; the base has what its author had seen, without the dot that was refused."""
    device.pull(server.whole("a", {"v": 0}, {"x": 7}))
    device.save("a", {"v": 1})
    device.answer("rejected")
    assert retry(device, "c1")
    (wire,) = wires(device)
    assert (wire.id, wire.counter, wire.base_version, wire.operation) == ("r1", 2, {"x": 7}, "update")
    assert (device.states(), device.visible("a")) == ({"r1": "pending"}, {"v": 1})
    device.check()
    device.answer("applied")
    assert (device.states(), device.visible("a"), device.base("a")) == ({}, {"v": 1}, None)


def test_a_retry_takes_what_it_was_made_upon_and_what_depends_on_it(device: Any) -> None:
    """In their order, transactions whole and with their true size."""
    device.save("a", {"n": 1})
    device.save("a", {"n": 2}, transaction="t", size=3)
    device.save("b", {"n": 2}, transaction="t", size=3)
    device.save("other", {"n": 1})
    device.answer("rejected", "skipped", "skipped", "rejected")
    assert retry(device, "c3")
    assert [(wire.key, wire.id, wire.counter, wire.transaction_size) for wire in wires(device)] == [
        ("a", "r1", 5, 0),
        ("a", "r2", 6, 2),
        ("b", "r3", 7, 2),
    ]
    assert wires(device)[1].base_version == {"phone": 5}
    assert device.states() == {"c4": "rejected", "r1": "pending", "r2": "pending", "r3": "pending"}
    device.check()


def test_what_is_not_refused_can_neither_be_retried_nor_discarded(device: Any) -> None:
    """A pending change goes on waiting."""
    device.save("a", {"n": 1})
    assert not retry(device, "c1")
    assert discard(device, "c1") is None
    with device.transaction() as engine:
        assert not retry_rejected(engine, 99, str)
    assert device.states() == {"c1": "pending"}


# discarding


def test_a_discarded_change_gives_way_to_what_the_server_has(device: Any, server: Any) -> None:
    """With those made on top of it; listeners learn of it."""
    device.pull(server.whole("a", {"v": 0}, {"x": 7}))
    device.save("a", {"v": 1})
    device.save("a", {"v": 2})
    device.answer("rejected", "skipped")
    (fact,) = discard(device, "c1")
    assert (device.states(), device.visible("a"), device.base("a")) == ({}, {"v": 0}, None)
    assert (fact.document, fact.old_document, fact.source) == ({"v": 0}, {"v": 2}, "local")
    device.check()


def test_discarding_a_later_change_keeps_the_earlier_one(device: Any) -> None:
    """It was not made on top of it."""
    device.save("a", {"v": 1})
    device.save("a", {"v": 2})
    device.answer("rejected", "skipped")
    assert len(discard(device, "c2")) == 1
    assert (device.states(), device.visible("a")) == ({"c1": "rejected"}, {"v": 1})
    device.check()


def test_a_document_that_was_only_ever_here_is_gone_with_its_change(device: Any) -> None:
    """Nothing of it is left: no row and no tombstone."""
    device.save("a", {"v": 1})
    device.answer("rejected")
    (fact,) = discard(device, "c1")
    assert device.engine.row("notes", "a") is None
    assert (fact.document, fact.old_document) == (None, {"v": 1})


# a new edit


def test_a_new_save_takes_a_refused_insert_over_whole(device: Any) -> None:
    """The server has nothing of the document: it gets all that the user sees."""
    device.save("a", {"v": 1, "w": 1})
    device.answer("rejected")
    device.save("a", {"v": 2}, merge=True)
    (wire,) = wires(device)
    assert (wire.operation, bytes(wire.document), wire.base_version) == ("insert", b'{"v":2,"w":1}', {})
    assert device.states() == {"c2": "pending"}
    device.check()
    device.answer("applied")
    assert device.visible("a") == {"v": 2, "w": 1}


def test_a_new_save_takes_a_refused_update_over(device: Any, server: Any) -> None:
    """It carries every field that differs from the server's version, made upon that version."""
    device.pull(server.whole("a", {"v": 0, "w": 0}, {"x": 7}))
    device.save("a", {"v": 1}, merge=True)
    device.answer("rejected")
    device.save("a", {"u": 1}, merge=True)
    (wire,) = wires(device)
    assert (bytes(wire.delta), wire.base_version) == (b'{"v":1,"u":1}', {"x": 7})
    device.check()


def test_a_save_that_undoes_a_refused_change_sends_nothing(device: Any, server: Any) -> None:
    """The document is the server's again."""
    device.pull(server.whole("a", {"v": 0}, {"x": 7}))
    device.save("a", {"v": 1})
    device.answer("rejected")
    device.save("a", {"v": 0})
    assert (device.states(), device.visible("a"), device.vector("a")) == ({}, {"v": 0}, {"x": 7})
    device.check()


def test_a_delete_takes_a_refused_change_with_it(device: Any, server: Any) -> None:
    """It was made upon the server's version."""
    device.pull(server.whole("a", {"v": 0}, {"x": 7}))
    device.save("a", {"v": 1})
    device.answer("rejected")
    device.delete("a")
    (wire,) = wires(device)
    assert (wire.operation, wire.base_version, device.states()) == ("delete", {"x": 7}, {"c2": "pending"})
    device.check()


def test_a_refused_change_stays_visible_when_a_later_edit_of_its_document_arrives(device: Any, server: Any) -> None:
    """Its dot is below those that the server took since, and was never taken: no vector contains it (invariant 7)."""
    device.save("a", {"n": 1})
    device.answer("rejected")
    device.pull(server.whole("a", {"m": 2}, {"phone": 7}))
    assert device.states() == {"c1": "rejected"}
    assert device.visible("a") == {"n": 1, "m": 2}
