"""The list of conflicts, deciding one at the server, and policies, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from solidb_sync.server import judge_change

POLICY = "/_api/sync/policies/db/notes"


@pytest.fixture
def clashed(server: Any) -> Any:
    """A server on which the laptop's edit of `a` was left open; the document has the phone's."""
    assert server.request("PUT", POLICY, content='{"strategy": "manual"}').status_code == 200
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("a", {"n": 0, "own": 0}))
    phone.push(phone.update("a", {"n": 1}, base={"phone": 1}), acknowledged=1, pushes=1)
    answer = laptop.push(laptop.update("a", {"n": 2, "own": 2}, base={"phone": 1}))
    assert [result["status"] for result in answer["results"]] == ["conflict"]
    server.laptop, server.answer = laptop, answer
    return server


def listed(server: Any, query: str = "") -> list[dict[str, Any]]:
    answer = server.get(f"/_api/sync/conflicts/db{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()["conflicts"]


def resolve(server: Any, **body: Any) -> Any:
    return server.post("/_api/sync/resolve/db", body)


def test_conflicts_are_listed_with_both_sides_and_what_their_author_had_seen(clashed: Any) -> None:
    (conflict,) = listed(clashed)
    assert (conflict["client_id"], conflict["status"], conflict["fields"]) == ("laptop", "pending", ["n"])
    assert (conflict["base"], sorted(conflict["written"])) == ({"phone": 1}, ["n", "own"])
    assert conflict["local_version"]["document"] == {"n": 2, "own": 2}
    assert conflict["remote_version"]["document"] == {"n": 1, "own": 0}
    assert listed(clashed, "?client_id=phone") == []
    assert listed(clashed, "?client_id=laptop&status=pending") == [conflict]
    assert listed(clashed, "?status=resolved") == []
    assert listed(clashed, f"?after={conflict['id']}") == []
    assert clashed.get("/_api/sync/conflicts/db?status=odd").status_code == 400


def test_a_push_that_is_sent_again_is_answered_with_the_conflict_it_had(clashed: Any) -> None:
    (first,) = clashed.answer["conflicts"]
    laptop = clashed.laptop
    again = laptop.push(
        {**laptop.update("a", {"n": 2, "own": 2}, base={"phone": 1}), "id": first["change_id"], "counter": 1}
    )
    assert again["results"][0]["original"] == "conflict"
    assert again["conflicts"] == [first]


def test_a_conflict_that_took_the_place_of_one_sent_before_comes_after_it_and_alone_is_open(clashed: Any) -> None:
    """The answer to the first push was lost, and a second edit goes along when it is sent again (deciding world, seed 4)."""
    (first,) = clashed.answer["conflicts"]
    laptop = clashed.laptop
    sent = {**laptop.update("a", {"n": 2, "own": 2}, base={"phone": 1}), "id": first["change_id"], "counter": 1}
    answer = laptop.push(sent, laptop.update("a", {"n": 3}, base={"phone": 1, "laptop": 1}))
    assert [result["status"] for result in answer["results"]] == ["duplicate", "conflict"]
    second = answer["results"][1]["change_id"]
    assert [(conflict["change_id"], conflict["status"]) for conflict in answer["conflicts"]] == [
        (first["change_id"], "replaced"),
        (second, "pending"),
    ]


@pytest.mark.parametrize(
    ("body", "document"),
    [
        ({"resolution": "accept_local"}, {"n": 2, "own": 2}),
        ({"resolution": "accept_remote"}, {"n": 1, "own": 0}),
        ({"resolution": "replace", "document": {"n": 3}}, {"n": 3}),
        ({"resolution": "delete"}, None),
    ],
)
def test_deciding_at_the_server_writes_the_document_and_tells_the_client(clashed: Any, body: Any, document: Any) -> None:
    (conflict,) = listed(clashed)
    answer = resolve(clashed, conflict=conflict["id"], **body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["document"] == document
    assert clashed.document("a") == document
    assert clashed.laptop.sync(acknowledged=1, pushes=1)["resolved"] == [conflict["id"]]
    (conflict,) = listed(clashed)
    assert (conflict["status"], conflict["resolved_seq"]) == ("resolved", answer.json()["seq"])
    assert resolve(clashed, conflict=conflict["id"], **body).status_code == 409


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"conflict": "unknown", "resolution": "delete"}, 404, "unknown"),
        ({"conflict": "unknown", "resolution": "odd"}, 400, "resolution"),
        ({"conflict": "unknown", "resolution": "replace"}, 400, "document"),
        ({"conflict": "unknown", "resolution": "delete", "document": {}}, 400, "document"),
        ({"resolution": "delete"}, 400, "conflict"),
    ],
)
def test_a_decision_that_can_not_be_made_is_refused(clashed: Any, body: Any, status: int, words: str) -> None:
    answer = resolve(clashed, **body)
    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_only_an_administrator_sets_policies(server: Any) -> None:
    key = server.api_key()
    assert server.request("PUT", POLICY, content='{"strategy": "manual"}', key=key).status_code == 403
    assert server.request("PUT", POLICY, content='{"strategy": "odd"}').status_code == 400
    assert server.request("PUT", POLICY, content='{"strategy": "manual"}').status_code == 200
    assert server.get("/_api/sync/policies/db", key=key).json() == {"policies": {"notes": "manual"}}
    assert server.request("DELETE", POLICY, key=key).status_code == 403
    assert server.request("DELETE", POLICY).status_code == 200
    assert server.request("DELETE", POLICY).status_code == 404


def test_a_decision_that_writes_nothing_is_taken_whatever_the_size_of_the_document(
    clashed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It makes nothing larger; refused, the conflict could never be closed (simulation, seed 460)."""
    monkeypatch.setattr(judge_change, "DOCUMENT_BYTES_MAX", 5)
    (conflict,) = listed(clashed)
    laptop = clashed.laptop
    closing = {**laptop.update("a", {}, base={"phone": 2, "laptop": 1}), "resolves": [conflict["id"]]}
    writing = laptop.update("a", {"n": 3}, base={"phone": 2, "laptop": 1})
    answer = laptop.push(closing, writing, acknowledged=1, pushes=1)
    assert [result["status"] for result in answer["results"]] == ["merged", "rejected"]
    assert [known["status"] for known in listed(clashed)] == ["resolved"]
