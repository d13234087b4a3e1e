"""What a client shows the server to be let in, and where it gets something new when that is no longer taken.

A key or a token is shown as it is. A token provider, or a login with name and password, is asked for a token before the
first request, and once more for a request that was answered 401.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import inspect
from collections.abc import Awaitable, Callable

import msgspec

from solidb_sync.client.transport.transport import TransportAnswer
from solidb_sync.errors import AuthError, ConfigError, ConnectionError, ServerError, SoliDBError, about_request
from solidb_sync.protocol.codec import decode_error
from solidb_sync.protocol.logins import LOGIN, LoginAnswer, LoginRequest

NO_LOGIN_STATUSES = (404, 405, 501)
DIGITS = 32
"""Of a digest that stands for a user in the store."""

TokenProvider = Callable[[], str | Awaitable[str]]
Send = Callable[[str, bytes], Awaitable[TransportAnswer]]
"""Posts a body to a path, without credentials."""


class _Claims(msgspec.Struct):
    """What is read of a token."""

    sub: str = ""


class Credentials:
    """The credentials of one client; of the kinds at most one is given."""

    def __init__(
        self,
        *,
        api_key: str | None = None,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        token_provider: TokenProvider | None = None,
        user: str | None = None,
    ) -> None:
        if (username is None) != (password is None):
            raise ConfigError("username, password: give both or none")
        named = {"api_key": api_key, "username": username, "token or token_provider": token or token_provider}
        given = [name for name, value in named.items() if value is not None]
        if len(given) > 1:
            raise ConfigError(f"credentials: give one kind, found {' and '.join(given)}")
        self._login = None if username is None or password is None else LoginRequest(username, password)
        self._provider = token_provider
        self.headers = _shown(api_key, token)
        self._named = user if user is not None else username
        self._digested = ("", "")
        self._renewing: asyncio.Task[None] | None = None

    @property
    def user(self) -> str:
        """Who this is for, as far as this device can tell: a name that was given, or else a digest of what is shown.

        Empty while there is nothing to go by. Of a token it is the subject, which stays when the token is renewed.
        """
        if self._named is not None:
            return f"name:{self._named}"
        shown = next(iter(self.headers.values()), "")
        if shown != self._digested[0]:
            secret = shown.removeprefix("Bearer ")
            named = _subject(secret) or secret
            self._digested = shown, f"digest:{hashlib.sha256(named.encode()).hexdigest()[:DIGITS]}"
        return self._digested[1]

    @property
    def are_missing(self) -> bool:
        """True when a token has to be asked for before the first request."""
        return not self.headers and self.can_renew

    @property
    def can_renew(self) -> bool:
        """True when there is somebody to ask for another token."""
        return self._provider is not None or self._login is not None

    async def renew(self, refused: dict[str, str], send: Send, timeout_seconds: float) -> bool:
        """Get a token in place of the `refused` headers and return whether it is another one.

        Those who ask at the same time share one asking.

        Raises `AuthError` when none is given, `ConnectionError` when nobody answers.
        """
        if self.headers != refused:
            return True
        loop = asyncio.get_running_loop()
        if self._renewing is None or self._renewing.done() or self._renewing.get_loop() is not loop:
            self._renewing = loop.create_task(self._renew(send, timeout_seconds))
            self._renewing.add_done_callback(_has_ended)
        await asyncio.shield(self._renewing)
        return self.headers != refused

    async def _renew(self, send: Send, timeout_seconds: float) -> None:
        try:
            async with asyncio.timeout(timeout_seconds):
                token = await (self._ask_provider() if self._provider is not None else self._log_in(send))
        except TimeoutError as problem:
            raise ConnectionError(f"credentials: no token within {timeout_seconds:g} seconds") from problem
        self.headers = {"authorization": f"Bearer {token}"}

    async def _ask_provider(self) -> str:
        """Ask the app for a token; a provider that is not async runs on another thread, as it may take its time."""
        assert self._provider is not None
        try:
            is_async = inspect.iscoroutinefunction(self._provider)
            asked = self._provider() if is_async else await asyncio.to_thread(self._provider)
            token = asked if isinstance(asked, str) else await asked
            return _header_safe("token", token)
        except (AuthError, ConnectionError, TimeoutError):
            raise
        except OSError as problem:
            raise ConnectionError(f"token_provider: {type(problem).__name__}: {problem}") from problem
        except Exception as problem:
            raise AuthError(f"token_provider: gave no token, but raised {type(problem).__name__}: {problem}") from problem

    async def _log_in(self, send: Send) -> str:
        assert self._login is not None
        answer = await send(LOGIN, msgspec.json.encode(self._login))
        if answer.status != 200:
            raise about_request(_login_problem(answer), answer.request_id)
        try:
            return _header_safe("token", msgspec.json.decode(answer.body, type=LoginAnswer).token)
        except (msgspec.MsgspecError, ConfigError) as problem:
            raise about_request(AuthError(f"POST {LOGIN}: the answer holds no token"), answer.request_id) from problem


def _login_problem(answer: TransportAnswer) -> SoliDBError:
    said = decode_error(answer.body, answer.status)
    if answer.status in NO_LOGIN_STATUSES:
        return AuthError(f"the server has no logins (POST {LOGIN}): use an api_key or a token in place of username")
    if answer.status >= 500:
        return ConnectionError(f"POST {LOGIN}: {said.error}")
    if answer.status == 429:
        return ServerError(
            f"POST {LOGIN}: {said.error}",
            status=answer.status,
            type=said.type,
            retry_after_seconds=answer.retry_after_seconds,
        )
    return AuthError(f"username, password: {said.error}")


def _has_ended(renewing: asyncio.Task[None]) -> None:
    """Take note of how it ended: those who asked may all have been cancelled."""
    if not renewing.cancelled():
        renewing.exception()


def _shown(api_key: str | None, token: str | None) -> dict[str, str]:
    if api_key is not None:
        return {"x-api-key": _header_safe("api_key", api_key)}
    if token is not None:
        return {"authorization": f"Bearer {_header_safe('token', token)}"}
    return {}


def _subject(token: str) -> str:
    """Return the `sub` of a JSON Web Token, without any check: it only tells users of this device apart."""
    parts = token.split(".")
    if len(parts) != 3:
        return ""
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)), type=_Claims)
    except (ValueError, msgspec.MsgspecError):
        return ""
    return claims.sub


def _header_safe(name: str, value: str) -> str:
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigError(f"{name}: expected printable ASCII without spaces")
    return value
