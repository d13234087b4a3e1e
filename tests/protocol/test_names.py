"""Which names may name what, and how a life of a device is called."""

import pytest

from solidb_sync.protocol.names import actor_belongs_to, actor_name, client_id_problem, key_problem, name_problem


@pytest.mark.parametrize("name", ["users", "a", "9", "User_Data", "a-b.c", "é", "日本", "x" * 128])
def test_a_name_is_letters_digits_and_three_signs(name: str) -> None:
    """Of any alphabet, up to 128 characters."""
    assert name_problem(name) is None


@pytest.mark.parametrize(
    "name", ["", "_users", "_", "-a", ".a", "a b", "a/b", "a|b", "a~b", "a:b", "a\n", "a\0", "😀", "x" * 129, "\ud800"]
)
def test_any_other_name_is_refused_with_a_reason(name: str) -> None:
    """Also one that only ends in a line feed."""
    assert name_problem(name)


@pytest.mark.parametrize("key", ["1", "user-1", "a b", "_x", "a:b@c~d", "é😀", "..", "x" * 512])
def test_a_key_is_almost_any_text(key: str) -> None:
    """Up to 512 characters."""
    assert key_problem(key) is None


@pytest.mark.parametrize("key", ["", "a/b", "/", "a|b", "a\n", "\0", "\x7f", "\ud800", "x\udfff", "x" * 513])
def test_a_key_has_no_separator_and_no_control_character(key: str) -> None:
    """Nor a lone surrogate."""
    assert key_problem(key)


@pytest.mark.parametrize("client_id", ["phone", "device-123", "a.b@c", "é", "Server", "x" * 128])
def test_a_client_id_is_almost_any_word(client_id: str) -> None:
    """Up to 128 characters."""
    assert client_id_problem(client_id) is None


@pytest.mark.parametrize("client_id", ["", "server", "a b", "a~1", "a/b", "a|b", "a\n", "\x7f", "\ud800", "x" * 129])
def test_a_client_id_is_not_the_servers_and_no_life_of_another(client_id: str) -> None:
    """`~` separates the number of a life."""
    assert client_id_problem(client_id)


@pytest.mark.parametrize(
    ("actor", "client_id", "belongs"),
    [
        ("phone", "phone", True),
        ("phone~1", "phone", True),
        ("phone~12", "phone", True),
        ("phone~", "phone", False),
        ("phone~x", "phone", False),
        ("phone~-1", "phone", False),
        ("phone~²", "phone", False),
        ("phone~٣", "phone", False),
        ("phone~1~2", "phone", False),
        ("phone2", "phone", False),
        ("laptop~1", "phone", False),
        ("", "phone", False),
    ],
)
def test_an_actor_belongs_to_the_device_whose_life_it_is(actor: str, client_id: str, belongs: bool) -> None:
    """By its name alone."""
    assert actor_belongs_to(actor, client_id) is belongs


@pytest.mark.parametrize("incarnation", [0, 1, 7, 1000])
def test_the_name_of_a_life_belongs_to_its_device(incarnation: int) -> None:
    """And two lives have two names."""
    actor = actor_name("phone", incarnation)
    assert actor_belongs_to(actor, "phone")
    assert actor != actor_name("phone", incarnation + 1)
