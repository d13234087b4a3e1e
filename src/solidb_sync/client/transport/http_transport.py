"""`HttpClient`: the transport over HTTP, with credentials. The HTTP library is imported when the first request is sent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from solidb_sync.client.transport.credentials import Credentials, TokenProvider
from solidb_sync.client.transport.line_stream import LineStream, open_line_stream
from solidb_sync.client.transport.transport import TransportAnswer
from solidb_sync.errors import AuthError, ConfigError, ConnectionError, about_request
from solidb_sync.protocol import endpoints
from solidb_sync.protocol.addresses import PORT_DEFAULT, is_loopback
from solidb_sync.protocol.attachments import is_attachment_path
from solidb_sync.protocol.compression import (
    GZIP,
    INLINE_BYTES_MAX,
    PackedBodyError,
    UnpackedTooLargeError,
    is_worth_packing,
    packed,
    unpacked,
)
from solidb_sync.protocol.limits import BODY_BYTES_MAX
from solidb_sync.protocol.names import name_problem
from solidb_sync.protocol.request_ids import REQUEST_ID_BYTES, REQUEST_ID_HEADER, plain_request_id

if TYPE_CHECKING:
    import ssl

    import httpcore2

TIMEOUT_MS_MAX = 10 * 60 * 1000
ANSWER_BYTES_MAX = 4 * BODY_BYTES_MAX
CONNECTIONS_MAX = 8
URLS_HELD_MAX = 100
STREAM_SILENCE_SECONDS_MAX = 45.0


class HttpClient:
    """The way to one server.

    `address` is `host:port` or a URL; plain HTTP goes only to this machine unless `allow_plain_http` is True.
    `timeout_ms` bounds each request. Credentials, one kind: `api_key`; `token`, with or without a `token_provider` (a
    function, async or not, that gives the first token, or the next one when the server no longer takes the last); or
    `username` and `password`, which the server exchanges for a token. `user` names whoever they are for, on a device that
    several people use; without it they are told apart by `username`, a token's subject, or the key itself.
    Bodies travel in gzip where that saves something.
    `ssl_context` is for servers whose certificate this machine does not trust by itself.
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
        user: str | None = None,
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
        self._credentials = Credentials(
            api_key=api_key,
            token=token,
            username=username,
            password=password,
            token_provider=token_provider,
            user=user,
        )
        self._is_nearby = is_loopback(urlsplit(self.base_url).hostname or "")
        self._may_pack = True
        self._ssl_context = ssl_context
        self._pool: httpcore2.AsyncConnectionPool | None = None
        self._streams: set[LineStream] = set()
        self._urls: dict[str, httpcore2.URL] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"HttpClient({self.base_url!r}, {self.timeout_ms}, database={self._database!r})"

    @property
    def database(self) -> str | None:
        """The database this client was made for."""
        return self._database

    @property
    def user(self) -> str:
        """Who the credentials are for, as far as this device can tell; see `Credentials.user`."""
        return self._credentials.user

    async def exchange(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> TransportAnswer:
        """Send one request and return the answer; on 401 asks once for another token, and sends the same again.

        Raises `AuthError` when a token has to be asked for and none is given.
        """
        if path == endpoints.HEALTH:
            return await self._send(method, path, query, body, shown={})  # needs none, and must work when there are none
        if self._credentials.are_missing:
            await self._renew({})
        shown = self._credentials.headers
        answer = await self._send(method, path, query, body)
        if answer.status == 415 and self._may_pack:
            self._may_pack = False  # a server or a proxy that wants bodies plain
            answer = await self._send(method, path, query, body)
        if answer.status == 401 and self._credentials.can_renew and await self._renew(shown):
            answer = await self._send(method, path, query, body)
        return answer

    def set_credentials(
        self,
        *,
        api_key: str | None = None,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        token_provider: TokenProvider | None = None,
        user: str | None = None,
    ) -> None:
        """Show something else from the next request on, such as a new token after the old one has expired."""
        self._credentials = Credentials(
            api_key=api_key,
            token=token,
            username=username,
            password=password,
            token_provider=token_provider,
            user=user,
        )

    async def _renew(self, refused: dict[str, str]) -> bool:
        async def post(path: str, body: bytes) -> TransportAnswer:
            return await self._send("POST", path, None, body, shown={})

        return await self._credentials.renew(refused, post, self.timeout_ms / 1000)

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: bytes | None,
        *,
        shown: Mapping[str, str] | None = None,
    ) -> TransportAnswer:
        headers = {**(self._credentials.headers if shown is None else shown), "accept-encoding": GZIP}
        if body is not None:
            is_json = not is_attachment_path(path)
            headers["content-type"] = "application/json" if is_json else "application/octet-stream"
            if is_json and self._may_pack and is_worth_packing(len(body), is_nearby=self._is_nearby):
                headers["content-encoding"] = GZIP
                body = packed(body) if len(body) <= INLINE_BYTES_MAX else await asyncio.to_thread(packed, body)
        request_id = headers[REQUEST_ID_HEADER] = _new_request_id()
        timeouts = self._timeouts(self.timeout_ms / 1000)
        pool, url = self._open(), self._url(path, query)
        try:
            async with pool.stream(
                method, url, headers=list(headers.items()), content=body, extensions=timeouts
            ) as response:
                found = _headers(response)
                request_id = plain_request_id(found.get(REQUEST_ID_HEADER, "")) or request_id
                return TransportAnswer(
                    response.status, found, await _plain(found, await _read_bounded(response)), request_id
                )
        except _failures() as problem:
            raise about_request(ConnectionError(f"{self.base_url}: {_reason(problem)}"), request_id) from problem
        except ConnectionError as problem:
            problem.request_id = request_id
            raise

    async def listen(self, path: str, query: Mapping[str, str]) -> AsyncIterator[str]:
        """Yield the lines of a stream until it ends; broken by 45 seconds of silence, or `timeout_ms` before the first.

        Raises `AuthError` when the server does not accept the credentials and there are no others; when there are, the
        stream counts as broken, and is opened with them the next time.
        """
        if self._credentials.are_missing:
            await self._renew({})
        shown = self._credentials.headers
        try:
            async with asyncio.timeout(self.timeout_ms / 1000) as opening, self._streaming(path, query, shown) as stream:
                status = await stream.status()
                if status == 401 and not (self._credentials.can_renew and await self._renew(shown)):
                    raise AuthError(f"{self.base_url}: the server does not accept the credentials")
                if status != 200:
                    raise ConnectionError(f"{self.base_url}: the stream answered {status}")
                async for line in stream:
                    if opening.when() is not None:
                        opening.reschedule(None)
                    yield line
        except TimeoutError as problem:
            raise ConnectionError(f"{self.base_url}: no line of the stream within {self.timeout_ms} ms") from problem

    @asynccontextmanager
    async def _streaming(self, path: str, query: Mapping[str, str], shown: Mapping[str, str]) -> AsyncIterator[LineStream]:
        """Open a stream for as long as the block runs, or until this client is closed."""
        base = urlsplit(self.base_url)
        context = self._trust() if base.scheme == "https" else None
        target = f"{path}?{urlencode(query)}" if query else path
        shown = {**shown, REQUEST_ID_HEADER: _new_request_id()}
        stream = await open_line_stream(base, target, shown, context=context, silence_seconds_max=STREAM_SILENCE_SECONDS_MAX)
        self._streams.add(stream)
        try:
            yield stream
        finally:
            self._streams.discard(stream)
            stream.close()

    def _trust(self) -> ssl.SSLContext:
        """Return whom to believe to be the server: the context that was given, or the library's."""
        if self._ssl_context is None:
            import httpcore2

            self._ssl_context = httpcore2.default_ssl_context()
        self._ssl_context.set_alpn_protocols(["http/1.1"])
        return self._ssl_context

    async def close(self) -> None:
        """Close the connections; a later exchange opens new ones."""
        for stream in list(self._streams):
            if stream.loop is asyncio.get_running_loop():
                stream.close()
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


def _new_request_id() -> str:
    return os.urandom(REQUEST_ID_BYTES).hex()


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


async def _plain(headers: Mapping[str, str], body: bytes) -> bytes:
    """Return a body as it was before it was packed; raises `ConnectionError` for one that is damaged or too large."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if not body or encoding in ("", "identity"):
        return body
    if encoding != GZIP:
        raise ConnectionError(f"the answer has the content-encoding {encoding[:40]!r}, which was not asked for")
    try:
        if len(body) <= INLINE_BYTES_MAX:
            return unpacked(body, bytes_max=ANSWER_BYTES_MAX)
        return await asyncio.to_thread(unpacked, body, bytes_max=ANSWER_BYTES_MAX)
    except (PackedBodyError, UnpackedTooLargeError) as problem:
        raise ConnectionError(f"the answer can't be unpacked: {problem}") from problem


def _headers(response: httpcore2.Response) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}


def _reason(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__


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
