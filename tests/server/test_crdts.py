"""Replicated fields at the server: H1 to H8 change by change, as devices send them and by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from solidb_sync.model.hybrid_clock import AHEAD_MS_MAX, stamp_text
from solidb_sync.model.version_vector import COUNTER_MAX

COUNT = {"n": {"t": "counter", "add": 1}}


def operations(device: Any, key: str, fields: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return device.change("crdt", key, crdt=fields, **rest)


def results(device: Any, *changes: dict[str, Any]) -> list[dict[str, Any]]:
    return device.push(*changes)["results"]


def test_an_increment_creates_document_and_field(server: Any) -> None:
    """H1: by hand, with nothing but the operation."""
    phone = server.device("phone")
    assert phone.statuses(operations(phone, "k", COUNT)) == ["applied"]
    assert server.document("k") == {"n": 1}


def test_increments_of_devices_that_know_nothing_of_each_other_add_up(server: Any) -> None:
    """H1, H7: each counts once, also when it is sent again, and none is a conflict."""
    phone, laptop = server.device("phone"), server.device("laptop")
    first = operations(phone, "k", {"n": {"t": "counter", "add": 5}})
    assert phone.statuses(first) == ["applied"]
    answer = laptop.push(operations(laptop, "k", {"n": {"t": "counter", "add": -2}}))
    assert ([result["status"] for result in answer["results"]], answer["conflicts"]) == (["merged"], [])
    assert phone.statuses(first) == ["duplicate"]
    assert server.document("k") == {"n": 3}


def test_a_plain_number_is_where_a_counter_begins_once(server: Any) -> None:
    """H6: two devices make a counter of one number at the same time."""
    phone, laptop = server.device("phone"), server.device("laptop")
    assert phone.statuses(phone.insert("k", {"n": 10, "x": 1})) == ["applied"]
    for device in (phone, laptop):
        assert device.statuses(operations(device, "k", COUNT, base={"phone": 1})) == ["merged"]
    assert server.document("k") == {"n": 12, "x": 1}


@pytest.mark.parametrize(
    ("plain", "operation", "message"),
    [
        ("five", {"t": "counter", "add": 1}, "its plain value can't become a counter: expected a number, found a string"),
        (-1, {"t": "bounded", "add": 1}, "can't become a bounded counter: expected a whole number that is not negative"),
        ({}, {"t": "gset", "add": [1]}, "its plain value can't become a grow-only set: expected an array, found an object"),
        ([], {"t": "ormap", "put": {"a": 1}}, "its plain value can't become a map: expected an object, found an array"),
        (1, {"t": "orset", "add": [1]}, "its plain value can't become a set: expected an array, found a number"),
    ],
)
def test_a_plain_value_of_another_kind_is_refused_alone(
    server: Any, plain: Any, operation: dict[str, Any], message: str
) -> None:
    """H6: the change is rejected and says which field; others of the request are taken."""
    phone = server.device("phone")
    phone.push(phone.insert("k", {"f": plain}))
    refused, taken = results(phone, operations(phone, "k", {"f": operation}), phone.insert("other", {}))
    assert refused["error"]["type"] == "CrdtTypeError"
    assert refused["error"]["message"].startswith("changes[0].crdt.f: ")
    assert message in refused["error"]["message"]
    assert (taken["status"], server.document("k")) == ("applied", {"f": plain})


def test_a_field_keeps_the_type_it_had_first(server: Any) -> None:
    """H6: of two types at once the first to arrive stays, the other is rejected."""
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(operations(phone, "k", COUNT))
    (refused,) = results(laptop, operations(laptop, "k", {"n": {"t": "gset", "add": [1]}}))
    assert refused["error"] == {
        "type": "CrdtTypeError",
        "message": "changes[0].crdt.n: is a counter, not a grow-only set",
    }
    (refused,) = results(laptop, operations(laptop, "k2", {"/a/b": {"t": "counter", "add": 1}, "/a": COUNT["n"]}))
    assert refused["error"]["message"].endswith("a field is named twice, or one field is inside another")


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        ({"crdt": {"n": {"t": "counter", "add": "1"}}}, "crdt.n.add: expected a whole number, found a string"),
        ({"crdt": {}}, "crdt: expected 1 to 16 fields, found 0"),
        ({"crdt": [1]}, "crdt: expected an object, found an array"),
        ({}, "crdt: expected an object, found nothing"),
        ({"crdt": COUNT, "hlc": "now"}, "hlc: expected 12 and 4 hexadecimal digits, found 'now'"),
    ],
)
def test_an_operation_that_is_none_is_rejected_alone(server: Any, wire: dict[str, Any], message: str) -> None:
    """F5: the message names the field."""
    phone = server.device("phone")
    refused, taken = results(phone, phone.change("crdt", "k", **wire), phone.insert("other", {}))
    assert refused["error"] == {"type": "InvalidChange", "message": f"changes[0].{message}"}
    assert taken["status"] == "applied"


def test_of_writes_to_a_register_the_greatest_stamp_stays(server: Any) -> None:
    """H2: whichever arrives later; equal stamps go by the actor."""
    for order in (["phone", "laptop", "tablet"], ["tablet", "laptop", "phone"]):
        key = order[0]
        for name in order:
            device = server.device(name + key)
            stamp = stamp_text(5 if name == "laptop" else 7)
            written = {"f": {"t": "register", "set": name}}
            assert device.statuses(operations(device, key, written, hlc=stamp)) in (["applied"], ["merged"])
        assert server.document(key) == {"f": "tablet"}


def test_a_stamp_from_the_future_is_set_back_to_five_minutes_ahead(server: Any) -> None:
    """H2, G2: a clock a year ahead does not win for ever; the author learns of its new stamp."""
    fast, slow = server.device("fast"), server.device("slow")
    now = server.clock.now_ms()
    ahead = operations(fast, "k", {"f": {"t": "register", "set": "fast"}}, hlc=stamp_text(now + 10**10))
    assert fast.statuses(ahead) == ["merged"]
    (pulled,) = fast.pull()
    assert pulled["crdt"]["f"]["s"][:2] == ["fast", stamp_text(now + AHEAD_MS_MAX)]
    server.clock.seconds += AHEAD_MS_MAX / 1000 + 1
    later = stamp_text(server.clock.now_ms())
    assert slow.statuses(operations(slow, "k", {"f": {"t": "register", "set": "slow"}}, hlc=later)) == ["merged"]
    assert server.document("k") == {"f": "slow"}


def test_who_has_seen_a_value_writes_over_it_whatever_the_clocks_say(server: Any) -> None:
    """H2: the register's stamp goes up with it."""
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(operations(phone, "k", {"f": {"t": "register", "set": 1}}, hlc=stamp_text(9)))
    written = {"f": {"t": "register", "set": 2}}
    laptop.push(operations(laptop, "k", written, hlc=stamp_text(3), base={"phone": 1}))
    assert server.document("k") == {"f": 2}


