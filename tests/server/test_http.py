"""The plain HTTP side: who may do what, errors as JSON, bounds on bodies, reading documents."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

SEED_DELTA = """{
  "database": "mydb",
  "client_id": "client-A",
  "version_vector": {"client-A": 5, "server": 8},
  "changes": [
    {
      "collection": "users",
      "key": "user-123",
      "operation": "insert",
      "document": { "name": "Alice", "email": "alice@example.com" },
      "timestamp": "2024-01-15T10:30:00Z"
    }
  ]
}"""
SEED_PUSH = """{
  "client_id": "client-A",
  "changes": [
    {
      "collection": "users",
      "key": "user-123",
      "operation": "update",
      "delta": { "email": "alice@example.org" },
      "base_version": { "client-A": 5, "server": 8 }
    }
  ]
}"""
SEED_PULL = (
    '/_api/sync/pull/mydb?client_id=client-B&version_vector={"client-A":5,"server":0}&collections=users,orders&limit=100'
)


def test_the_documented_requests_work_as_printed(server: Any) -> None:
    delta = server.post("/_api/sync/delta", SEED_DELTA).json()
    assert delta["server_version"] == {"client-A": 6, "server": 1}
    assert (delta["server_changes"], delta["conflicts"]) == ([], [])
    pushed = server.post("/_api/sync/push/mydb", SEED_PUSH).json()
    assert pushed["server_version"]["client-A"] == 7
    assert len(pushed["results"]) == len(pushed["conflicts"]) == 1
    pulled = server.get(SEED_PULL).json()
    assert (pulled["has_more"], pulled["conflicts"]) == (False, [])
    (change,) = pulled["server_changes"]
    assert change["document"] == {"name": "Alice", "email": "alice@example.org"}
    assert (change["collection"], change["key"]) == ("users", "user-123")
    status = server.get("/_api/sync/status/mydb?client_id=client-B").json()
    assert status.keys() == {"client_id", "server_version", "pending_for_client", "last_sync", "collections_synced"}
    assert status["collections_synced"] == ["users", "orders"]


def test_a_delta_answer_carries_the_update_of_another_device(server: Any) -> None:
    first = '{"client_id":"client-B","changes":[{"collection":"users","key":"user-456","operation":"insert","document":%s}]}'
    server.post("/_api/sync/push/mydb", first % '{"name":"Bo","status":"idle","text":"something long enough"}')
    cursor = server.post("/_api/sync/delta", SEED_DELTA.replace('"server": 8', '"server": 1')).json()["cursor"]
    update = {"collection": "users", "key": "user-456", "operation": "update", "delta": {"status": "active"}}
    server.post("/_api/sync/push/mydb", {"client_id": "client-B", "changes": [{**update, "base_version": {"client-B": 1}}]})
    body = {"database": "mydb", "client_id": "client-A", "version_vector": {"client-A": 6, "server": cursor}}
    answer = server.post("/_api/sync/delta", body).json()
    assert answer["server_version"] == {"client-A": 6, "client-B": 2, "server": 3}
    (change,) = answer["server_changes"]
    assert (change["operation"], change["delta"]) == ("update", {"status": "active"})


PROTECTED = [
    ("GET", "/_api/sync/attachments/db/" + "0" * 64, None),
    ("PUT", "/_api/sync/attachments/db/" + "0" * 64 + "?length=1", "x"),
    ("POST", "/_api/sync/delta", '{"database":"db","client_id":"a","changes":[]}'),
    ("POST", "/_api/sync/push/db", '{"client_id":"a","changes":[]}'),
    ("POST", "/_api/sync/pull/db", '{"client_id":"a"}'),
    ("GET", "/_api/sync/pull/db?client_id=a", None),
    ("GET", "/_api/sync/status/db?client_id=a", None),
    ("GET", "/_api/sync/stream/db?client_id=a", None),
    ("POST", "/_api/sync/clients/db", '{"client_id":"a"}'),
    ("DELETE", "/_api/sync/clients/db/a", None),
    ("POST", "/_api/sync/maintenance/db", None),
    ("POST", "/_api/sync/fetch/db", '{"client_id":"a","documents":[]}'),
    ("POST", "/_api/sync/explain/db", '{"query":"FOR n IN notes RETURN n"}'),
    ("GET", "/_api/sync/conflicts/db?client_id=a", None),
    ("POST", "/_api/sync/resolve/db", '{"client_id":"a"}'),
    ("GET", "/_api/sync/policies/db", None),
    ("PUT", "/_api/sync/policies/db/notes", '{"strategy":"manual"}'),
    ("DELETE", "/_api/sync/policies/db/notes", None),
    ("POST", "/_api/sync/offer/db", '{"client_id":"a","protocol":1}'),
    ("GET", "/_api/databases", None),
    ("POST", "/_api/database", '{"name":"db"}'),
    ("GET", "/_api/database/db/collection", None),
    ("DELETE", "/_api/database/db/collection/notes", None),
    ("PUT", "/_api/database/db/collection/notes/truncate", None),
    ("GET", "/_api/database/db/document/notes", None),
    ("GET", "/_api/database/db/document/notes/a", None),
    ("POST", "/_api/auth/api-keys", '{"name":"n","database":"db"}'),
    ("GET", "/_api/auth/api-keys", None),
    ("DELETE", "/_api/auth/api-keys/1", None),
]


@pytest.mark.parametrize(("method", "path", "body"), PROTECTED)
def test_nothing_is_allowed_without_known_credentials(server: Any, method: str, path: str, body: str | None) -> None:
    for key in (None, "sk_" + "0" * 64, "wrong", "sk_"):
        answer = server.request(method, path, key=key, content=body)
        assert (answer.status_code, answer.json()["type"], answer.json()["code"]) == (401, "Unauthorized", 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    assert server.backend.database_names() == []


def test_every_route_but_the_probes_is_in_the_table_above(server: Any) -> None:
    routes = {(method, route.path) for route in server.app.routes for method in route.methods - {"HEAD"}}
    probes = {("GET", path) for path in ("/_api/health", "/healthz", "/readyz")}
    assert len(routes - probes) == len(PROTECTED)


def test_a_key_is_for_one_database(server: Any) -> None:
    key = server.api_key("mine")
    server.post("/_api/database", {"name": "other"})
    pull = '{"client_id":"a"}'
    assert server.post("/_api/sync/pull/mine", pull, key=key).status_code == 200
    for database in ("other", "missing", "../etc", "_system"):
        answer = server.post("/_api/sync/delta", {"client_id": "a", "database": database}, key=key)
        assert (answer.status_code, answer.json()["type"]) == (403, "Forbidden")
    assert server.get("/_api/databases", key=key).json() == {"databases": ["mine"]}
    for method, path in (("POST", "/_api/auth/api-keys"), ("GET", "/_api/auth/api-keys"), ("POST", "/_api/database")):
        assert server.request(method, path, key=key, content='{"name":"x","database":"mine"}').status_code == 403


def test_a_read_only_key_may_pull_but_not_write(server: Any) -> None:
    writer = server.device("phone")
    writer.push(writer.insert("a", {"n": 1}))
    key = server.api_key("db", read_only=True)
    pulled = server.post("/_api/sync/delta", {"client_id": "r", "database": "db"}, key=key).json()
    assert [change["key"] for change in pulled["server_changes"]] == ["a"]
    change = {"collection": "notes", "key": "b", "operation": "insert", "document": {}}
    refused = [
        server.post("/_api/sync/delta", {"client_id": "r", "database": "db", "changes": [change]}, key=key),
        server.post("/_api/sync/push/db", {"client_id": "r", "changes": []}, key=key),
        server.request("DELETE", "/_api/sync/clients/db/phone", key=key),
    ]
    assert [answer.status_code for answer in refused] == [403, 403, 403]
    assert server.document("b") is None


def test_credentials_come_in_three_forms(server: Any) -> None:
    key = server.api_key("db")
    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}, {"Authorization": f"ApiKey {key}"}):
        assert server.get("/_api/databases", key=None, headers=headers).status_code == 200
    assert server.get("/_api/databases", key=None, headers={"Authorization": f"Basic {key}"}).status_code == 401


def test_a_deleted_key_opens_nothing_and_no_secret_is_ever_listed(server: Any) -> None:
    made = server.post("/_api/auth/api-keys", {"name": "laptop", "database": "db", "read_only": True}).json()
    assert made["key"].startswith("sk_")
    listed = server.get("/_api/auth/api-keys")
    assert made["key"] not in listed.text
    assert listed.json()["keys"] == [{name: made[name] for name in ("id", "name", "database", "read_only", "created_at")}]
    for path in server.path.iterdir():
        assert made["key"].encode() not in path.read_bytes()
    assert server.request("DELETE", f"/_api/auth/api-keys/{made['id']}").json() == {"deleted": True}
    assert server.get("/_api/databases", key=made["key"]).status_code == 401
    assert server.request("DELETE", f"/_api/auth/api-keys/{made['id']}").status_code == 404


def test_an_administrator_creates_databases_by_using_them_and_others_do_not(server: Any) -> None:
    assert server.post("/_api/sync/pull/new", '{"client_id":"a"}').status_code == 200
    assert server.post("/_api/database", {"name": "asked"}).json() == {"name": "asked", "status": "created"}
    assert server.post("/_api/database", {"name": "asked"}).status_code == 409
    assert server.get("/_api/databases").json() == {"databases": ["asked", "new"]}
    for name in ("_system", "a b", "", "..", "x" * 129):
        assert server.post("/_api/database", {"name": name}).status_code == 400
    assert server.post("/_api/sync/pull/_system", '{"client_id":"a"}').status_code == 400


def test_every_error_is_json_with_message_code_and_type(server: Any) -> None:
    for method, path, status in (
        ("GET", "/nope", 404),
        ("GET", "/_api/sync/delta", 405),
        ("PUT", "/healthz", 405),
        ("GET", "/_api/sync/status/db", 400),
        ("GET", "/_api/sync/pull/db?client_id=a&limit=x", 400),
        ("GET", "/_api/sync/pull/db?client_id=a&version_vector=[", 400),
        ("GET", '/_api/sync/pull/db?client_id=a&version_vector={"a":"b"}', 400),
        ("GET", "/_api/sync/pull/db?client_id=a&full=maybe", 400),
        ("GET", "/_api/database/db/document/_x/a", 400),
        ("GET", "/_api/database/db/document/notes/none", 404),
    ):
        answer = server.request(method, path)
        assert answer.status_code == status, path
        assert answer.headers["content-type"] == "application/json"
        assert answer.json().keys() == {"error", "code", "type", "details"}
        assert answer.json()["details"].keys() == {"request_id"}
        assert answer.json()["code"] == status


def test_a_request_at_the_wrong_door_is_refused_by_its_field(server: Any) -> None:
    phone = server.device("phone")
    nameless = server.post("/_api/sync/delta", '{"client_id":"a"}')
    assert (nameless.status_code, nameless.json()["error"]) == (400, "database: required, but missing")
    pulled = server.post("/_api/sync/pull/db", phone.body((phone.insert("a", {}),)))
    assert (pulled.status_code, pulled.json()["error"].split(":")[0]) == (400, "changes")
    assert server.document("a") is None


def test_a_failure_inside_tells_nothing_but_a_request_id(server: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    def fail() -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(server.backend, "check", fail)
    answer = server.get("/readyz", key=None)
    assert (answer.status_code, answer.json()["type"]) == (500, "InternalError")
    assert "secret" not in answer.text
    assert answer.json()["details"]["request_id"] in caplog.text
    assert "the secret of the house" in caplog.text


def test_the_probes_answer_anybody(server: Any) -> None:
    assert server.get("/_api/health", key=None).json() == {"status": "ok", "timestamp": "2024-01-15T10:30:00.000Z"}
    assert server.get("/healthz", key=None).json()["status"] == "ok"
    assert server.get("/readyz", key=None).json()["status"] == "ok"


async def _endless(parts: int) -> AsyncIterator[bytes]:
    for _ in range(parts):
        yield b" " * 1024 * 1024


def test_a_body_is_cut_off_at_its_bound_whatever_its_length_says(server: Any) -> None:
    assert server.request("POST", "/_api/sync/delta", content=_endless(9)).status_code == 413
    assert server.request("POST", "/_api/sync/delta", content=b" " * (8 * 1024 * 1024 + 1)).status_code == 413
    lying = server.request("POST", "/_api/sync/delta", content=_endless(9), headers={"Content-Length": "10"})
    assert (lying.status_code, lying.json()["type"]) == (413, "PayloadTooLarge")
    honest = server.request("POST", "/_api/sync/delta", content=b"{}", headers={"Content-Length": "9" * 30})
    assert honest.status_code == 413


def test_a_body_in_an_unknown_encoding_is_refused(server: Any) -> None:
    for encoding, status in (("br", 415), ("zstd", 415), ("identity", 200)):
        answer = server.post("/_api/sync/pull/db", '{"client_id":"a"}', headers={"Content-Encoding": encoding})
        assert answer.status_code == status, encoding


def test_documents_are_read_by_key_and_in_pages(server: Any) -> None:
    phone = server.device("phone")
    phone.push(*[phone.insert(key, {"n": key}) for key in ("b", "ä", "a", "c c")], phone.delete("b", base={"phone": 1}))
    assert server.get("/_api/database/db/document/notes/c%20c").json() == {
        "n": "c c",
        "_key": "c c",
        "_id": "notes/c c",
        "_version": {"phone": 4},
        "_timestamp": "2024-01-15T10:30:00.000Z",
    }
    assert server.get("/_api/database/db/document/notes/b").status_code == 404
    first = server.get("/_api/database/db/document/notes?limit=2").json()
    assert ([document["_key"] for document in first["documents"]], first["has_more"]) == (["a", "c c"], True)
    rest = server.get("/_api/database/db/document/notes?limit=2&after=c%20c").json()
    assert ([document["_key"] for document in rest["documents"]], rest["has_more"]) == (["ä"], False)
    assert server.get("/_api/database/db/collection").json() == {
        "collections": [{"name": "notes", "count": 3, "type": "document"}]
    }
    assert server.get("/_api/database/db/document/unknown").json() == {"documents": [], "has_more": False}


def test_names_are_only_ever_values(server: Any) -> None:
    phone = server.device("phone")
    name = "x" * 128
    key = "'; DROP TABLE c_1; --"
    answer = phone.push(phone.insert(key, {"n": 1}, collection=name), phone.insert("a", {}, collection="c_1"))
    assert [result["status"] for result in answer["results"]] == ["applied", "applied"]
    assert [change["key"] for change in server.device("other").pull()] == [key, "a"]
    assert sorted(path.name for path in server.path.iterdir() if path.suffix == ".sqlite") == [
        "db-1.sqlite",
        "server.sqlite",
    ]
    assert json.loads(server.get(f"/_api/database/db/document/{name}").text)["documents"][0]["_key"] == key
