"""Settings of a client: kept from its registration on, named by a hash, and asked for when they differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from solidb_sync.protocol.client_settings import parse_settings, settings_hash, settings_text
from solidb_sync.protocol.messages import ClientSettings, WireFilter

MANUAL = {"strategies": {"notes": "manual"}}
HASH = settings_hash(settings_text(ClientSettings(strategies={"notes": "manual"})))


def register(server: Any, settings: object, client_id: str = "phone") -> Any:
    return server.post("/_api/sync/clients/db", {"client_id": client_id, "settings": settings})


def test_the_defaults_have_the_empty_text_and_hash() -> None:
    assert settings_text(ClientSettings()) == ""
    assert settings_hash("") == ""
    assert parse_settings("") == ClientSettings()


def test_the_order_in_which_settings_were_made_does_not_change_their_hash() -> None:
    one = ClientSettings(filters={"a": WireFilter("q", {"x": 1, "y": 2}), "b": WireFilter("r")})
    other = ClientSettings(filters={"b": WireFilter("r"), "a": WireFilter("q", {"y": 2, "x": 1})})
    assert settings_text(one) == settings_text(other)
    assert parse_settings(settings_text(one)) == one


def test_a_device_with_other_settings_is_asked_to_register_before_anything_is_done(server: Any) -> None:
    phone = server.device("phone")
    saved = phone.insert("a", {"n": 1})
    answer = phone.sync(saved, settings=HASH)
    assert (answer["register"], answer["results"], answer["server_changes"]) == (True, [], [])
    assert server.document("a") is None
    assert register(server, MANUAL).status_code == 200
    answer = phone.sync(saved, settings=HASH)
    assert (answer["register"], answer["results"][0]["status"]) == (False, "applied")


def test_a_pull_is_asked_to_register_too(server: Any) -> None:
    phone = server.device("phone")
    assert phone.sync(settings=HASH)["register"]
    register(server, MANUAL)
    assert phone.sync()["register"]
    assert not phone.sync(settings=HASH)["register"]


def test_settings_outlive_the_server_and_a_registration_that_says_nothing_of_them(open_server: Callable[[], Any]) -> None:
    server = open_server()
    register(server, MANUAL)
    server.close()
    server = open_server()
    assert server.post("/_api/sync/clients/db", {"client_id": "phone", "reset": True}).status_code == 200
    assert not server.device("phone", actor="phone~1").sync(settings=HASH)["register"]


def test_a_forgotten_client_has_the_defaults_again(server: Any) -> None:
    register(server, MANUAL)
    phone = server.device("phone")
    phone.push(phone.insert("a", {}), settings=HASH)
    server.request("DELETE", "/_api/sync/clients/db/phone")
    assert phone.sync(settings=HASH)["register"]
    assert not phone.sync()["register"]


def test_a_request_written_by_hand_names_no_settings(server: Any) -> None:
    register(server, MANUAL)
    assert not server.device("phone").sync(protocol=0)["register"]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"default_strategy": "mine"}, "settings.default_strategy"),
        ({"strategies": {"notes": ""}}, "settings.strategies.notes"),
        ({"strategies": {"": "manual"}}, "settings.strategies"),
        ({"strategies": 5}, "settings.strategies"),
        ({"filters": {"notes": {"query": 1}}}, "settings.filters"),
    ],
)
def test_settings_that_are_wrong_are_refused_by_the_name_of_their_field(server: Any, settings: object, field: str) -> None:
    answer = register(server, settings)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(field)


def test_settings_are_bounded(server: Any) -> None:
    answer = register(server, {"strategies": {f"c{number}": "manual" for number in range(1001)}})
    assert (answer.status_code, answer.json()["error"][:19]) == (413, "settings.strategies")
    answer = register(server, {"filters": {"notes": {"query": "x" * (1024 * 1024)}}})
    assert (answer.status_code, answer.json()["error"][:9]) == (413, "settings:")
