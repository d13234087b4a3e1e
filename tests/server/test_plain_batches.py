"""A batch of nothing but new documents is written as a whole: with the outcome it would have change by change."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import Any

import apsw
import pytest

from solidb_sync.json_value import DOCUMENT_BYTES_MAX
from solidb_sync.model.version_vector import COUNTER_MAX
from solidb_sync.protocol.client_settings import settings_hash, settings_text
from solidb_sync.protocol.messages import ClientSettings
from solidb_sync.server import sync_request
from solidb_sync.server.plain_batch import COLLECTIONS_AT_ONCE_MAX
from solidb_sync.server.storage.sqlite.session import SqliteWriteSession

TABLES = ("collections", "latest", "outcomes", "unsettled", "actors", "meta", "c_1", "c_2")
KEYS = ["a", "b", "é 😀", 'it\'s \\ "quoted"', "1.0", "null", "0"]
VALUES: list[Any] = [
    None, True, 0, -0.0, 1e22, 0.1, 2**63 - 1, -(2**63), "", "zero \u0000 sep \u2028 😀",
    '"[{', [], {}, [[None]], {"": {"": []}},
]  # fmt: skip


def test_the_outcome_is_that_of_judging_change_by_change(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """New documents, known ones, repeated requests, ids and counters that come twice, changes of every kind."""
    rng = Random(7)
    whole = [_sent(server, "whole", f"phone-{at // 4}", changes) for at, changes in enumerate(_pushes(rng))]
    statuses = Counter(result["status"] for answer in whole for result in answer.get("results", []))
    assert statuses["applied"] > 500
    assert {"duplicate", "rejected", "skipped", "conflict"} <= set(statuses)
    monkeypatch.setattr(sync_request, "plain_batch", lambda changes, text: None)
    singly = [_sent(server, "singly", f"phone-{at // 4}", changes) for at, changes in enumerate(_pushes(Random(7)))]
    for at, (one, other) in enumerate(zip(whole, singly, strict=True)):
        assert _without_epoch(one) == _without_epoch(other), at
    assert _tables(server, 1) == _tables(server, 2)


def test_batches_do_take_the_short_way(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = server.device("phone")
    monkeypatch.delattr(SqliteWriteSession, "write")
    answer = phone.push(phone.insert("a", {"n": 1}), phone.insert("b", {}, collection="other"))
    assert [(result["status"], result["seq"]) for result in answer["results"]] == [("applied", 1), ("applied", 2)]
    assert server.document("a") == {"n": 1}
    assert server.document("b", "other") == {}


def test_a_body_that_is_not_canonical_is_taken_all_the_same(server: Any) -> None:
    """Spaces, escapes and the order of fields are a matter of taste, and what is kept is canonical."""
    phone = server.device("phone")
    body = phone.body((phone.insert("a", {"é": 1.0}), phone.insert("b", {})))
    answer = server.post("/_api/sync/delta", json.dumps(body, indent=1))
    assert [result["status"] for result in answer.json()["results"]] == ["applied", "applied"]
    assert server.document("a") == {"é": 1.0}


@pytest.mark.parametrize("others", [(), ("update",)])
def test_new_documents_are_stamped_where_stamps_decide(server: Any, others: tuple[str, ...]) -> None:
    """Their author gave no stamp, so the server's is taken, as for any other edit."""
    asked = {"default_strategy": "last_write_wins:hlc"}
    assert server.post("/_api/sync/clients/db", {"client_id": "phone", "settings": asked}).status_code == 200
    named = settings_hash(settings_text(ClientSettings(default_strategy="last_write_wins:hlc")))
    phone = server.device("phone")
    phone.push(phone.insert("a", {}), *(phone.change(other, "b", delta={}) for other in others), settings=named)
    ((dots,),) = server.rows("SELECT dots FROM c_1 WHERE k = 'a'")
    assert json.loads(dots)[""][:3] == ["phone", 1, 1]
    assert len(json.loads(dots)[""]) == 4


