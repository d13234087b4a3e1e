"""Pages from the server: applied whole, onto their cursor only, under what this device has not got back yet."""

from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from solidb_sync.errors import ProtocolError
from solidb_sync.json_value import decode
from solidb_sync.model.crdt.field_states import read_operations
from solidb_sync.protocol.messages import ServerChange
from solidb_sync.storage.edits import record_operations
from solidb_sync.storage.inbox import Page, apply_page


def test_a_page_brings_documents_deltas_and_tombstones_with_the_cursor(device: Any, server: Any) -> None:
    """Each with its vector, and the facts for listeners."""
    device.pull(server.whole("a", {"v": 1, "w": 1}, {"x": 1}), server.whole("b", {"v": 1}, {"x": 2}), to=5)
    applied = device.pull(
        server.fields("a", {"v": 2}, {"x": 3}, ["w"]),
        server.gone("b", {"x": 4}),
        server.gone("never here", {"x": 5}),
        to=9,
    )
    assert (applied.pulled, applied.needs_whole, device.engine.replica().cursor) == (3, False, 9)
    assert (device.visible("a"), device.vector("a")) == ({"v": 2}, {"x": 3})
    assert (device.visible("b"), device.vector("b")) == (None, {"x": 4})
    assert device.engine.row("notes", "never here") is not None
    assert [(fact.key, fact.document, fact.old_document, fact.source) for fact in applied.facts] == [
        ("a", {"v": 2}, {"v": 1, "w": 1}, "remote"),
        ("b", None, {"v": 1}, "remote"),
    ]


def test_a_page_counts_only_onto_the_cursor_it_was_asked_from(device: Any, server: Any) -> None:
    """An answer that comes twice, late, or early changes nothing."""
    device.pull(server.whole("a", {"v": 1}, {"x": 1}), at=0, to=5)
    for start in (0, 4, 6):
        applied = device.pull(server.whole("a", {"v": 9}, {"x": 9}), at=start, to=9)
        assert (applied.pulled, applied.facts) == (0, [])
    assert (device.visible("a"), device.engine.replica().cursor) == ({"v": 1}, 5)


@pytest.mark.parametrize("operation", ["remove", "delete", "insert"])
def test_a_page_that_does_not_move_the_cursor_brings_nothing(device: Any, server: Any, operation: str) -> None:
    """5, 15: only an old answer, perhaps made for another filter, can bring something onto the cursor it leads to."""
    device.pull(server.whole("a", {"v": 1}, {"x": 1}), to=5)
    old = server.whole("a", {"v": 0}, {"x": 1}) if operation == "insert" else server.gone("a", {"x": 1})
    old.operation = operation
    applied = device.pull(old, at=5, to=5)
    assert (applied.pulled, applied.facts) == (0, [])
    assert (device.visible("a"), device.engine.replica().cursor) == ({"v": 1}, 5)


def test_an_empty_page_moves_the_cursor(device: Any) -> None:
    """What was scanned need not be sent."""
    device.pull(to=7)
    assert device.engine.replica().cursor == 7


def test_a_device_has_caught_up_only_where_nothing_was_left_to_pull(device: Any, server: Any) -> None:
    """Deltas may be relative to that state alone; in between it holds a mixture of old and new."""
    device.pull(server.whole("a", {}, {"x": 1}), to=3)
    for to in (5, 7):
        device.pull(server.whole("b", {}, {"x": 2}), to=to, is_last=False)
        assert (device.engine.replica().cursor, device.engine.replica().caught_up) == (to, 3)
    device.pull(to=8)
    assert device.engine.replica().caught_up == 8


def test_a_backfill_has_a_cursor_of_its_own(device: Any, server: Any) -> None:
    """And only while it runs."""
    page = Page(0, 4, [server.whole("a", {"v": 1}, {"x": 1})], is_last=True, collection="notes")
    with device.transaction() as engine:
        assert apply_page(engine, page, wants_facts=False).pulled == 0
        engine.put_backfill("notes", 0)
        assert apply_page(engine, page, wants_facts=False).pulled == 1
        assert apply_page(engine, page, wants_facts=False).pulled == 0
        assert engine.backfills() == {"notes": 4}
        assert engine.replica().cursor == 0


