"""`HttpClient`: the transport over HTTP, with credentials. The HTTP library is imported when the first request is sent."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from solidb_sync.client.transport.transport import TransportAnswer
from solidb_sync.errors import ConfigError, ConnectionError
from solidb_sync.protocol.addresses import PORT_DEFAULT, is_loopback
from solidb_sync.protocol.limits import BODY_BYTES_MAX
from solidb_sync.protocol.names import name_problem

if TYPE_CHECKING:
    import ssl

    import httpcore2

TIMEOUT_MS_MAX = 10 * 60 * 1000
ANSWER_BYTES_MAX = 4 * BODY_BYTES_MAX
CONNECTIONS_MAX = 8
URLS_HELD_MAX = 100
STREAM_SILENCE_SECONDS_MAX = 45.0
LINE_BYTES_MAX = 64 * 1024

TokenProvider = Callable[[], str | Awaitable[str]]


class HttpClient:
    """The way to one server.

    `address` is `host:port` or a URL; plain HTTP goes only to this machine unless `allow_plain_http` is True.
    `timeout_ms` bounds each request. Credentials: `api_key`, `token`, `token_provider` (called when the server no longer
    takes the last token), or `username` and `password`. `ssl_context` is for servers whose certificate this machine does
    not trust by itself.
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
        ssl_context: ssl.SSLContext | None = None,
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
        self._ssl_context = ssl_context
        self._pool: httpcore2.AsyncConnectionPool | None = None
        self._urls: dict[str, httpcore2.URL] = {}
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

        headers = dict(self._credentials)
        if body is not None:
            headers["content-type"] = "application/json"
        timeouts = self._timeouts(self.timeout_ms / 1000)
        pool, url = self._open(), self._url(path, query)
        try:
            async with pool.stream(
                method, url, headers=list(headers.items()), content=body, extensions=timeouts
            ) as response:
                return TransportAnswer(response.status, _headers(response), await _read_bounded(response))
        except _failures() as problem:
            raise ConnectionError(f"{self.base_url}: {_reason(problem)}") from problem

    async def listen(self, path: str, query: Mapping[str, str]) -> AsyncIterator[str]:
        """Yield the lines of a stream until it ends; broken by 45 seconds of silence, or `timeout_ms` before the first."""
        timeouts = self._timeouts(STREAM_SILENCE_SECONDS_MAX)
        pool, url = self._open(), self._url(path, query)
        headers = list(self._credentials.items())
        try:
            async with (
                asyncio.timeout(self.timeout_ms / 1000) as opening,
                pool.stream("GET", url, headers=headers, extensions=timeouts) as response,
            ):
                if response.status != 200:
                    raise ConnectionError(f"{self.base_url}: the stream answered {response.status}")
                async for line in _lines(response):
                    opening.reschedule(None)
                    yield line
        except TimeoutError as problem:
            raise ConnectionError(f"{self.base_url}: no line of the stream within {self.timeout_ms} ms") from problem
        except _failures() as problem:
            raise ConnectionError(f"{self.base_url}: {_reason(problem)}") from problem

    async def close(self) -> None:
        """Close the connections; a later exchange opens new ones."""
        pool, self._pool = self._pool, None
        if pool is not None and self._loop is asyncio.get_running_loop():
            await pool.aclose()

    def _open(self) -> httpcore2.AsyncConnectionPool:
        """Return the connections of the running event loop: they can't move between loops."""
        loop = asyncio.get_running_loop()
        if self._pool is None or self._loop is not loop:
            import httpcore2

            from solidb_sync.client.transport.stream_backend import StreamBackend

            self._loop = loop
            self._pool = httpcore2.AsyncConnectionPool(
                ssl_context=self._ssl_context,
                max_connections=CONNECTIONS_MAX,
                max_keepalive_connections=CONNECTIONS_MAX,
                network_backend=StreamBackend(),
            )
        return self._pool

    def _url(self, path: str, query: Mapping[str, str] | None) -> httpcore2.URL:
        if query:
            path = f"{path}?{urlencode(query)}"
        url = self._urls.get(path)
        if url is None:
            import httpcore2

            if len(self._urls) >= URLS_HELD_MAX:
                self._urls.clear()
            url = self._urls[path] = httpcore2.URL(self.base_url + path)
        return url

    def _timeouts(self, read_seconds: float) -> dict[str, dict[str, float]]:
        seconds = self.timeout_ms / 1000
        return {"timeout": {"connect": seconds, "write": seconds, "pool": seconds, "read": read_seconds}}

    async def _renew_token(self) -> None:
        assert self._token_provider is not None
        token = self._token_provider()
        self._credentials = {"authorization": f"Bearer {token if isinstance(token, str) else await token}"}


def _failures() -> tuple[type[Exception], ...]:
    """Return what the HTTP library raises when an exchange fails."""
    import httpcore2

    return httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.UnsupportedProtocol


async def _read_bounded(response: httpcore2.Response) -> bytes:
    chunks, size = [], 0
    async for chunk in response.aiter_stream():
        size += len(chunk)
        if size > ANSWER_BYTES_MAX:
            raise ConnectionError(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


async def _lines(response: httpcore2.Response) -> AsyncIterator[str]:
    """Yield the lines of a body as they are complete; raises `ConnectionError` for one without an end."""
    begun = b""
    async for chunk in response.aiter_stream():
        *lines, begun = (begun + chunk).split(b"\n")
        for line in lines:
            yield line.rstrip(b"\r").decode("utf-8", "replace")
        if len(begun) > LINE_BYTES_MAX:
            raise ConnectionError(f"a line of the stream is longer than {LINE_BYTES_MAX} bytes")


def _headers(response: httpcore2.Response) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}


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
