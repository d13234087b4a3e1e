"""Messages to bytes and back: what is left out, what is ignored, and what can't be read."""

import json

import pytest
from msgspec import Raw

from solidb_sync.errors import ProtocolError
from solidb_sync.protocol.codec import (
    decode_error,
    decode_message,
    decode_sync_answer,
    encode_message,
    encode_sync_request,
)
from solidb_sync.protocol.endpoints import PUSH, path_for
from solidb_sync.protocol.messages import RegisterAnswer, SyncAnswer, SyncRequest, WireChange
from solidb_sync.storage.text_forms import encode_change


def test_a_request_carries_its_changes_as_the_text_they_are() -> None:
    """The same as if they had been encoded with it."""
    changes = [WireChange("notes", "é", "insert", id="c1", document=Raw(b'{"v":1.0}')), WireChange("notes", "b", "delete")]
    request = SyncRequest(client_id="phone", limit=0, version_vector={"server": 3})
    wires = [encode_change(change) for change in changes]
    whole = SyncRequest(client_id="phone", limit=0, version_vector={"server": 3}, changes=changes)
    assert encode_sync_request(request, ",".join(wires).encode()) == encode_message(whole)
    assert encode_sync_request(request, b"") == encode_message(request)


def test_what_has_its_default_is_not_sent() -> None:
    """But `limit` 0, which asks for no pull, is."""
    assert json.loads(encode_message(SyncRequest(client_id="phone"))) == {"client_id": "phone"}
    assert json.loads(encode_message(SyncRequest(client_id="phone", limit=0)))["limit"] == 0


def test_unknown_fields_of_an_answer_are_ignored_and_absent_ones_have_defaults() -> None:
    """So that the server may be newer, or older."""
    answer = decode_sync_answer(b'{"server_version":{"server":3},"later":[1]}')
    assert answer == SyncAnswer(server_version={"server": 3})


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"<html>", b"[]", b"{}", b'{"server_version":3}', b'{"server_version":{"a":"b"}}', b"\xff", b'"\xff"'],
)
def test_an_answer_that_cannot_be_read_is_a_protocol_error(body: bytes) -> None:
    """Whatever stands in it."""
    with pytest.raises(ProtocolError, match="can't be read"):
        decode_sync_answer(body)
    with pytest.raises(ProtocolError, match="can't be read"):
        decode_message(body, RegisterAnswer)


def test_an_error_answer_says_something_whoever_wrote_it() -> None:
    """A proxy does not know our form."""
    ours = decode_error(b'{"error":"no","code":403,"type":"Forbidden","details":{"a":1}}', 403)
    assert (ours.error, ours.type, ours.details) == ("no", "Forbidden", {"a": 1})
    for body in (b"<html>Bad gateway</html>", b"", b"\xff", b'{"error":5}'):
        theirs = decode_error(body, 502)
        assert (theirs.code, theirs.type) == (502, "Unknown")
        assert "502" in theirs.error


@pytest.mark.parametrize(
    ("database", "path"),
    [("mydb", "/_api/sync/push/mydb"), ("a/b", "/_api/sync/push/a%2Fb"), ("é ?", "/_api/sync/push/%C3%A9%20%3F")],
)
def test_the_name_of_a_database_cannot_leave_its_place_in_a_path(database: str, path: str) -> None:
    """It is quoted, slashes too."""
    assert path_for(PUSH, database) == path