def test_a_removal_takes_away_what_its_author_had_seen(server: Any) -> None:
    """H4, invariant 33: what was put at the same time survives."""
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(operations(phone, "k", {"m": {"t": "ormap", "put": {"a": 1, "b": 2}}}))
    laptop.push(operations(laptop, "k", {"m": {"t": "ormap", "put": {"a": 3}}}, base={"phone": 1}))
    answer = phone.push(operations(phone, "k", {"m": {"t": "ormap", "remove": ["a", "b"]}}, base={"phone": 1}))
    assert (answer["results"][0]["status"], answer["conflicts"]) == ("merged", [])
    assert server.document("k") == {"m": {"a": 3}}
    laptop.push(operations(laptop, "k", {"m": {"t": "ormap", "remove": ["a"]}}, base={"phone": 2, "laptop": 1}))
    assert server.document("k") == {"m": {}}


def test_a_set_that_was_a_plain_array_can_be_removed_from(server: Any) -> None:
    """H6: its elements count as added by whoever wrote the array."""
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("k", {"s": ["b", "a", "a"]}))
    removal = {"s": {"t": "orset", "remove": ["a"], "add": ["c"]}}
    laptop.push(operations(laptop, "k", removal, base={"phone": 1}))
    assert server.document("k") == {"s": ["b", "c"]}
    laptop.push(operations(laptop, "k", {"s": {"t": "orset", "remove": ["b"]}}))
    assert server.document("k") == {"s": ["b", "c"]}  # it had not seen the array


def test_operations_go_beside_a_plain_edit(server: Any) -> None:
    """H7: fields and operations of one change take effect together."""
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("k", {"name": "Ann"}, crdt=COUNT))
    laptop.push(laptop.update("k", {"name": "Zoë"}, crdt=COUNT, base={"phone": 1}))
    assert server.document("k") == {"name": "Zoë", "n": 2}


