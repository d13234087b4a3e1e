"""Changes that share a transaction are all applied or none."""

from __future__ import annotations

from typing import Any


def test_the_changes_of_a_transaction_are_applied_together(server: Any) -> None:
    phone = server.device("phone")
    both = [phone.insert(key, {}, transaction="t", transaction_size=2) for key in "ab"]
    assert phone.statuses(*both) == ["applied", "applied"]
    assert phone.statuses(*both) == ["duplicate", "duplicate"]


def test_one_rejected_change_rejects_its_transaction_and_nothing_else(server: Any) -> None:
    phone = server.device("phone")
    answer = phone.push(
        phone.insert("before", {}),
        phone.insert("a", {}, transaction="t"),
        phone.insert("b", [], transaction="t"),
        phone.insert("c", {}, transaction="t"),
        phone.insert("after", {}),
    )
    results = answer["results"]
    assert [result["status"] for result in results] == ["applied", "rejected", "rejected", "rejected", "applied"]
    assert [results[at]["error"]["type"] for at in (1, 2, 3)] == [
        "TransactionRejected",
        "InvalidChange",
        "TransactionRejected",
    ]
    assert [result.get("seq", 0) for result in results] == [1, 0, 0, 0, 2]
    assert [server.document(key) for key in ("before", "a", "c", "after")] == [{}, None, None, {}]


def test_a_transaction_waits_as_a_whole_for_a_full_document(server: Any) -> None:
    phone = server.device("phone")
    first = phone.insert("a", {"n": 1}, transaction="t")
    second = phone.update("b", {"n": 1}, transaction="t")
    assert phone.statuses(first, second) == ["skipped", "need_full"]
    assert server.document("a") is None
    assert phone.statuses(first, {**second, "document": {"n": 1}}) == ["applied", "applied"]
    assert (server.document("a"), server.document("b")) == ({"n": 1}, {"n": 1})


def test_a_failed_transaction_takes_back_edits_of_documents_that_were_there(server: Any) -> None:
    phone = server.device("phone")
    statuses = phone.statuses(
        phone.insert("a", {"n": 1}),
        phone.update("a", {"n": 2}, base={"phone": 1}),
        phone.update("a", {"n": 3}, base={"phone": 2}, transaction="t"),
        phone.insert("b", 7, transaction="t"),
    )
    assert statuses == ["applied", "applied", "rejected", "rejected"]
    assert server.document("a") == {"n": 2}
    assert server.rows("SELECT seq FROM latest") == [(2,)]


def test_a_conflict_inside_a_failed_transaction_leaves_no_trace(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    laptop.push(laptop.insert("a", {"n": 1}))
    answer = phone.push(phone.insert("a", {"n": 2}, transaction="t"), phone.insert("b", 7, transaction="t"))
    assert answer["conflicts"] == []
    assert server.rows("SELECT count(*) FROM conflict_log") == [(0,)]
    assert server.document("a") == {"n": 1}


def test_a_part_of_a_transaction_is_rejected(server: Any) -> None:
    phone = server.device("phone")
    answer = phone.push(*[phone.insert(key, {}, transaction="t", transaction_size=3) for key in "ab"])
    assert [result["status"] for result in answer["results"]] == ["rejected", "rejected"]
    assert "it has 3" in answer["results"][0]["error"]["message"]


def test_a_transaction_whose_changes_are_scattered_is_rejected(server: Any) -> None:
    phone = server.device("phone")
    statuses = phone.statuses(
        phone.insert("a", {}, transaction="t"), phone.insert("b", {}), phone.insert("c", {}, transaction="t")
    )
    assert statuses == ["rejected", "applied", "rejected"]


def test_a_reused_counter_inside_a_transaction_leaves_nothing_of_it(server: Any) -> None:
    phone = server.device("phone")
    first = phone.insert("a", {}, transaction="t")
    second = {**phone.insert("b", {}, transaction="t"), "counter": 1}
    answer = phone.push(first, second)
    assert [result["status"] for result in answer["results"]] == ["skipped", "skipped"]
    assert answer["replica"]["reset"] == "reused"
    assert server.document("a") is None
