"""Who a client's credentials are for, as far as the device can tell: what tells the edits of several users apart."""

from __future__ import annotations

import base64
import json

import pytest

from solidb_sync import HttpClient
from solidb_sync.client.transport.transport import author_of

pytestmark = pytest.mark.anyio


def token(subject: str, *, issued: int = 1) -> str:
    """Return a JSON Web Token that nobody would take."""
    claims = base64.urlsafe_b64encode(json.dumps({"sub": subject, "iat": issued}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJub25lIn0.{claims}.signature"


def test_a_name_that_was_given_comes_before_everything() -> None:
    assert HttpClient("localhost", api_key="sk_1", user="ann").user == "name:ann"
    assert HttpClient("localhost", username="ann", password="secret").user == "name:ann"
    assert HttpClient("localhost").user == ""


def test_a_key_is_known_by_a_digest_that_does_not_show_it() -> None:
    key = "sk_" + "1" * 64
    first, same, other = (HttpClient("localhost", api_key=shown).user for shown in (key, key, key[:-1] + "2"))
    assert first == same != other
    assert key[3:] not in first


def test_a_renewed_token_is_the_same_users_and_another_subjects_is_not() -> None:
    first, renewed, other = (
        HttpClient("localhost", token=shown).user for shown in (token("ann"), token("ann", issued=2), token("bob"))
    )
    assert first == renewed != other


@pytest.mark.parametrize("shown", ["opaque", "a.b.c", "eyJhbGciOiJub25lIn0.W10.x", "..", f"x.{'A' * 7}.y"])
def test_a_token_that_has_no_subject_is_known_by_itself(shown: str) -> None:
    user = HttpClient("localhost", token=shown).user
    assert user.startswith("digest:")
    assert user != HttpClient("localhost", token=shown + "2").user


async def test_other_credentials_are_somebody_elses_from_then_on() -> None:
    client = HttpClient("localhost", api_key="sk_1")
    before = client.user
    client.set_credentials(api_key="sk_2")
    assert client.user not in ("", before)
    client.set_credentials(api_key="sk_2", user="ann")
    assert client.user == "name:ann"


def test_a_transport_that_does_not_say_is_nobody_in_particular() -> None:
    assert author_of(object()) == ""  # type: ignore[arg-type]