def test_a_plain_write_that_had_not_seen_the_field_gives_way_and_is_logged(server: Any) -> None:
    """H6, invariant 1: the rest of the edit is merged, and both sides are in the conflict."""
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("k", {"n": 1, "x": 1}))
    phone.push(operations(phone, "k", COUNT, base={"phone": 1}))
    answer = laptop.push(laptop.update("k", {"n": 50, "x": 2}, base={"phone": 1}))
    assert answer["results"][0]["status"] == "conflict"
    (conflict,) = answer["conflicts"]
    assert (conflict["winner"], conflict["fields"]) == ("remote", ["n"])
    assert conflict["local_version"]["document"] == {"n": 50, "x": 2}
    assert server.document("k") == {"n": 2, "x": 2}


def test_a_plain_write_that_had_seen_the_field_is_translated(server: Any) -> None:
    """H6: by its difference, by what was added and removed; a field it leaves out stays."""
    phone = server.device("phone")
    phone.push(
        operations(
            phone,
            "k",
            {
                "n": {"t": "counter", "add": 5},
                "/a/s": {"t": "orset", "add": [1, 2]},
                "m": {"t": "ormap", "put": {"x": 1}},
                "g": {"t": "gset", "add": ["a"]},
            },
            hlc=stamp_text(1),
        )
    )
    assert server.document("k") == {"n": 5, "a": {"s": [1, 2]}, "m": {"x": 1}, "g": ["a"]}
    plain = phone.update("k", {"n": 7, "a": {"s": [2, 3], "t": 1}, "/m/y": 2}, base={"phone": 1}, unset=["g"])
    assert phone.statuses(plain) == ["merged"]
    assert server.document("k") == {"n": 7, "a": {"s": [2, 3], "t": 1}, "m": {"x": 1, "y": 2}, "g": ["a"]}
    whole = phone.insert("k", {"name": "new", "n": 1}, base={"phone": 2})
    assert phone.statuses(whole) == ["merged"]
    assert server.document("k") == {"name": "new", "n": 1, "a": {"s": [2, 3]}, "m": {"x": 1, "y": 2}, "g": ["a"]}
    (refused,) = results(phone, phone.update("k", {"a": 5}, base={"phone": 3}))
    assert refused["error"]["type"] == "CrdtTypeError"


def test_deleting_and_reviving_a_document_keeps_its_counts(server: Any) -> None:
    """5.6, invariant 31: the state stays under the tombstone, and goes to devices with it."""
    phone = server.device("phone")
    phone.push(operations(phone, "k", {"n": {"t": "counter", "add": 4}}))
    phone.push(phone.delete("k", base={"phone": 1}))
    assert server.document("k") is None
    (pulled,) = server.device("other").pull()
    assert (pulled["operation"], pulled["crdt"]["n"]["s"]) == ("delete", [0, {"phone": [4, 0]}])
    phone.push(phone.insert("k", {"x": 1}, base={"phone": 2}))
    assert server.document("k") == {"x": 1, "n": 4}


def test_an_increment_of_a_deleted_document_asks_for_the_whole_of_it(server: Any) -> None:
    """5.6, invariant 31: who counted without knowing of the deletion brings the document back, and counts once."""
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("k", {"x": 1}, crdt=COUNT))
    phone.push(phone.delete("k", base={"phone": 1}))
    late = operations(laptop, "k", COUNT, base={"phone": 1})
    assert laptop.statuses(late) == ["need_full"]
    assert laptop.statuses({**late, "document": {"x": 1, "n": 1}}) == ["conflict"]
    assert server.document("k") == {"x": 1, "n": 2}


def test_a_pull_carries_the_states_of_the_fields_it_brings(server: Any) -> None:
    """5.9: all of them for a whole document, else those written since."""
    phone, reader = server.device("phone"), server.device("reader")
    phone.push(phone.insert("k", {"x": "long enough to make a delta worth it"}, crdt=COUNT))
    (whole,) = reader.pull()
    assert whole["crdt"] == {"n": {"t": "counter", "s": [0, {"phone": [1, 0]}]}}
    assert whole["document"]["n"] == 1
    phone.push(phone.update("k", {"y": 1}, base={"phone": 1}))
    (fields,) = reader.pull()
    assert (fields["delta"], "crdt" in fields) == ({"y": 1}, False)
    phone.push(operations(phone, "k", {"o": {"t": "counter", "add": 2}}, base={"phone": 2}))
    (fields,) = reader.pull()
    assert (fields["delta"], list(fields["crdt"])) == ({"o": 2}, ["o"])


def test_several_changes_of_one_request_build_on_each_other(server: Any) -> None:
    """H1: the states of earlier ones are those that later ones begin with, plain changes between them or not."""
    phone = server.device("phone")
    changes = [phone.insert("k", {"x": 0}, crdt=COUNT)]
    for number in range(1, 4):
        changes.append(operations(phone, "k", COUNT, base={"phone": 2 * number - 1}))
        changes.append(phone.update("k", {"x": number}, base={"phone": 2 * number}))
    assert set(phone.statuses(*changes)) == {"applied"}
    assert server.document("k") == {"n": 4, "x": 3}


