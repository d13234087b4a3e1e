"""What a pull answers: order, pages, fields since the cursor, and what it passes over."""

from __future__ import annotations

from typing import Any

import pytest

from solidb_sync.server import collect_changes
from solidb_sync.server.storage.sqlite import session

TRICKY: dict[str, Any] = {
    "plain": 1,
    "é 😀": 'quote " slash / back \\ line \n zero \u0000 del \u007f sep \u2028',
    'it\'s \\ "quoted"': [None, True, False, -0.0, 1e22, 0.1, 2**63 - 1, -(2**63)],
    "null": None,
    "1.0": {"": {"": []}},
}


def keys(changes: list[dict[str, Any]]) -> list[str]:
    return [change["key"] for change in changes]


def test_documents_come_in_the_order_of_their_latest_change(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(*[phone.insert(key, {}) for key in "abc"], phone.update("a", {"n": 1}, base={"phone": 1}))
    changes = laptop.pull()
    assert keys(changes) == ["b", "c", "a"]
    assert [change["seq"] for change in changes] == [2, 3, 4]
    assert laptop.cursor == 4
    assert laptop.pull() == []


def test_a_known_document_comes_as_the_fields_since_the_cursor(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    text = "a long text that makes the whole document longer than what was changed in it"
    phone.push(phone.insert("a", {"text": text, "n": 1, "gone": 1, "deep": {"x": 1, "y": text}}))
    laptop.pull()
    phone.push(phone.update("a", {"n": 2, "/deep/x": 2}, unset=["gone"], base={"phone": 1}))
    (change,) = laptop.pull()
    assert (change["operation"], change["delta"], change["unset"]) == ("update", {"n": 2, "/deep/x": 2}, ["gone"])
    assert "document" not in change
    assert change["version_vector"] == {"phone": 2}


def test_full_documents_are_sent_when_they_are_asked_for_or_no_longer(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(
        phone.insert("a", {"n": 1, "text": "something longer than the number beside it"}), phone.insert("b", {"n": 1})
    )
    laptop.pull()
    phone.push(phone.update("a", {"n": 2}, base={"phone": 1}), phone.update("b", {"n": 2}, base={"phone": 2}))
    whole = laptop.sync(full=True)["server_changes"]
    assert [change["operation"] for change in whole] == ["insert", "insert"]
    assert [change["operation"] for change in laptop.pull()] == ["update", "insert"]


def test_a_tombstone_comes_as_a_delete_and_a_revived_document_whole(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("a", {"text": "x" * 100, "n": 1}))
    laptop.pull()
    phone.push(phone.delete("a", base={"phone": 1}))
    (change,) = laptop.pull()
    assert change["operation"] == "delete"
    assert "document" not in change
    phone.push(phone.insert("a", {"text": "x" * 100, "n": 2}, base={"phone": 2}))
    (change,) = laptop.pull()
    assert (change["operation"], change["document"]["n"]) == ("insert", 2)


def test_pages_deliver_each_document_once_while_documents_move(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(*[phone.insert(f"k{number}", {}) for number in range(10)])
    first = laptop.sync(limit=4)
    assert (keys(first["server_changes"]), first["has_more"]) == (["k0", "k1", "k2", "k3"], True)
    assert (first["cursor"], first["server_version"]["server"], first["target_seq"]) == (4, 4, 10)
    laptop.cursor = first["cursor"]
    phone.push(phone.update("k0", {"n": 1}, base={"phone": 1}), phone.update("k5", {"n": 1}, base={"phone": 6}))
    second = laptop.pull(limit=4)
    assert keys(second) == ["k4", "k6", "k7", "k8"]
    last = laptop.sync(limit=4)
    assert (keys(last["server_changes"]), last["has_more"], last["cursor"]) == (["k9", "k0", "k5"], False, 12)


def test_a_page_that_ends_exactly_at_the_newest_has_no_more(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(*[phone.insert(key, {}) for key in "ab"])
    answer = laptop.sync(limit=2)
    assert (answer["has_more"], answer["cursor"]) == (False, 2)


def test_a_page_ends_at_its_bytes(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect_changes, "PULL_BYTES_MAX", 2_000)
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(*[phone.insert(key, {"text": "x" * 900}) for key in "abc"], phone.insert("d", {"text": "x" * 5_000}))
    first = laptop.sync()
    assert (keys(first["server_changes"]), first["has_more"], first["cursor"]) == (["a", "b"], True, 2)
    laptop.cursor = 2
    assert keys(laptop.pull()) == ["c"]
    assert keys(laptop.pull()) == ["d"]


def test_a_page_of_whole_documents_is_the_same_whichever_way_it_is_made(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text put together inside the database, or documents one by one when that text might be too long."""
    phone, laptop = server.device("phone"), server.device("laptop")
    for number, (key, value) in enumerate(TRICKY.items()):
        phone.push(phone.insert(key, {"": value, "nested": [{"value": value}, []]}))
        server.clock.seconds += number + 0.123
    phone.push(phone.delete("plain", base={"phone": 1}))
    at_once = laptop.pull()
    monkeypatch.setattr(session.SqliteReadSession, "page_text", lambda *place, **bounds: None)
    assert at_once == server.device("tablet").pull()
    assert [change["operation"] for change in at_once] == ["insert"] * (len(TRICKY) - 1) + ["delete"]
    assert {change["key"]: change["document"][""] for change in at_once[:-1]} == {
        key: value for key, value in TRICKY.items() if key != "plain"
    }


def test_changes_of_its_own_are_passed_over_when_the_author_knows_them(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    answer = phone.sync(phone.insert("a", {}), phone.insert("b", {}))
    assert answer["server_changes"] == []
    assert answer["cursor"] == 2
    assert phone.pull(acknowledged=2) == []
    phone.cursor = 0
    assert keys(phone.pull(acknowledged=1)) == ["b"]
    laptop.push(laptop.insert("c", {}), laptop.insert("d", {}))
    assert keys(laptop.pull(acknowledged=2)) == ["a", "b"]


def test_only_changes_that_the_answer_reports_are_passed_over_beyond_the_own_entry(server: Any) -> None:
    phone = server.device("phone")
    phone.push(phone.insert("a", {}), phone.insert("b", {}))
    assert keys(phone.sync(phone.insert("c", {}))["server_changes"]) == ["a", "b"]
    assert keys(phone.sync(phone.insert("d", {}, base={"phone": 3}))["server_changes"]) == ["a", "b", "c"]


def test_fields_are_relative_to_where_the_device_had_everything(server: Any) -> None:
    """A document that is rewritten while pages are read brings along the fields of its skipped version."""
    text = "x" * 100
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("a", {"text": text, "n": 1, "m": 1}), phone.insert("b", {}))
    laptop.pull()
    phone.push(phone.update("b", {"n": 2}, base={"phone": 2}), phone.update("a", {"n": 2}, base={"phone": 1}))
    assert keys(laptop.pull(limit=1)) == ["b"]
    phone.push(phone.update("a", {"m": 2}, base={"phone": 4}))
    assert (laptop.cursor, laptop.caught_up) == (3, 2)
    (change,) = laptop.pull()
    assert change["delta"] == {"n": 2, "m": 2}
    laptop.cursor, laptop.caught_up = 4, 0
    assert laptop.sync()["server_changes"][0]["operation"] == "insert"


def test_a_pull_written_by_hand_gets_the_fields_and_the_document(server: Any) -> None:
    phone = server.device("phone")
    phone.push(phone.insert("a", {"text": "x" * 100, "n": 1}), phone.update("a", {"n": 2}, base={"phone": 1}))
    query = {"client_id": "hand", "version_vector": {"server": 1}}
    (change,) = server.post("/_api/sync/pull/db", query).json()["server_changes"]
    assert (change["operation"], change["delta"]) == ("update", {"n": 2})
    assert change["document"] == {"text": "x" * 100, "n": 2}


def test_excluded_collections_are_left_out(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("a", {}), phone.insert("b", {}, collection="other"), phone.insert("c", {}, collection="more"))
    assert keys(laptop.sync(excluded=["other"])["server_changes"]) == ["a", "c"]
    assert keys(laptop.sync(excluded=["other"], collections=["other", "more"])["server_changes"]) == ["c"]


def test_a_merged_change_of_its_own_is_sent(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("a", {"n": 1, "m": 1}))
    laptop.push(laptop.update("a", {"n": 2}, base={"phone": 1}))
    changes = phone.sync(phone.update("a", {"m": 2}, base={"phone": 1}), acknowledged=1)["server_changes"]
    assert [change["document"] for change in changes] == [{"n": 2, "m": 2}]
    assert keys(phone.sync(acknowledged=2)["server_changes"]) == ["a"]


def test_collections_that_were_not_asked_for_are_scanned_past(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("a", {}), phone.insert("b", {}, collection="other"), phone.insert("c", {}))
    answer = laptop.sync(collections=["other", "unknown"])
    assert (keys(answer["server_changes"]), answer["cursor"], answer["has_more"]) == (["b"], 3, False)


def test_a_scan_that_finds_nothing_stops_at_its_bound(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "SCAN_ROWS_MAX", 3)
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(*[phone.insert(key, {}) for key in "abcd"], phone.insert("e", {}, collection="other"))
    answer = laptop.sync(collections=["other"])
    assert (answer["server_changes"], answer["cursor"], answer["has_more"]) == ([], 3, True)
    laptop.cursor = 3
    answer = laptop.sync(collections=["other"])
    assert (keys(answer["server_changes"]), answer["cursor"], answer["has_more"]) == (["e"], 5, False)


def test_the_answer_names_the_authors_of_its_changes_and_nobody_else(server: Any) -> None:
    for name in ("ann", "ben", "cem"):
        device = server.device(name)
        device.push(device.insert(name, {}))
    laptop = server.device("laptop")
    laptop.cursor = 1
    assert laptop.sync(limit=1)["server_version"] == {"ben": 1, "server": 2}


def test_a_cursor_beyond_the_newest_needs_a_resync(server: Any) -> None:
    phone = server.device("phone")
    phone.push(phone.insert("a", {}))
    phone.cursor = 2
    for answer in (phone.send(), phone.send(phone.insert("b", {}))):
        assert (answer.status_code, answer.json()["type"]) == (410, "ResyncRequired")
    assert server.document("b") is None


def test_a_cursor_from_nowhere_written_by_hand_starts_over(server: Any) -> None:
    phone = server.device("phone")
    phone.push(phone.insert("a", {"n": 1}))
    answer = server.post("/_api/sync/pull/db", {"client_id": "hand", "version_vector": {"server": 99}}).json()
    assert [(change["operation"], change["document"]) for change in answer["server_changes"]] == [("insert", {"n": 1})]
    assert answer["cursor"] == 1


def test_another_epoch_needs_a_resync(server: Any) -> None:
    phone = server.device("phone")
    epoch = phone.push(phone.insert("a", {}))["epoch"]
    assert phone.send(epoch=epoch).status_code == 200
    answer = phone.send(phone.insert("b", {}), epoch="another")
    details = answer.json()["details"]
    assert (answer.status_code, details["epoch"], details["reason"]) == (410, epoch, "other_database")
    assert server.document("b") is None


def test_a_large_page_is_the_same_as_many_small_ones(server: Any) -> None:
    phone = server.device("phone")
    phone.push(*[phone.insert(f"k{number}", {"n": number}, collection=f"c{number % 3}") for number in range(300)])
    large, small = server.device("large"), server.device("small")
    whole = large.pull(limit=1000)
    pieces: list[dict[str, Any]] = []
    while page := small.pull(limit=7):
        pieces += page
    assert pieces == whole
    assert len(whole) == 300
