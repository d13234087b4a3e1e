"""5.17: a collection emptied or dropped as a whole is one mark in the log, not a tombstone for every document."""

from __future__ import annotations

from typing import Any

import pytest

from solidb_sync.protocol.client_settings import settings_hash, settings_text
from solidb_sync.protocol.messages import ClientSettings, WireFilter

COLLECTION = "/_api/database/db/collection/notes"


@pytest.fixture
def filled(server: Any) -> Any:
    """A server with a document in each of two collections, of an author who has synced."""
    author = server.device("author")
    assert author.statuses(author.insert("a", {"n": 1}), author.insert("b", {}, collection="other")) == ["applied"] * 2
    author.pull()
    return author


def test_a_device_is_told_of_an_emptied_collection_by_name(server: Any, filled: Any) -> None:
    reader, late, other = server.device("reader"), server.device("late"), server.device("other")
    reader.pull()
    other.pull()
    assert server.request("PUT", COLLECTION + "/truncate").status_code == 200
    told = reader.sync()
    assert (told["resets"], told["server_changes"], told["cursor"]) == (["notes"], [], 3)
    assert "resets" not in reader.sync(version_vector={"server": 3})
    assert "resets" not in other.sync(collections=["other"])
    assert "resets" not in other.sync(excluded=["notes"])
    assert "resets" not in late.sync(), "who had nothing has nothing to drop"
    assert [change["key"] for change in late.pull()] == ["b"]
    assert server.get("/_api/database/db/document/notes/a").status_code == 404


def test_a_device_that_has_only_sent_is_told_of_an_emptied_collection(server: Any, filled: Any) -> None:
    writer = server.device("writer")
    writer.push(writer.insert("c", {"n": 1}))
    server.request("PUT", COLLECTION + "/truncate")
    assert writer.sync(version_vector={"server": 0, "writer": 1})["resets"] == ["notes"]


def test_what_a_device_that_has_only_sent_writes_after_an_emptying_is_sent_to_it(server: Any, filled: Any) -> None:
    """It drops all it has of the collection, its own newer document too."""
    writer = server.device("writer")
    writer.push(writer.insert("c", {"n": 1}))
    server.request("PUT", COLLECTION + "/truncate")
    told = writer.sync(writer.insert("d", {"n": 2}), version_vector={"server": 0, "writer": 1})
    assert (told["resets"], [change["key"] for change in told["server_changes"]]) == (["notes"], ["b", "d"])


def test_what_comes_after_an_emptying_is_kept(server: Any, filled: Any) -> None:
    server.request("PUT", COLLECTION + "/truncate")
    assert filled.statuses(filled.insert("c", {"n": 2}), filled.insert("a", {"n": 3})) == ["applied", "applied"]
    told = filled.sync(version_vector={"server": 2})
    assert (told["resets"], [change["key"] for change in told["server_changes"]]) == (["notes"], ["c", "a"])


def test_an_edit_of_an_emptied_document_makes_it_anew(server: Any, filled: Any) -> None:
    server.request("PUT", COLLECTION + "/truncate")
    change = filled.update("a", {"n": 2}, base={"author": 1})
    assert filled.statuses(change) == ["need_full"]
    assert filled.statuses({**change, "document": {"n": 2}}) == ["applied"]
    assert server.document("a")["n"] == 2


@pytest.mark.parametrize("extra", [{}, {"base": {"author": 1}}])
def test_edits_from_before_a_drop_are_refused_and_say_so(server: Any, filled: Any, extra: dict[str, Any]) -> None:
    assert server.request("DELETE", COLLECTION).status_code == 204
    result = filled.push(filled.insert("a", {"n": 2}, **extra), filled.insert("c", {}, collection="other"))["results"]
    assert [one["status"] for one in result] == ["rejected", "applied"]
    assert result[0]["error"]["type"] == "CollectionDropped"
    listed = server.get("/_api/database/db/collection").json()["collections"]
    assert [collection["name"] for collection in listed] == ["other"]


def test_a_device_that_has_learned_of_a_drop_may_begin_the_collection_anew(server: Any, filled: Any) -> None:
    server.request("DELETE", COLLECTION)
    assert filled.sync()["resets"] == ["notes"]
    filled.pull()
    assert filled.statuses(filled.insert("a", {"n": 9})) == ["applied"]
    assert server.document("a")["n"] == 9


def test_there_must_be_such_a_collection_and_a_right_to_write(server: Any, filled: Any) -> None:
    assert server.request("DELETE", COLLECTION.replace("notes", "never")).status_code == 404
    assert server.request("PUT", COLLECTION.replace("notes", "never") + "/truncate").status_code == 404
    key = server.api_key(read_only=True)
    assert server.request("DELETE", COLLECTION, key=key).status_code == 403
    assert server.document("a")["n"] == 1


def test_a_device_whose_edits_are_not_known_to_have_arrived_is_told_of_an_emptied_collection(
    server: Any, filled: Any
) -> None:
    """The answer to its push was lost, and it has no cursor: it has only counted an edit (seed 895)."""
    server.request("PUT", COLLECTION + "/truncate")
    writer = server.device("writer")
    writer.counter = 1
    assert writer.sync(pushes=0)["resets"] == ["notes"]


def test_a_page_behind_a_filter_brings_what_came_into_an_emptied_collection_since(server: Any, filled: Any) -> None:
    """Also from beyond its end: the device may have those documents, and drops the collection (seed 927)."""
    query = "FOR o IN other FILTER o.n >= 0 RETURN o"
    body = {"client_id": "writer", "settings": {"filters": {"other": {"query": query}}}}
    assert server.post("/_api/sync/clients/db", body).status_code == 200
    writer = server.device("writer")
    named = {"settings": settings_hash(settings_text(ClientSettings(filters={"other": WireFilter(query)})))}
    server.request("PUT", COLLECTION + "/truncate")
    for number in range(3):
        filled.push(filled.insert(f"o{number}", {"n": number}, collection="other"))
    told = writer.sync(writer.insert("mine", {"n": 2}), limit=1, pushes=0, views={"other": 0}, **named)
    assert (told["resets"], told["has_more"]) == (["notes"], True)
    assert ("notes", "mine") in [(change["collection"], change["key"]) for change in told["server_changes"]]
