"""Every request has an id, which its answer, the body of an error and the log carry (N4)."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from solidb_sync.protocol.request_ids import REQUEST_ID_CHARACTERS_MAX

HEADER = "X-Request-Id"


def test_the_id_that_a_sender_gave_comes_back_in_the_answer(server: Any) -> None:
    for given in ("7f3a-01", "A.b_c:d", "x" * REQUEST_ID_CHARACTERS_MAX):
        answer = server.get("/healthz", headers={HEADER: given})
        assert (answer.status_code, answer.headers[HEADER]) == (200, given)


def test_a_request_without_one_gets_one_of_its_own(server: Any) -> None:
    first, second = (server.get("/healthz").headers[HEADER] for _ in range(2))
    assert len(first) == len(second) == 16
    assert first != second
    assert int(first, 16) >= 0


@pytest.mark.parametrize(
    "given", ["", "two words", "x" * (REQUEST_ID_CHARACTERS_MAX + 1), "<script>", "caf\xe9", "a\tb", "a\x1b[2J", "a\n b"]
)
def test_what_is_not_short_and_plain_is_neither_answered_nor_logged(server: Any, caplog: Any, given: str) -> None:
    """Anybody can write anything into a header."""
    caplog.set_level(logging.DEBUG, "solidb_sync.server")
    answer = server.get("/no/such/path", headers={HEADER: given.encode("latin-1")})
    assert answer.status_code == 404
    assert answer.headers.get_list(HEADER) == [answer.json()["details"]["request_id"]]
    assert len(answer.headers[HEADER]) == 16
    assert not given or (given not in answer.text and given not in caplog.text)


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("GET", "/_api/sync/status/db?client_id=phone", None, 401),
        ("POST", "/_api/sync/delta", "", 400),
        ("GET", "/no/such/path", "", 404),
        ("DELETE", "/healthz", "", 405),
        ("GET", "/_api/database/db/document/notes/none", "", 404),
    ],
)
def test_a_refusal_carries_the_id_and_is_logged_under_it(
    server: Any, caplog: Any, method: str, path: str, key: str | None, status: int
) -> None:
    caplog.set_level(logging.INFO, "solidb_sync.server")
    shown = {} if key == "" else {"key": key}
    answer = server.request(method, path, headers={HEADER: "ab-12"}, **shown)
    assert (answer.status_code, answer.headers[HEADER], answer.json()["details"]["request_id"]) == (status, "ab-12", "ab-12")
    (line,) = [record.getMessage() for record in caplog.records if "ab-12" in record.getMessage()]
    assert line == f"request ab-12: {method} {path.partition('?')[0]!r} refused: {status} {answer.json()['type']}"


def test_details_of_an_error_stand_beside_the_id(server: Any) -> None:
    body = {"database": "db", "client_id": "phone", "protocol": 99, "changes": []}
    details = server.post("/_api/sync/delta", body, headers={HEADER: "ab-12"}).json()["details"]
    assert details.pop("request_id") == "ab-12"
    assert details.keys() == {"lowest", "highest"}


def test_a_path_can_not_write_lines_of_its_own_into_the_log(server: Any, caplog: Any) -> None:
    caplog.set_level(logging.INFO, "solidb_sync.server")
    server.get("/x%0Arequest%20ff:%20all%20is%20well" + "y" * 500)
    (record,) = [record for record in caplog.records if "refused" in record.getMessage()]
    assert "\n" not in record.getMessage()
    assert len(record.getMessage()) < 300
