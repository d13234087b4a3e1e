"""An edit on top of own edits that were overruled: author and server do not hold the same version (invariants 13 and 21)."""

from __future__ import annotations

from typing import Any

from solidb_sync.protocol.client_settings import settings_hash, settings_text
from solidb_sync.protocol.messages import ClientSettings

SETTINGS = {"strategies": {"notes": "first_write_wins"}}
HASH = settings_hash(settings_text(ClientSettings(strategies={"notes": "first_write_wins"})))


def _overruled(server: Any) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Return a phone that saw the laptop's version only after its own edit of it, that edit, and one on top of both."""
    laptop, phone = server.device("laptop"), server.device("phone")
    server.post("/_api/sync/clients/db", {"client_id": "phone", "settings": SETTINGS})
    laptop.push(laptop.insert("a", {"p": "laptop"}))
    first = phone.insert("a", {"p": "phone"})
    second = phone.update("a", {"q": 2}, base={"laptop": 1, "phone": 1})
    return phone, first, second


def test_it_is_merged_and_sent_back_in_the_request_that_overruled_them(server: Any) -> None:
    """Otherwise the author would take what it shows, with its overruled edit, for the server's version."""
    phone, first, second = _overruled(server)
    answer = phone.sync(first, second, settings=HASH)
    assert [result["status"] for result in answer["results"]] == ["conflict", "merged"]
    assert [change["document"] for change in answer["server_changes"]] == [{"p": "laptop", "q": 2}]


def test_it_is_merged_as_long_as_the_author_has_not_stored_the_outcome(server: Any) -> None:
    phone, first, second = _overruled(server)
    assert phone.statuses(first, settings=HASH) == ["conflict"]
    assert phone.statuses(second, settings=HASH) == ["merged"]


def test_it_is_applied_once_the_author_has_pulled_what_overruled_it(server: Any) -> None:
    phone, first, second = _overruled(server)
    assert phone.statuses(first, settings=HASH) == ["conflict"]
    assert [change["document"] for change in phone.pull(settings=HASH)] == [{"p": "laptop"}]
    assert phone.statuses(second, settings=HASH) == ["applied"]
