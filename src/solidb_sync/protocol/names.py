"""Which names may name a database, a collection, a document or a client.

A name that begins with `_` belongs to the system and is never synced. `/` and `|` separate names elsewhere and can't
stand in one; control characters can't either.
"""

from __future__ import annotations

import re

from solidb_sync.protocol.limits import CLIENT_ID_CHARACTERS_MAX, KEY_CHARACTERS_MAX, NAME_CHARACTERS_MAX

_NAME = re.compile(rf"[^\W_][\w.-]{{0,{NAME_CHARACTERS_MAX - 1}}}")
_FORBIDDEN_IN_KEY = re.compile(r"[\x00-\x1f\x7f/|\ud800-\udfff]")
_FORBIDDEN_IN_CLIENT_ID = re.compile(r"[\x00-\x20\x7f/|~\ud800-\udfff]")


def name_problem(name: str) -> str | None:
    """Return why `name` can't name a database or a collection, or None when it can.

    >>> name_problem("users") is None
    True
    >>> name_problem("_system")
    "'_system' begins with '_', which is kept for the system"
    """
    if _NAME.fullmatch(name):
        return None
    if name.startswith("_"):
        return f"{name[:40]!r} begins with '_', which is kept for the system"
    return (
        f"{name[:40]!r} is not a name: 1 to {NAME_CHARACTERS_MAX} letters, digits, '_', '-' or '.', "
        "beginning with a letter or a digit"
    )


def key_problem(key: str) -> str | None:
    """Return why `key` can't name a document, or None when it can."""
    if not key or len(key) > KEY_CHARACTERS_MAX:
        return f"a key has 1 to {KEY_CHARACTERS_MAX} characters, found {len(key)}"
    if key.isascii() and key.isprintable() and "/" not in key and "|" not in key:
        return None
    if _FORBIDDEN_IN_KEY.search(key):
        return f"{key[:40]!r} has a character no key may have: '/', '|', a control character or a lone surrogate"
    return None


def client_id_problem(client_id: str) -> str | None:
    """Return why `client_id` can't name a device, or None when it can."""
    if not client_id or len(client_id) > CLIENT_ID_CHARACTERS_MAX:
        return f"a client id has 1 to {CLIENT_ID_CHARACTERS_MAX} characters, found {len(client_id)}"
    if client_id == "server":
        return "'server' is the server's own name"
    if _FORBIDDEN_IN_CLIENT_ID.search(client_id):
        return f"{client_id[:40]!r} has a character no client id may have: '/', '|', '~', space or control"
    return None


def actor_name(client_id: str, incarnation: int) -> str:
    """Return the name under which one life of a device's store counts its edits.

    >>> actor_name("phone", 0), actor_name("phone", 2)
    ('phone', 'phone~2')
    """
    return client_id if incarnation == 0 else f"{client_id}~{incarnation}"


def incarnation_of(actor: str, client_id: str) -> int:
    """Return which life of the device `client_id` an actor is.

    >>> incarnation_of("phone", "phone"), incarnation_of("phone~2", "phone")
    (0, 2)
    """
    return int(actor.removeprefix(client_id).removeprefix("~") or 0)


def actor_belongs_to(actor: str, client_id: str) -> bool:
    """Return whether `actor` is a life of the device `client_id`."""
    name, separator, incarnation = actor.partition("~")
    return name == client_id and (not separator or (incarnation.isascii() and incarnation.isdigit()))
