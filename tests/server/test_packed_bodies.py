"""gzip at the server: taken after authentication and within a bound only, given where it was asked for."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from typing import Any

import pytest

from solidb_sync.protocol.compression import packed
from solidb_sync.protocol.limits import BODY_BYTES_MAX
from solidb_sync.server.http import body as body_module

DELTA = "/_api/sync/delta"
GZIP = {"Content-Encoding": "gzip"}


def request_text(documents: int, client: str = "a") -> bytes:
    """Return a push of new documents."""
    changes = [
        {"collection": "notes", "key": f"n{number}", "operation": "insert", "document": {"text": "hello " * 10}}
        for number in range(documents)
    ]
    return json.dumps({"database": "db", "client_id": client, "changes": changes}).encode()


def test_a_packed_request_means_what_it_unpacks_to(server: Any) -> None:
    answer = server.post(DELTA, packed(request_text(20)), headers=GZIP)
    assert (answer.status_code, len(answer.json()["results"])) == (200, 20)


@pytest.mark.parametrize("key", [None, "sk_nobody"])
def test_nothing_is_unpacked_for_strangers(server: Any, key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpack(*_: object, **__: object) -> bytes:
        raise AssertionError("unpacked for a stranger")

    monkeypatch.setattr(body_module, "unpacked", unpack)
    for path in (DELTA, "/_api/sync/pull/db", "/_api/sync/clients/db", "/_api/auth/api-keys"):
        assert server.post(path, packed(request_text(1)), headers=GZIP, key=key).status_code == 401


def test_a_bomb_is_refused_at_the_bound_and_costs_no_more_memory_than_it(server: Any) -> None:
    bomb = packed(b"0" * (64 * BODY_BYTES_MAX))
    assert len(bomb) < BODY_BYTES_MAX / 2
    tracemalloc.start()
    answer = server.post(DELTA, bomb, headers=GZIP)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (answer.status_code, answer.json()["type"]) == (413, "PayloadTooLarge")
    assert peak < 4 * BODY_BYTES_MAX


def test_a_damaged_body_is_a_bad_request(server: Any) -> None:
    whole = packed(request_text(20))
    for damaged in (whole[:-5], whole + b"tail", request_text(1), b""):
        answer = server.post(DELTA, damaged, headers=GZIP)
        assert (answer.status_code, answer.json()["type"]) == (400, "BadRequest"), damaged[:20]


def test_an_answer_is_packed_only_for_those_who_take_it_and_when_it_is_worth_it(server: Any) -> None:
    server.post(DELTA, request_text(60))
    pull = '{"client_id":"b"}'

    def encoding(body: str, accept: str, **headers: str) -> str | None:
        answer = server.post("/_api/sync/pull/db", body, headers={"Accept-Encoding": accept, **headers})
        assert answer.json()["cursor"] >= 0
        return answer.headers.get("content-encoding")  # type: ignore[no-any-return]

    assert encoding(pull, "gzip") == "gzip"
    assert encoding(pull, "identity") is None
    assert encoding('{"client_id":"b","limit":1}', "gzip") is None
    server.post(DELTA, request_text(900, client="c").replace(b'"n', b'"m'))
    large = '{"client_id":"b","limit":1000}'
    assert encoding(large, "gzip") is None
    assert encoding(large, "gzip", **{"X-Forwarded-For": "192.0.2.7"}) == "gzip"


def test_what_is_packed_is_what_would_have_been_sent(server: Any) -> None:
    server.post(DELTA, request_text(60))

    async def read(accept: str) -> bytes:
        async with server._client.stream(
            "POST",
            "/_api/sync/pull/db",
            content='{"client_id":"b"}',
            headers={"X-API-Key": server.config.admin_key, "Accept-Encoding": accept},
        ) as response:
            return b"".join([part async for part in response.aiter_raw()])

    plain, small = server.run(read("identity")), server.run(read("gzip"))
    assert len(small) < len(plain) / 3
    assert json.loads(gzip.decompress(small))["server_changes"] == json.loads(plain)["server_changes"]