def test_a_transaction_that_fails_leaves_no_count(server: Any) -> None:
    """Invariant 31: an increment that was taken back is not in the next one."""
    phone = server.device("phone")
    together = {"transaction": "t", "transaction_size": 2}
    bad = {"n": {"t": "gset", "add": [1]}}
    phone.push(operations(phone, "k", COUNT, **together), operations(phone, "k", bad, base={"phone": 1}, **together))
    assert server.document("k") is None
    phone.push(operations(phone, "k", COUNT))
    assert server.document("k") == {"n": 1}


def test_a_bounded_counter_lets_nobody_take_more_than_its_rights(server: Any) -> None:
    """Never below zero: a change that would is rejected, and the pool gives what it has."""
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("k", {"stock": 5}))
    answers = [
        results(phone, operations(phone, "k", {"stock": {"t": "bounded", "take": 1}}))[0],
        results(phone, operations(phone, "k", {"stock": {"t": "bounded", "reserve": 3}}))[0],
        results(laptop, operations(laptop, "k", {"stock": {"t": "bounded", "reserve": 9}}))[0],
        results(laptop, operations(laptop, "k", {"stock": {"t": "bounded", "take": 3}}))[0],
        results(phone, operations(phone, "k", {"stock": {"t": "bounded", "take": 2, "release": 1}}))[0],
        results(laptop, operations(laptop, "k", {"stock": {"t": "bounded", "take": 2}}))[0],
    ]
    assert [answer["status"] for answer in answers] == ["rejected", "merged", "merged", "rejected", "merged", "merged"]
    assert answers[0]["error"] == {
        "type": "CrdtBoundError",
        "message": "changes[0].crdt.stock: 'phone' may take 0, not 1: reserve or add first",
    }
    assert server.document("k") == {"stock": 1}


def test_a_second_life_of_a_device_has_the_rights_of_the_first_and_no_more(server: Any) -> None:
    """5.11: a restored store that spends its rights again is refused."""
    phone = server.device("phone")
    phone.push(operations(phone, "k", {"stock": {"t": "bounded", "add": 2}}))
    phone.push(operations(phone, "k", {"stock": {"t": "bounded", "take": 1}}, base={"phone": 1}))
    again = server.device("phone", actor="phone~1")
    statuses = [
        again.statuses(operations(again, "k", {"stock": {"t": "bounded", "take": 1}}, base={"phone": 1})) for _ in "ab"
    ]
    assert statuses == [["merged"], ["rejected"]]
    assert server.document("k") == {"stock": 0}


def test_what_would_be_too_much_is_rejected(server: Any) -> None:
    """Every bound has a name: fields of a document, entries and bytes of a state, and what a number keeps."""
    phone = server.device("phone")
    for number in range(16):
        phone.push(operations(phone, "fields", {f"f{number}": COUNT["n"]}))
    big = ["x" * 1000 + str(number) for number in range(200)]
    phone.push(operations(phone, "bytes", {"s": {"t": "gset", "add": big}}))
    phone.push(operations(phone, "number", {"n": {"t": "counter", "add": COUNTER_MAX}}))
    refused = results(
        phone,
        operations(phone, "fields", {"one": COUNT["n"]}),
        operations(phone, "bytes", {"s": {"t": "gset", "add": [text + "!" for text in big]}}),
        operations(phone, "number", COUNT),
    )
    assert [answer["error"]["type"] for answer in refused] == ["CrdtTooLarge", "CrdtTooLarge", "CrdtBoundError"]


def test_states_outlive_the_server(open_server: Callable[[], Any]) -> None:
    """They are written with the document, in its transaction."""
    server = open_server()
    phone = server.device("phone")
    phone.push(operations(phone, "k", COUNT))
    server.close()
    server = open_server()
    laptop = server.device("laptop")
    laptop.push(operations(laptop, "k", COUNT))
    assert server.document("k") == {"n": 2}


def test_an_author_who_knew_states_that_are_forgotten_learns_what_there_is(server: Any) -> None:
    """Tombstones go one day, and their states with them: the operation is `merged`, and comes back with the next pull."""
    phone = server.device("phone")
    phone.push(phone.insert("other", {}))
    assert phone.statuses(phone.insert("k", {}, crdt=COUNT, base={"phone": 1})) == ["merged"]
    assert [change["document"] for change in phone.pull() if change["key"] == "k"] == [{"n": 1}]
