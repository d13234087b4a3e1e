"""What a filtered device is sent, and what the server remembers of it (J3, J4; invariants 15, 26, 27, 29)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from solidb_sync.protocol.client_settings import settings_hash, settings_text
from solidb_sync.protocol.messages import ClientSettings, WireFilter

ACTIVE = "status == 'active'"


class Filtered:
    """A device with filters that applies what it is sent, and keeps its views."""

    def __init__(self, server: Any, client_id: str, **filters: str) -> None:
        self.device = server.device(client_id)
        self.server = server
        self.rows: dict[str, Any] = {}
        self.views: dict[str, int] = {}
        self.log: list[str] = []
        self.set_filters(**filters)

    def set_filters(self, **filters: str) -> None:
        settings = ClientSettings(filters={name: WireFilter(query) for name, query in filters.items()})
        body = {"client_id": self.device.client_id, "protocol": 1, "settings": msgspec.to_builtins(settings)}
        answer = self.server.post("/_api/sync/clients/db", body)
        assert answer.status_code == 200, answer.text
        self.hash = settings_hash(settings_text(settings))
        self.views = {name: self.views.get(name, 0) for name in filters}

    def sync(self, *changes: dict[str, Any], loses_answer: bool = False, **fields: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.device.sync(*changes, settings=self.hash, views=self.views, **fields)
        if not loses_answer:
            self.apply(answer)
            self.device.cursor = answer["cursor"]
            if not answer["has_more"]:
                self.device.caught_up = answer["cursor"]
        return answer

    def apply(self, answer: dict[str, Any]) -> None:
        self.views.update(answer["views"])
        self.log = []
        for change in answer["server_changes"]:
            key = change["key"]
            self.log.append(f"{change['operation']} {key}")
            match change["operation"]:
                case "insert":
                    self.rows[key] = change["document"]
                case "update":
                    self.rows[key] = {**self.rows[key], **change.get("delta", {})}
                case _:
                    self.rows.pop(key, None)

    def catch_up(self, base: dict[str, Any], *, limit: int = 100) -> None:
        """Catch up with a new filter of the notes, from the beginning and beside the ordinary cursor."""
        cursor, self.views["notes"] = self.device.cursor, 0
        at, has_more, log = 0, True, []
        while has_more:
            vector = {"server": at}
            answer = self.device.sync(
                settings=self.hash, views=self.views, view_base={"cursor": cursor, **base}, version_vector=vector,
                collections=["notes"], limit=limit,
            )  # fmt: skip
            assert not answer["views_lost"]
            self.apply(answer)
            log += self.log
            at, has_more = answer["cursor"], answer["has_more"]
        self.log = log


@pytest.fixture
def other(server: Any) -> Any:
    return server.device("other")


def active(**fields: Any) -> dict[str, Any]:
    return {"status": "active", **fields}


def test_j3_only_documents_that_match_are_sent_and_the_cursor_passes_the_rest(server: Any, other: Any) -> None:
    other.push(other.insert("a", active()), other.insert("secret", {"status": "done"}), other.insert("c", active()))
    device = Filtered(server, "phone", notes=ACTIVE)
    answer = device.sync()
    assert device.log == ["insert a", "insert c"]
    assert answer["cursor"] == 3
    assert "secret" not in str(answer)


def test_a_page_is_full_by_what_is_sent_and_the_cursor_is_the_last_one_scanned(server: Any, other: Any) -> None:
    other.push(*[other.insert(f"k{n}", active() if n % 2 else {}) for n in range(10)])
    device = Filtered(server, "phone", notes=ACTIVE)
    assert device.sync(limit=2)["cursor"] == 5
    assert device.log == ["insert k1", "insert k3"]
    assert device.sync(limit=100)["has_more"] is False
    assert sorted(device.rows) == ["k1", "k3", "k5", "k7", "k9"]


def test_j4_a_document_moves_in_and_out_and_one_never_held_leaves_no_trace(server: Any, other: Any) -> None:
    made = [other.insert("a", active()), other.insert("b", {"status": "done"})]
    other.push(*made)
    device = Filtered(server, "phone", notes=ACTIVE)
    device.sync()
    other.push(other.update("a", {"status": "done"}, base={"other": 1}), other.update("b", {"n": 1}, base={"other": 2}))
    answer = device.sync()
    assert device.log == ["remove a"]
    assert "document" not in answer["server_changes"][0]
    other.push(other.update("a", {"status": "active"}, base={"other": 3}), other.update("b", active(), base={"other": 4}))
    device.sync()
    assert device.log == ["insert a", "insert b"]
    assert device.rows == {"a": active(), "b": active(n=1)}


def test_j4_a_tombstone_is_sent_only_for_a_document_that_is_held(server: Any, other: Any) -> None:
    other.push(other.insert("a", active()), other.insert("b", {"status": "done"}))
    device = Filtered(server, "phone", notes=ACTIVE)
    device.sync()
    other.push(other.delete("a", base={"other": 1}), other.delete("b", base={"other": 2}))
    device.sync()
    assert device.log == ["delete a"]
    device.sync()
    assert server.rows("SELECT count(*) FROM view_rows") == [(0,)]


def test_fields_are_sent_only_of_a_document_that_was_held_all_along(server: Any, other: Any) -> None:
    body = "x" * 100
    other.push(other.insert("a", active(body=body, n=0)), other.insert("b", {"status": "done", "body": body}))
    device = Filtered(server, "phone", notes=ACTIVE)
    device.sync()
    other.push(other.update("a", {"n": 1}, base={"other": 1}), other.update("b", active(), base={"other": 2}))
    device.sync()
    assert device.log == ["update a", "insert b"]
    other.push(other.update("a", {"status": "done"}, base={"other": 3}))
    device.sync()
    other.push(other.update("a", {"status": "active"}, base={"other": 5}))
    device.sync()
    assert device.log == ["insert a"]
    assert device.rows["a"] == active(body=body, n=1)


def test_an_answer_lost_around_a_removal_is_given_again(server: Any, other: Any) -> None:
    other.push(other.insert("a", active()))
    device = Filtered(server, "phone", notes=ACTIVE)
    device.sync(loses_answer=True)
    device.sync()
    assert device.log == ["insert a"]
    other.push(other.update("a", {"status": "done"}, base={"other": 1}))
    device.sync(loses_answer=True)
    device.sync()
    assert device.log == ["remove a"]
    device.sync(loses_answer=True)
    assert server.rows("SELECT count(*) FROM view_rows") == [(0,)]


def test_a_removal_that_was_lost_is_told_although_the_document_has_moved_on_beyond_the_next_page(
    server: Any, other: Any
) -> None:
    phone = Filtered(server, "phone", notes=ACTIVE)
    other.push(other.insert("a", {"status": "active"}))
    phone.sync()
    other.push(other.update("a", {"status": "done"}, base={"other": 1}))
    phone.sync(loses_answer=True)
    other.push(other.insert("b", {"status": "active"}))
    other.push(other.update("a", {"n": 1}, base={"other": 2}))
    while phone.sync(limit=1)["has_more"]:
        pass
    assert sorted(phone.rows) == ["b"]


def test_a_document_sent_in_an_answer_that_was_lost_is_sent_whole_again(server: Any, other: Any) -> None:
    other.push(other.insert("a", active(body="x" * 100)))
    device = Filtered(server, "phone", notes=ACTIVE)
    device.sync()
    other.push(other.insert("b", active(body="y" * 100)))
    device.sync(loses_answer=True)
    other.push(other.update("b", {"n": 1}, base={"other": 2}))
    device.sync()
    assert device.rows["b"] == active(body="y" * 100, n=1)


def test_26_what_a_device_pushes_is_taken_away_again_when_it_does_not_match(server: Any) -> None:
    device = Filtered(server, "phone", notes=ACTIVE)
    device.sync()
    device.rows = {"mine": {"status": "done"}, "kept": active()}
    device.sync(device.device.insert("mine", {"status": "done"}), device.device.insert("kept", active()))
    assert device.log == ["remove mine"]
    assert device.rows == {"kept": active()}


def test_26_what_a_device_pushed_before_its_first_pull_is_taken_away_too(server: Any) -> None:
    device = Filtered(server, "phone", notes=ACTIVE)
    device.sync(device.device.insert("mine", {"status": "done"}), limit=0)
    device.device.cursor = device.device.caught_up = 0
    device.sync()
    assert device.log == ["remove mine"]


def test_an_edit_of_a_document_that_was_told_to_leave_is_answered_with_the_whole_when_it_matches_again(
    server: Any, other: Any
) -> None:
    other.push(other.insert("a", active(n=1)))
    device = Filtered(server, "phone", notes=ACTIVE)
    device.sync()
    device.set_filters(notes="n == 2")
    device.catch_up({"view": device.views["notes"], "settled": True})
    assert device.log == ["remove a"]
    answer = device.sync(device.device.update("a", {"n": 2}, base={"other": 1}))
    assert answer["results"][0]["status"] == "applied"
    assert device.rows == {"a": active(n=2)}


def test_j4_another_filter_sends_what_is_new_and_removes_the_rest_and_nothing_else(server: Any, other: Any) -> None:
    other.push(*[other.insert(f"k{n}", {"n": n}) for n in range(10)])
    device = Filtered(server, "phone", notes="n < 6")
    device.sync()
    device.set_filters(notes="n > 3")
    device.catch_up({"view": device.views["notes"], "settled": True}, limit=2)
    assert device.log == [
        "remove k0",
        "remove k1",
        "remove k2",
        "remove k3",
        "insert k6",
        "insert k7",
        "insert k8",
        "insert k9",
    ]
    device.sync()
    assert device.log == []
    assert sorted(device.rows) == ["k4", "k5", "k6", "k7", "k8", "k9"]


def test_a_first_filter_over_a_whole_collection_only_removes(server: Any, other: Any) -> None:
    other.push(*[other.insert(f"k{n}", {"n": n}) for n in range(6)])
    device = Filtered(server, "phone")
    device.sync()
    other.push(other.insert("late", {"n": 9}), other.insert("later", {"n": 0}))
    device.set_filters(notes="n > 3")
    device.catch_up({"whole": True})
    assert device.log == ["remove k0", "remove k1", "remove k2", "remove k3", "insert late"]
    device.sync()
    assert sorted(device.rows) == ["k4", "k5", "late"]


def test_without_the_filter_the_rest_is_sent(server: Any, other: Any) -> None:
    other.push(*[other.insert(f"k{n}", {"n": n}) for n in range(6)])
    device = Filtered(server, "phone", notes="n > 3")
    device.sync()
    base = {"view": device.views["notes"], "settled": True}
    device.set_filters()
    device.catch_up(base)
    assert device.log == ["insert k0", "insert k1", "insert k2", "insert k3"]
    device.views = {}
    device.sync()
    assert device.log == []
    assert server.rows("SELECT count(*) FROM views") == [(0,)]


def test_an_answer_lost_while_catching_up_with_a_new_filter_is_given_again(server: Any, other: Any) -> None:
    other.push(*[other.insert(f"k{n}", {"n": n}) for n in range(6)])
    device = Filtered(server, "phone", notes="n < 3")
    device.sync()
    base = {"view": device.views["notes"], "settled": True, "cursor": 6}
    device.set_filters(notes="n > 1")
    fields = {"settings": device.hash, "collections": ["notes"], "view_base": base, "limit": 2}
    begun = device.device.sync(views={"notes": 0}, version_vector={"server": 0}, **fields)
    once = device.device.sync(views=begun["views"], version_vector={"server": begun["cursor"]}, **fields)
    again = device.device.sync(views=begun["views"], version_vector={"server": begun["cursor"]}, **fields)
    assert [change["key"] for change in once["server_changes"]] == ["k3", "k4"]
    assert once["server_changes"] == again["server_changes"]


def test_a_filter_changed_twice_in_the_middle_ends_as_a_fresh_device_with_the_last(server: Any, other: Any) -> None:
    other.push(*[other.insert(f"k{n}", {"n": n}) for n in range(9)])
    device = Filtered(server, "phone", notes="n < 3")
    device.sync()
    base = {"view": device.views["notes"], "settled": True, "cursor": 9}
    device.set_filters(notes="n > 1 AND n < 6")
    fields = {"settings": device.hash, "collections": ["notes"], "limit": 3}
    begun = device.device.sync(views={"notes": 0}, version_vector={"server": 0}, view_base=base, **fields)
    device.apply(begun)
    device.set_filters(notes="n > 4")
    device.catch_up({"view": begun["views"]["notes"]})
    device.sync()
    assert sorted(device.rows) == ["k5", "k6", "k7", "k8"]


def test_a_view_of_another_device_or_filter_is_lost(server: Any, other: Any) -> None:
    other.push(other.insert("a", active()))
    device, thief = Filtered(server, "phone", notes=ACTIVE), Filtered(server, "thief", notes=ACTIVE)
    device.sync()
    thief.views = dict(device.views)
    answer = thief.sync()
    assert (answer["views_lost"], answer["server_changes"], answer["cursor"]) == (["notes"], [], 0)
    device.set_filters(notes="n == 1")
    assert device.sync()["views_lost"] == ["notes"]
    device.views = {}
    assert device.sync()["views_lost"] == ["notes"]


def test_15_a_store_from_before_a_removal_that_is_forgotten_is_told_so(server: Any, other: Any) -> None:
    other.push(other.insert("a", active()), other.insert("b", active()))
    device = Filtered(server, "phone", notes=ACTIVE)
    device.sync()
    backup = device.device.cursor
    other.push(other.update("a", {"status": "done"}, base={"other": 1}))
    device.sync()
    device.sync()
    device.device.cursor = device.device.caught_up = backup
    assert device.sync()["views_lost"] == ["notes"]


def test_a_request_that_begins_a_view_and_comes_again_late_spoils_nothing(server: Any, other: Any) -> None:
    other.push(other.insert("a", active()))
    device = Filtered(server, "phone", notes=ACTIVE)
    first = device.device.body((), settings=device.hash, views={"notes": 0})
    device.sync()
    for _ in range(20):
        assert server.post("/_api/sync/delta", first).json()["views"]["notes"] > device.views["notes"]
    other.push(other.update("a", {"status": "done"}, base={"other": 1}))
    answer = device.sync()
    assert answer["views_lost"] == ["notes"] or device.log == ["remove a"]
    assert server.rows("SELECT count(*) FROM views") <= [(8,)]


def test_the_views_outlive_the_server(open_server: Callable[[], Any]) -> None:
    server = open_server()
    other = server.device("other")
    other.push(other.insert("a", active()))
    device = Filtered(server, "phone", notes=ACTIVE)
    device.sync()
    server.close()
    server = device.server = device.device.server = other.server = open_server()
    other.push(other.update("a", {"status": "done"}, base={"other": 1}))
    device.sync()
    assert device.log == ["remove a"]


def test_collections_have_filters_of_their_own_and_the_others_come_whole(server: Any, other: Any) -> None:
    other.push(
        *[other.insert(f"{name}{n}", {"n": n}, collection=name) for n in range(3) for name in ("notes", "tasks", "users")]
    )
    device = Filtered(server, "phone", notes="n == 0", tasks="n > 0")
    device.sync()
    assert sorted(device.rows) == ["notes0", "tasks1", "tasks2", "users0", "users1", "users2"]


def test_a_filter_that_fails_on_a_document_does_not_send_it(server: Any, other: Any) -> None:
    other.push(other.insert("a", {"n": 1}), other.insert("b", {"n": [1]}))
    device = Filtered(server, "phone", notes="n + 1 > 0")
    device.sync()
    assert sorted(device.rows) == ["a"]


def test_j3_a_registration_with_a_filter_that_is_refused_says_why(server: Any) -> None:
    body = {"client_id": "phone", "settings": {"filters": {"notes": {"query": "FOR n IN notes LIMIT 1 RETURN n"}}}}
    answer = server.post("/_api/sync/clients/db", body)
    assert (answer.status_code, answer.json()["type"]) == (400, "FilterError")
    assert "settings.filters.notes: filter: with LIMIT" in answer.json()["error"]


def test_a_request_by_hand_goes_by_what_its_client_has_registered(server: Any, other: Any) -> None:
    other.push(other.insert("a", active()), other.insert("b", {"status": "done"}))
    Filtered(server, "phone", notes=ACTIVE)
    pulled = server.get("/_api/sync/pull/db?client_id=phone").json()
    assert [change["key"] for change in pulled["server_changes"]] == ["a"]
    other.push(other.update("a", {"status": "done"}, base={"other": 1}))
    vector = f'{{"server":{pulled["cursor"]}}}'
    again = server.get(f"/_api/sync/pull/db?client_id=phone&version_vector={vector}").json()
    assert [change["operation"] for change in again["server_changes"]] == ["remove"]


def test_30_the_status_tells_what_a_pull_to_the_end_returns(server: Any, other: Any) -> None:
    other.push(*[other.insert(f"k{n}", {"n": n}) for n in range(20)])
    device = Filtered(server, "phone", notes="n % 2 == 0")
    device.sync()
    device.sync()
    other.push(*[other.update(f"k{n}", {"n": n + 1}, base={"other": n + 1}) for n in range(5)], other.insert("x", {"n": 0}))
    other.push(other.insert("y", {"n": 1}), other.update("k5", {"n": 15}, base={"other": 6}))
    told = server.get("/_api/sync/status/db?client_id=phone").json()["pending_for_client"]
    pulled = 0
    while device.sync(limit=2)["has_more"]:
        pulled += len(device.log)
    assert told == pulled + len(device.log) == 6
