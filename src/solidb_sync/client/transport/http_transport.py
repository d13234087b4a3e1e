"""`HttpClient`: the transport over HTTP, with credentials. The HTTP library is imported when the first request is sent."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from solidb_sync.client.transport.transport import TransportAnswer
from solidb_sync.errors import ConfigError, ConnectionError
from solidb_sync.protocol.addresses import PORT_DEFAULT, is_loopback
from solidb_sync.protocol.limits import BODY_BYTES_MAX
from solidb_sync.protocol.names import name_problem

if TYPE_CHECKING:
    import httpx2

TIMEOUT_MS_MAX = 10 * 60 * 1000
ANSWER_BYTES_MAX = 4 * BODY_BYTES_MAX
CONNECTIONS_MAX = 8
URLS_HELD_MAX = 100
STREAM_SILENCE_SECONDS_MAX = 45.0

TokenProvider = Callable[[], str | Awaitable[str]]


class HttpClient:
    """The way to one server.

    `address` is `host:port` or a URL; plain HTTP goes only to this machine unless `allow_plain_http` is True.
    `timeout_ms` bounds each request. Credentials: `api_key`, `token`, `token_provider` (called when the server no longer
    takes the last token), or `username` and `password`.
    """

    def __init__(
        self,
        address: str,
        timeout_ms: int = 5000,
        *,
        database: str | None = None,
        username: str | None = None,
        password: str | None = None,
        api_key: str | None = None,
        token: str | None = None,
        token_provider: TokenProvider | None = None,
        allow_plain_http: bool = False,
    ) -> None:
        if isinstance(timeout_ms, bool) or not isinstance(timeout_ms, int) or not 1 <= timeout_ms <= TIMEOUT_MS_MAX:
            raise ConfigError(f"timeout_ms: expected an integer from 1 to {TIMEOUT_MS_MAX}, found {timeout_ms!r}")
        if database is not None and (problem := name_problem(database)):
            raise ConfigError(f"database: {problem}")
        self.base_url = base_url(address, allow_plain_http=allow_plain_http)
        self.timeout_ms = timeout_ms
        self._database = database
        self._token_provider = token_provider
        self._credentials = _credential_headers(api_key, token, username, password)
        self._transport: httpx2.AsyncHTTPTransport | None = None
        self._urls: dict[str, httpx2.URL] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"HttpClient({self.base_url!r}, {self.timeout_ms}, database={self._database!r})"

    @property
    def database(self) -> str | None:
        """The database this client was made for."""
        return self._database

    async def exchange(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> TransportAnswer:
        """Send one request and return the answer; asks the token provider once when the server answers 401."""
        if self._token_provider is not None and not self._credentials:
            await self._renew_token()
        answer = await self._send(method, path, query, body)
        if answer.status == 401 and self._token_provider is not None:
            await self._renew_token()
            answer = await self._send(method, path, query, body)
        return answer

    async def _send(self, method: str, path: str, query: Mapping[str, str] | None, body: bytes | None) -> TransportAnswer:
        import httpx2

        headers = dict(self._credentials)
        if body is not None:
            headers["content-type"] = "application/json"
        request = httpx2.Request(
            method,
            self._url(path),
            params=query,
            headers=headers,
            content=body,
            extensions={"timeout": self._timeouts(self.timeout_ms / 1000)},
        )
        try:
            response = await self._open().handle_async_request(request)
            try:
                return TransportAnswer(response.status_code, _lower(response.headers), await _read_bounded(response))
            finally:
                await response.aclose()
        except httpx2.HTTPError as problem:
            raise ConnectionError(f"{self.base_url}: {_reason(problem)}") from problem

    async def listen(self, path: str, query: Mapping[str, str]) -> AsyncIterator[str]:
        """Yield the lines of a stream until it ends; silence for 45 seconds counts as broken."""
        import httpx2

        request = httpx2.Request(
            "GET",
            self._url(path),
            params=query,
            headers=self._credentials,
            extensions={"timeout": self._timeouts(STREAM_SILENCE_SECONDS_MAX)},
        )
        try:
            response = await self._open().handle_async_request(request)
            try:
                if response.status_code != 200:
                    raise ConnectionError(f"{self.base_url}: the stream answered {response.status_code}")
                async for line in response.aiter_lines():
                    yield line
            finally:
                await response.aclose()
        except httpx2.HTTPError as problem:
            raise ConnectionError(f"{self.base_url}: {_reason(problem)}") from problem

    async def close(self) -> None:
        """Close the connections; a later exchange opens new ones."""
        transport, self._transport = self._transport, None
        if transport is not None and self._loop is asyncio.get_running_loop():
            await transport.aclose()

    def _open(self) -> httpx2.AsyncHTTPTransport:
        """Return the connections of the running event loop: they can't move between loops.

        It is the library's transport that is used, not its client: redirects, cookies and proxies are not wanted here,
        and looking for them takes a third of the time of a small request.
        """
        loop = asyncio.get_running_loop()
        if self._transport is None or self._loop is not loop:
            import httpx2

            self._loop = loop
            limits = httpx2.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
            self._transport = httpx2.AsyncHTTPTransport(limits=limits, trust_env=False)
        return self._transport

    def _url(self, path: str) -> httpx2.URL:
        url = self._urls.get(path)
        if url is None:
            import httpx2

            if len(self._urls) >= URLS_HELD_MAX:
                self._urls.clear()
            url = self._urls[path] = httpx2.URL(self.base_url + path)
        return url

    def _timeouts(self, read_seconds: float) -> dict[str, float]:
        seconds = self.timeout_ms / 1000
        return {"connect": seconds, "write": seconds, "pool": seconds, "read": read_seconds}

    async def _renew_token(self) -> None:
        assert self._token_provider is not None
        token = self._token_provider()
        self._credentials = {"authorization": f"Bearer {token if isinstance(token, str) else await token}"}


async def _read_bounded(response: Any) -> bytes:
    chunks, size = [], 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > ANSWER_BYTES_MAX:
            raise ConnectionError(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _reason(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__


def _credential_headers(
    api_key: str | None, token: str | None, username: str | None, password: str | None
) -> dict[str, str]:
    if (username is None) != (password is None):
        raise ConfigError("username, password: give both or none")
    given = [name for name, value in (("api_key", api_key), ("token", token), ("username", username)) if value is not None]
    if len(given) > 1:
        raise ConfigError(f"credentials: give one kind, found {' and '.join(given)}")
    if api_key is not None:
        return {"x-api-key": _header_safe("api_key", api_key)}
    if token is not None:
        return {"authorization": f"Bearer {_header_safe('token', token)}"}
    if username is not None:
        pair = base64.b64encode(f"{username}:{password}".encode()).decode()
        return {"authorization": f"Basic {pair}"}
    return {}


def _header_safe(name: str, value: str) -> str:
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigError(f"{name}: expected printable ASCII without spaces")
    return value


def base_url(address: str, *, allow_plain_http: bool) -> str:
    """Return the URL that an address means, or raise `ConfigError`.

    >>> base_url("localhost:6745", allow_plain_http=False)
    'http://localhost:6745'
    """
    text = address if "://" in address else f"http://{address}"
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        raise ConfigError(f"address: {address!r} has no valid port (1 to 65535)") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ConfigError(f"address: expected host:port or an http(s) URL, found {address!r}")
    if parts.scheme == "http" and not allow_plain_http and not is_loopback(parts.hostname):
        raise ConfigError(
            f"address: plain http to {parts.hostname} would show every document to the network; "
            "use https, or say allow_plain_http=True"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown_port = port or (443 if parts.scheme == "https" else PORT_DEFAULT)
    return f"{parts.scheme}://{host}:{shown_port}{parts.path.rstrip('/')}"
