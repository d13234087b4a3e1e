"""Exchanging a name and a password for a token."""

from __future__ import annotations

from msgspec import Struct

LOGIN = "/auth/login"


class LoginRequest(Struct):
    """Who wants a token."""

    username: str
    password: str


class LoginAnswer(Struct):
    """The token, to be sent as `Authorization: Bearer`."""

    token: str