@pytest.mark.parametrize("delta", [{"v": 2}, {"/v/deep/er": 2}])
@pytest.mark.parametrize("key", ["unknown", "deleted", "flat", "mine"])
def test_a_delta_that_has_nothing_to_lie_on_asks_for_the_whole_and_changes_nothing(
    device: Any, server: Any, key: str, delta: dict[str, int]
) -> None:
    """Neither do the other changes of its page, nor the cursor."""
    device.pull(server.gone("deleted", {"x": 1}), server.whole("flat", {"v": 1}, {"x": 1}))
    device.save("mine", {"v": 0})
    if key == "flat" and "v" in delta:
        delta = {"/v/deep": 1}
    applied = device.pull(server.whole("first", {}, {"x": 2}), server.fields(key, delta, {"x": 2}))
    assert (applied.needs_whole, applied.pulled) == (True, 0)
    assert device.engine.replica().cursor == 1
    assert device.engine.row("notes", "first") is None
    assert device.visible("flat") == {"v": 1}


@pytest.mark.parametrize(
    "change",
    [
        ServerChange("notes", "bad", "insert", version_vector=Raw(b"{}")),
        ServerChange("notes", "bad", "explode", version_vector=Raw(b"{}")),
        ServerChange("notes", "bad", "", document=Raw(b"{}"), version_vector=Raw(b"{}")),
    ],
)
def test_a_page_that_cannot_be_understood_changes_nothing(device: Any, server: Any, change: ServerChange) -> None:
    """The error comes before the first write."""
    device.engine.begin()
    with pytest.raises(ProtocolError, match="server_changes"):
        apply_page(device.engine, Page(0, 1, [server.whole("first", {}, {"x": 1}), change], is_last=True), wants_facts=True)
    device.engine.commit()
    assert device.engine.collections() == []
    assert device.engine.replica().cursor == 0


def test_a_pending_change_stays_on_top_of_what_is_pulled(device: Any, server: Any) -> None:
    """Its field is seen, the others are the server's; it is sent as it was made."""
    device.pull(server.whole("a", {"v": 1, "w": 1}, {"x": 1}))
    device.save("a", {"v": 2}, merge=True)
    sent = device.wire("c1")
    device.pull(server.fields("a", {"w": 5}, {"x": 2}))
    assert (device.visible("a"), device.base("a")) == ({"v": 2, "w": 5}, {"v": 1, "w": 5})
    assert device.vector("a") == {"x": 2, "phone": 1}
    assert device.wire("c1") == sent
    device.pull(server.whole("a", {"v": 7}, {"x": 3}))
    assert (device.visible("a"), device.base("a")) == ({"v": 2}, {"v": 7})


def test_a_held_change_is_seen_until_a_version_that_includes_it_comes(device: Any, server: Any) -> None:
    """Acknowledged is not yet visible; forgotten only when it is in the base copy."""
    device.pull(server.whole("a", {"v": 1, "w": 1}, {"x": 1}))
    device.save("a", {"v": 2}, merge=True)
    device.answer("merged")
    device.pull(server.fields("a", {"w": 5}, {"x": 2}))
    assert (device.visible("a"), device.states()) == ({"v": 2, "w": 5}, {"c1": "held"})
    applied = device.pull(server.whole("a", {"v": "merged", "w": 6}, {"x": 2, "phone": 1}))
    assert (device.visible("a"), device.states(), device.base("a")) == ({"v": "merged", "w": 6}, {}, None)
    assert [fact.document for fact in applied.facts] == [{"v": "merged", "w": 6}]


def test_a_held_change_under_a_pending_one_goes_and_the_pending_one_stays(device: Any, server: Any) -> None:
    """Each by its own dot."""
    device.save("a", {"v": 1})
    device.save("a", {"v": 1, "w": 1})
    device.answer("merged", batch=device.batch(1))
    device.pull(server.whole("a", {"v": "theirs"}, {"x": 1, "phone": 1}))
    assert device.states() == {"c2": "pending"}
    assert device.visible("a") == {"v": "theirs", "w": 1}


def test_a_pending_change_that_the_server_has_already_is_not_laid_over_twice(device: Any, server: Any) -> None:
    """Its answer was lost; it stays until the next answer says so."""
    device.save("a", {"v": 1})
    device.pull(server.whole("a", {"v": "merged"}, {"x": 1, "phone": 1}))
    assert (device.visible("a"), device.states()) == ({"v": "merged"}, {"c1": "pending"})
    device.answer("duplicate:merged")
    device.pull(server.whole("a", {"v": "later"}, {"x": 2, "phone": 1}))
    assert (device.visible("a"), device.states()) == ({"v": "later"}, {})


