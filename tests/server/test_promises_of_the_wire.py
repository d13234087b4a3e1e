"""What requests written by hand are promised: the bodies of the first documentation, its numbers, and what has no base."""

from __future__ import annotations

from typing import Any

FIRST_BODY = {
    "database": "db",
    "client_id": "client-A",
    "version_vector": {"client-A": 5, "server": 0},
    "changes": [
        {
            "collection": "users",
            "key": "user-123",
            "operation": "insert",
            "document": {"name": "Alice", "email": "alice@example.com"},
            "timestamp": "2024-01-15T10:30:00Z",
        }
    ],
}


def by_hand(server: Any, client_id: str, **change: Any) -> Any:
    """Push one change as a person would write it."""
    body = {"client_id": client_id, "changes": [{"collection": "users", "key": "u", **change}]}
    return server.post("/_api/sync/push/db", body).json()


def shown(server: Any, key: str = "u") -> dict[str, Any]:
    """Return a document of the server with its vector and without what else reads add."""
    found = server.get(f"/_api/database/db/document/users/{key}").json()
    return {name: value for name, value in found.items() if name[0] != "_" or name == "_version"}


def test_one_round_trip_pushes_and_then_pulls(server: Any) -> None:
    """F1: the answer has what others wrote, without what this request itself has just written."""
    by_hand(server, "client-B", key="user-456", operation="insert", document={"status": "active"})
    answer = server.post("/_api/sync/delta", FIRST_BODY)
    assert answer.status_code == 200
    told = answer.json()
    assert [change["key"] for change in told["server_changes"]] == ["user-456"]
    assert told["server_version"]["client-A"] == 6
    assert told.get("conflicts", []) == []
    assert shown(server, "user-123") == {"name": "Alice", "email": "alice@example.com", "_version": {"client-A": 6}}


def test_the_place_in_the_order_of_commits_is_in_no_documents_vector(server: Any) -> None:
    """F6: `server` counts what the server took, once for each change; a document's vector names its authors only."""
    first = by_hand(server, "client-A", key="one", operation="insert", document={"n": 1})
    second = by_hand(server, "client-B", key="two", operation="insert", document={"n": 2})
    assert [answer["results"][0]["seq"] for answer in (first, second)] == [1, 2]
    third = server.post("/_api/sync/delta", FIRST_BODY).json()
    assert third["results"][0]["seq"] == third["server_version"]["server"] == 3
    assert [shown(server, key)["_version"] for key in ("one", "two", "user-123")] == [
        {"client-A": 1},
        {"client-B": 1},
        {"client-A": 6},
    ]
    assert all("server" not in change["version_vector"] for change in third["server_changes"])


def test_edits_on_a_base_that_names_the_server_are_no_conflict_with_their_own_author(server: Any) -> None:
    """F6: the first documentation's base has such an entry; two edits in a row before any answer was pulled."""
    by_hand(server, "client-A", operation="insert", document={"n": 1})
    for number in (2, 3):
        base = {"client-A": number - 1, "server": 8}
        answer = by_hand(server, "client-A", operation="update", delta={"n": number}, base_version=base)
        assert (answer["results"][0]["status"], answer.get("conflicts", [])) == ("applied", [])
    assert shown(server)["n"] == 3


def test_a_change_without_a_base_has_never_seen_its_key(server: Any) -> None:
    """F7: new where nothing is, and concurrent with whatever is there already."""
    assert by_hand(server, "client-A", operation="insert", document={"n": 1})["results"][0]["status"] == "applied"
    unseen = by_hand(server, "client-B", operation="insert", document={"n": 2})
    (conflict,) = unseen["conflicts"]
    assert (conflict["key"], conflict["fields"]) == ("u", ["n"])
    seen = by_hand(server, "client-B", operation="update", delta={"n": 3}, base_version={"client-A": 1, "client-B": 1})
    assert (seen["results"][0]["status"], seen.get("conflicts", [])) == ("applied", [])
    assert shown(server) == {"n": 3, "_version": {"client-A": 1, "client-B": 2}}


def test_null_is_a_value_and_unset_removes(server: Any) -> None:
    """I4: on the way to the server and on the way to a device that was caught up."""
    long = {"long": "x" * 500}
    by_hand(server, "client-A", operation="insert", document={**long, "text": "milk", "done": True, "in": {"a": 1, "b": 2}})
    delta = {"text": None, "/in/a": None}
    by_hand(server, "client-A", operation="update", delta=delta, unset=["done", "/in/b"], base_version={"client-A": 1})
    assert shown(server) == {**long, "text": None, "in": {"a": None}, "_version": {"client-A": 2}}
    asked = {"database": "db", "client_id": "client-B", "version_vector": {"server": 1}, "caught_up": 1, "protocol": 1}
    (change,) = server.post("/_api/sync/delta", asked).json()["server_changes"]
    assert (change["delta"], sorted(change["unset"])) == (delta, ["/in/b", "done"])
