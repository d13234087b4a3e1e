"""Attached bytes at the server: pieces in, pieces out, and what is forgotten."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

CONTENT = bytes(range(256)) * 40
DIGEST = hashlib.sha256(CONTENT).hexdigest()
DAY = 86_400


@pytest.fixture
def server(server: Any) -> Any:
    server.api_key()  # makes the database
    return server


def path(digest: str = DIGEST, database: str = "db") -> str:
    return f"/_api/sync/attachments/{database}/{digest}"


def put(server: Any, offset: int, piece: bytes, *, length: int = len(CONTENT), digest: str = DIGEST, **rest: Any) -> Any:
    query = {"offset": str(offset), "length": str(length)}
    return server.request("PUT", path(digest), params=query, content=piece, **rest)


def put_all(server: Any, content: bytes = CONTENT) -> str:
    digest = hashlib.sha256(content).hexdigest()
    assert put(server, 0, content, length=len(content), digest=digest).json() == {"offset": len(content), "complete": True}
    return digest


def files(server: Any) -> list[str]:
    return sorted(found.name for found in (server.path / "db-1-attachments").glob("*"))


def maintain(server: Any) -> int:
    return int(server.post("/_api/sync/maintenance/db").json()["attachments_collected"])


def field(digest: str = DIGEST) -> dict[str, Any]:
    return {"_attachment:a": [{"digest": digest, "length": len(CONTENT)}]}


def test_pieces_make_an_attachment_that_is_given_out_in_pieces(server: Any) -> None:
    assert put(server, 0, CONTENT[:4000]).json() == {"offset": 4000, "complete": False}
    assert server.get(path()).status_code == 404, "nothing is given out before the digest was right"
    assert server.request("HEAD", path()).headers["x-attachment-offset"] == "4000"
    assert put(server, 4000, CONTENT[4000:]).json() == {"offset": len(CONTENT), "complete": True}
    asked = server.request("HEAD", path())
    assert (asked.status_code, asked.headers["content-length"], asked.headers["etag"]) == (200, "10240", f'"{DIGEST}"')
    assert server.get(path()).content == CONTENT
    piece = server.get(path(), params={"offset": "9000", "limit": "2000"})
    assert (piece.status_code, piece.content) == (206, CONTENT[9000:])
    assert piece.headers["content-range"] == "bytes 9000-10239/10240"
    assert server.get(path(), headers={"range": "bytes=10-19"}).content == CONTENT[10:20]
    assert server.get(path(), params={"offset": "10240"}).status_code == 416
    assert files(server) == [DIGEST]


def test_an_empty_attachment_is_one_too(server: Any) -> None:
    digest = hashlib.sha256(b"").hexdigest()
    assert put(server, 0, b"", length=0, digest=digest).json() == {"offset": 0, "complete": True}
    assert (server.get(path(digest)).status_code, server.get(path(digest)).content) == (200, b"")


def test_a_piece_at_another_offset_is_refused_with_the_right_one(server: Any) -> None:
    put(server, 0, CONTENT[:4000])
    for offset in (0, 3999, 4001):
        refused = put(server, offset, CONTENT[offset : offset + 10])
        assert (refused.status_code, refused.json()["type"]) == (409, "WrongOffset")
        assert refused.json()["details"]["offset"] == 4000
    put(server, 4000, CONTENT[4000:])
    assert put(server, 17, b"x").json() == {"offset": len(CONTENT), "complete": True}, "it is here: nothing is needed"


def test_bytes_that_are_not_what_the_digest_says_count_for_nothing(server: Any) -> None:
    refused = put(server, 0, CONTENT[:-1] + b"!")
    assert (refused.status_code, refused.json()["type"], files(server)) == (422, "WrongDigest", [])
    put_all(server)
    assert server.get(path()).content == CONTENT


def test_an_upload_goes_on_after_the_server_was_started_again(open_server: Callable[[], Any]) -> None:
    first = open_server()
    first.api_key()
    put(first, 0, CONTENT[:4000])
    first.close()
    second = open_server()
    assert second.request("HEAD", path()).headers["x-attachment-offset"] == "4000"
    assert put(second, 4000, CONTENT[4000:]).json()["complete"]


def test_requests_that_make_no_sense_are_refused(server: Any) -> None:
    for query, body, status in [
        ({"offset": "0"}, b"x", 400),
        ({"length": "x"}, b"x", 400),
        ({"offset": "5", "length": "5"}, b"x", 400),
        ({"length": "5"}, b"", 400),
        ({"length": str(2**41)}, b"x", 400),
        ({"length": str(2**31)}, b"x", 413),
        ({"length": str(2**22)}, b"x" * (2**20 + 1), 413),
    ]:
        assert server.request("PUT", path(), params=query, content=body).status_code == status, query
    for digest in ("abc", "A" * 64, "..%2F" * 13):
        assert server.get(path(digest)).status_code in (400, 404)
    assert server.get(path(), headers={"range": "lines=1-2"}).status_code == 400
    assert files(server) == []


def test_who_may_not_read_a_database_may_not_have_its_attachments(server: Any) -> None:
    put_all(server)
    own, reads = server.api_key(), server.api_key(read_only=True)
    other = server.api_key("other")
    assert server.get(path(), key=None).status_code == 401
    assert server.get(path(), key=other).status_code == 403
    assert server.get(path(database="other"), key=other).status_code == 404, "each database has its own"
    assert server.get(path(), key=reads).content == CONTENT
    assert put(server, 0, CONTENT, key=reads).status_code == 403
    assert put(server, 0, CONTENT, key=own).status_code == 200


def test_attachments_have_a_bound_together(server: Any) -> None:
    stores = server.app.state.context.attachments
    stores._limits["total_bytes_max"] = len(CONTENT) + 10
    put_all(server)
    assert put(server, 0, b"x" * 11, length=11, digest="0" * 64).status_code == 507
    assert put(server, 0, b"x" * 10, length=11, digest="0" * 64).status_code == 200


def test_what_nothing_names_goes_after_the_retention_time(server: Any, clock: Any) -> None:
    digest = put_all(server)
    put(server, 0, b"a part", length=100, digest="0" * 64)
    assert (maintain(server), len(files(server))) == (0, 4)
    clock.seconds += 29 * DAY
    assert maintain(server) == 0
    clock.seconds += 2 * DAY
    assert (maintain(server), files(server)) == (2, [])
    assert server.get(path(digest)).status_code == 404


def test_what_a_document_or_a_conflict_names_stays(server: Any, clock: Any) -> None:
    digest = put_all(server)
    conflicting = put_all(server, b"the other side")
    one, two = server.device("one"), server.device("two")
    one.push(one.insert("n1", field(digest)))
    two.push(two.insert("n1", field(conflicting)))
    for _ in range(3):
        clock.seconds += 40 * DAY
        assert maintain(server) == 0
    assert files(server) == sorted([digest, conflicting])


def test_the_bytes_of_a_deleted_document_stay_for_the_retention_time_from_then_on(server: Any, clock: Any) -> None:
    put_all(server)
    device = server.device("one")
    device.push(device.insert("n1", field()))
    clock.seconds += 100 * DAY
    maintain(server)
    device.push(device.delete("n1", base={"one": 1}))
    assert maintain(server) == 0
    clock.seconds += 29 * DAY
    assert maintain(server) == 0
    clock.seconds += 2 * DAY
    assert maintain(server) == 1


def test_who_was_told_that_it_is_here_has_the_retention_time_to_name_it(server: Any, clock: Any) -> None:
    put_all(server)
    maintain(server)
    clock.seconds += 31 * DAY
    assert server.request("HEAD", path()).status_code == 200
    assert maintain(server) == 0
    assert server.request("HEAD", path()).status_code == 200


def test_a_server_says_which_limits_it_does_not_take() -> None:
    from pathlib import Path

    from solidb_sync import ConfigError
    from solidb_sync.server.config import ServerConfig

    config = ServerConfig(Path("data"))
    for name in ("attachment_bytes_max", "attachments_total_bytes_max"):
        with pytest.raises(ConfigError, match=name):
            replace(config, **{name: -1})