@pytest.mark.parametrize("status", ["duplicate:merged", "duplicate:conflict", "duplicate:applied"])
def test_a_late_answer_to_a_change_the_base_copy_has_settles_it_for_good(device: Any, server: Any, status: str) -> None:
    """It needs no further pull: none may ever come."""
    device.pull(server.whole("a", {"v": 0}, {"x": 1}))
    device.save("a", {"v": 1})
    device.pull(server.whole("a", {"v": "decided"}, {"x": 2, "phone": 1}))
    device.answer(status)
    assert (device.visible("a"), device.states(), device.base("a")) == ({"v": "decided"}, {}, None)


def test_a_pulled_tombstone_under_a_pending_update_keeps_the_last_body(device: Any, server: Any) -> None:
    """The edit stays visible, and can be sent whole to revive the document."""
    device.pull(server.whole("a", {"v": 1, "w": 1}, {"x": 1}))
    device.save("a", {"v": 2}, merge=True)
    device.pull(server.gone("a", {"x": 2}))
    device.pull(server.gone("a", {"x": 3}))
    assert device.visible("a") == {"v": 2, "w": 1}
    device.answer("need_full")
    assert decode(bytes(device.wire("c1").document)) == {"v": 2, "w": 1}


def test_a_pulled_tombstone_under_a_held_update_shows_as_decided_when_it_includes_it(device: Any, server: Any) -> None:
    """The deletion came after the edit: the document is gone, with its base copy."""
    device.pull(server.whole("a", {"v": 1}, {"x": 1}))
    device.save("a", {"v": 2})
    device.answer("merged")
    device.pull(server.gone("a", {"x": 2, "phone": 1}))
    assert (device.visible("a"), device.states(), device.engine.base("notes", "a")) == (None, {}, None)


def test_a_pending_delete_hides_what_is_pulled(device: Any, server: Any) -> None:
    """Until it is answered and comes back."""
    device.pull(server.whole("a", {"v": 1}, {"x": 1}))
    device.delete("a")
    device.pull(server.fields("a", {"v": 2}, {"x": 2}))
    assert (device.visible("a"), device.base("a")) == (None, {"v": 2})
    device.answer("conflict")
    device.pull(server.gone("a", {"x": 2, "phone": 1}))
    assert (device.visible("a"), device.states()) == (None, {})


def test_a_nested_edit_over_a_place_that_is_no_object_any_more_is_still_seen(device: Any, server: Any) -> None:
    """What is read shows the user's value; the server will ask for the whole."""
    device.pull(server.whole("a", {"address": {"city": "Oslo", "zip": "1"}}, {"x": 1}))
    device.save("a", {"address": {"city": "Rome", "zip": "1"}})
    device.pull(server.whole("a", {"address": "unknown"}, {"x": 2}))
    assert device.visible("a") == {"address": {"city": "Rome"}}


def test_a_resync_marks_what_it_brings_as_seen(device: Any, server: Any) -> None:
    """Documents and tombstones."""
    device.pull(*(server.whole(key, {}, {"x": 1}) for key in "abc"))
    with device.transaction() as engine:
        engine.mark_all_unseen()
        engine.save_replica(replace(engine.replica(), is_resyncing=True))
    device.pull(server.whole("a", {"v": 2}, {"x": 2}), server.gone("b", {"x": 3}))
    assert device.engine.unseen() == [("notes", "c")]


def test_an_operation_that_a_pull_brings_before_its_answer_counts_once(device: Any) -> None:
    """3, 31: the change is still pending here, and the server's version includes it already."""
    minted = device.minted()
    with device.transaction() as engine:
        record_operations(engine, minted, ("notes", "a"), read_operations({"n": {"t": "counter", "add": 5}}))
    brought = ServerChange(
        "notes", "a", "insert",
        document=Raw(b'{"n":7}'), version_vector=Raw(b'{"laptop":1,"phone":1}'), timestamp="s", seq=2,
        crdt=Raw(b'{"n":{"t":"counter","s":[0,{"laptop":[2,0],"phone":[5,0]}]}}'),
    )  # fmt: skip
    device.pull(brought)
    assert device.visible("a") == {"n": 7}
    device.answer("duplicate:merged")
    assert (device.visible("a"), device.engine.changes(state=None)) == ({"n": 7}, [])