def test_more_collections_than_are_written_at_once_are_no_problem(server: Any) -> None:
    phone = server.device("phone")
    names = [f"c{number}" for number in range(COLLECTIONS_AT_ONCE_MAX + 1)]
    answer = phone.push(*[phone.insert("k", {"in": name}, collection=name) for name in names])
    assert {result["status"] for result in answer["results"]} == {"applied"}
    assert [server.document("k", name) for name in names] == [{"in": name} for name in names]


def test_text_that_looks_like_the_beginning_of_the_changes_is_only_text(server: Any) -> None:
    phone = server.device('phone"changes":[')
    phone.push(phone.insert('"changes":[', {'"changes":[': '"changes":['}))
    assert server.device("laptop").pull()[0]["document"] == {'"changes":[': '"changes":['}


@pytest.mark.parametrize("unfit", [{"counter": COUNTER_MAX + 1}, {"document": {"text": "x" * DOCUMENT_BYTES_MAX}}])
def test_what_is_out_of_bounds_is_rejected_and_its_neighbour_applied(server: Any, unfit: dict[str, Any]) -> None:
    phone = server.device("phone")
    answer = phone.push(phone.insert("a", {}), {**phone.insert("b", {}), **unfit})
    assert [result["status"] for result in answer["results"]] == ["applied", "rejected"]


def _pushes(rng: Random) -> list[list[dict[str, Any]]]:
    """Return the changes of many pushes of one device; most are plain, some are anything."""
    counter = 0
    pushes: list[list[dict[str, Any]]] = []
    for at in range(600):
        push = []
        for place in range(rng.randrange(1, 6)):
            counter += rng.choice([1, 1, 1, 3]) if rng.random() < 0.97 else 0
            push.append(_change(rng, f"{at}-{place}", counter))
        pushes.append(push)
        if rng.random() < 0.15:
            pushes.append(push)
    return pushes


def _change(rng: Random, name: str, counter: int) -> dict[str, Any]:
    key = rng.choice(KEYS) if rng.random() < 0.2 else f"{rng.choice(KEYS)}{name}"
    change = {
        "collection": rng.choice(["notes", "notes", "other"]),
        "key": key,
        "operation": "insert",
        "id": f"id {rng.choice(KEYS)} {name}",
        "counter": counter,
        "document": {"v": rng.choice(VALUES), "w": [rng.choice(VALUES)]},
        "timestamp": "2024-01-15T10:30:00Z",
    }
    if rng.random() < 0.93:
        return change
    return {**change, **rng.choice(UNUSUAL)}


UNUSUAL: list[dict[str, Any]] = [
    {"id": "the same"},
    {"counter": 1},
    {"counter": 0},
    {"counter": 2**53},
    {"key": "a/b"},
    {"key": ""},
    {"collection": "_system"},
    {"operation": "delete"},
    {"operation": "update", "delta": {"v": 1}},
    {"base_version": {"phone-0": 1}},
    {"delta": {"v": 2}},
    {"document": {"deep": json.loads("[" * 70 + "]" * 70)}},
    {"document": []},
    {"transaction": "t"},
    {"transaction": "t", "transaction_size": 2},
    {"timestamp": "x" * 65},
    {"id": "i" * 65},
]


def _sent(server: Any, database: str, client_id: str, changes: list[dict[str, Any]]) -> Any:
    """Return the answer to a push of these changes by a device that knows nothing of the answers before."""
    body = {
        "client_id": client_id,
        "database": database,
        "protocol": 1,
        "last_counter": changes[0]["counter"] + 10,
        "pushes": 0 if changes[0]["counter"] % 11 == 0 else None,
        "version_vector": {"server": 0},
        "limit": 0,
        "changes": changes,
    }
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return server.post("/_api/sync/delta", text.encode()).json()


def _without_epoch(answer: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in answer.items() if name not in ("epoch", "run", "runs")}
    if "details" in kept:
        kept["details"] = {name: value for name, value in kept["details"].items() if name != "request_id"}
    return kept


def _tables(server: Any, database: int) -> dict[str, list[Any]]:
    connection = apsw.Connection(str(server.path / f"db-{database}.sqlite"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        found = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}
    finally:
        connection.close()
    found["meta"] = [row[2:3] for row in found["meta"]]
    return found
