"""The documents that a push edits are read many at a time: the outcome is that of reading each when its turn comes."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from solidb_sync.server import bodies_ahead
from solidb_sync.server.storage.sqlite.session import SqliteWriteSession

KEYS = [f"k{number}" for number in range(12)]


def _pushes(rng: Random, phone: Any) -> list[tuple[dict[str, Any], ...]]:
    """Return pushes of edits, some of them twice of one document, of none, of a deleted one or refused; and transactions."""
    pushes = []
    for _ in range(12):
        changes = []
        for _ in range(rng.randrange(1, 20)):
            key, collection = rng.choice(KEYS), rng.choice(["notes", "other"])
            change = rng.choice(
                [
                    phone.update(key, {"n": rng.randrange(9)}, collection=collection),
                    phone.update(key, {"text": "x" * rng.randrange(300)}, collection=collection),
                    phone.update(key, {"/n/deep": 1}, collection=collection),
                    phone.insert(key, {"n": 0}, collection=collection),
                    phone.delete(key, collection=collection),
                ]
            )
            changes.append(change)
        pushes.append(tuple(changes))
    return pushes


def _outcome(server: Any, database: str) -> list[Any]:
    phone = server.device("phone", database=database)
    results = [phone.push(*changes)["results"] for changes in _pushes(Random(3), phone)]
    told = [[{**result, "change_id": ""} for result in answered] for answered in results]
    pulled = server.device("tablet", database=database).pull()
    shown = [[change.get(name) for name in ("collection", "key", "operation", "document")] for change in pulled]
    return [*told, shown]


@pytest.mark.parametrize(("count", "size"), [(3, 1024 * 1024), (100, 200), (1, 1)])
def test_the_outcome_is_the_same_whatever_is_read_at_once(
    server: Any, monkeypatch: pytest.MonkeyPatch, count: int, size: int
) -> None:
    wanted = _outcome(server, "one")
    statuses = {result["status"] for results in wanted[:-1] for result in results}
    assert {"applied", "conflict", "need_full"} <= statuses
    monkeypatch.setattr(bodies_ahead, "AT_ONCE_MAX", count)
    monkeypatch.setattr(bodies_ahead, "STORED_BYTES_AT_ONCE_MAX", size)
    assert _outcome(server, "two") == wanted


def test_edits_of_many_documents_read_none_of_them_singly(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = server.device("phone")
    phone.push(*[phone.insert(f"n{number}", {"n": 0}) for number in range(250)])
    monkeypatch.delattr(SqliteWriteSession, "body")
    phone.push(*[phone.update(f"n{number}", {"n": number}) for number in range(250)])
    assert [server.document(f"n{number}") for number in range(250)] == [{"n": number} for number in range(250)]
