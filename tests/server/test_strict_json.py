"""What a body must be like: strict JSON, of the right types, within bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from solidb_sync.strict_json import strict_json

CHANGE = '{"collection":"notes","key":"a","operation":"insert","document":%s}'


def push(server: Any, document: str) -> Any:
    return server.post("/_api/sync/push/db", '{"client_id":"hand","changes":[' + CHANGE % document + "]}")


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ('{"a":1,"a":2}', "the key 'a' stands twice in one object"),
        ('{"a":NaN}', "NaN is not JSON"),
        ('{"a":-Infinity}', "-Infinity is not JSON"),
        ('{"a":"\\ud800"}', "a lone surrogate"),
        ('{"\\udc00":1}', "a lone surrogate"),
        ('{"a":' + "1" * 33 + "}", "a number of 33 digits"),
        ('{"a":0.' + "1" * 33 + "}", "digits are read"),
        ('{"a":1e400}', "out of range"),
        ('{"a":' + "9" * 30 + "}", "cannot be kept exactly"),
        ('{"a":01}', "not JSON at line 1"),
        ('{"a":1,}', "not JSON at line 1"),
        ('{"a":' + "[" * 5000 + "]" * 5000 + "}", "nested deeper"),
    ],
)
def test_a_body_that_is_not_strict_json_is_refused_with_its_problem(server: Any, document: str, problem: str) -> None:
    answer = push(server, document)
    assert (answer.status_code, answer.json()["type"]) == (400, "BadRequest")
    assert answer.json()["error"].startswith("body: ")
    assert problem in answer.json()["error"]
    assert server.document("a") is None


def test_a_body_that_is_not_utf8_is_refused(server: Any) -> None:
    answer = server.post("/_api/sync/push/db", b'{"client_id":"\xff"}')
    assert "not UTF-8 at byte 14" in answer.json()["error"]


@pytest.mark.parametrize(
    ("document", "kept"),
    [
        ('{ "a" : 1 }', '{"a":1}'),
        ('{"a":1.50}', '{"a":1.5}'),
        ('{"a":"\\u00eb"}', '{"a":"ë"}'),
        ('{"a":18446744073709551616}', '{"a":18446744073709551616.0}'),
        ('{"a":"12345678901234567890123456789012345678"}', '{"a":"12345678901234567890123456789012345678"}'),
        (
            '{"a":1.0,"b":-9223372036854775808,"c":null,"d":"\\u0000"}',
            '{"a":1.0,"b":-9223372036854775808,"c":null,"d":"\\u0000"}',
        ),
    ],
)
def test_strict_json_is_kept_with_its_value(server: Any, document: str, kept: str) -> None:
    assert push(server, document).status_code == 200
    ((text,),) = server.rows("SELECT json(body) FROM c_1")
    assert json.loads(text) == json.loads(kept)
    assert server.document("a") == json.loads(kept)


def test_a_body_with_spaces_may_hold_a_document_of_64_levels(server: Any) -> None:
    document = '{"a": ' * 63 + "{}" + "}" * 63
    assert push(server, document).json()["results"][0]["status"] == "applied"
    deeper = '{"a": ' * 64 + "{}" + "}" * 64
    assert push(server, deeper).json()["results"][0]["error"]["type"] == "DocumentTooDeep"


def test_text_that_is_canonical_is_not_written_again() -> None:
    text = b'{"digits":"123456789012345678901234567890"}'
    assert strict_json(text, is_envelope=True)[0] is text


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("[]", "body: expected an object, found an array"),
        ("{}", "client_id: required, but missing"),
        ('{"client_id":7}', "client_id: expected a string, found the number 7"),
        ('{"client_id":"a","limit":"ten"}', "limit: expected an integer or null, found a string"),
        ('{"client_id":"a","limit":-1}', "limit: expected 0 to"),
        ('{"client_id":"a","collections":["b",null]}', "collections[1]: expected a string, found null"),
        ('{"client_id":"a","version_vector":{"a":"1"}}', "version_vector[...]: expected an integer, found a string"),
        ('{"client_id":"a","version_vector":{"a":-1}}', "version_vector.a: expected 0 to"),
        ('{"client_id":"a","version_vector":{"a":9007199254740992}}', "version_vector.a: expected 0 to"),
        ('{"client_id":"a","changes":{}}', "changes: expected an array, found an object"),
        ('{"client_id":"server"}', "client_id: 'server' is the server's own name"),
        ('{"client_id":"a~1"}', "client_id: 'a~1' has a character"),
        ('{"client_id":""}', "client_id: a client id has 1 to"),
    ],
)
def test_a_request_of_the_wrong_types_is_refused_by_its_field(server: Any, body: str, problem: str) -> None:
    answer = server.post("/_api/sync/push/db", body)
    assert (answer.status_code, answer.json()["type"]) == (400, "BadRequest")
    assert answer.json()["error"].startswith(problem)


def test_more_than_a_thousand_changes_are_too_many(server: Any) -> None:
    phone = server.device("phone")
    assert phone.send(*[phone.insert(f"k{number}", {}) for number in range(1001)]).status_code == 413
    assert server.document("k0") is None
