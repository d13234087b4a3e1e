"""A server that knows some tokens and passwords: real sockets and HTTP, and every request it got is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from solidb_sync import HttpClient
from solidb_sync.testing.http_framing import HttpMessage, read_message


@dataclass
class Keeper:
    """`tokens` are those it takes; `login_status` is its answer to a login, 404 for a server that has none."""

    tokens: set[str] = field(default_factory=set)
    login_status: int = 404
    login_headers: str = ""
    issues: list[str] = field(default_factory=list)
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Of each request its first line, its credentials, and its body."""
    holds: asyncio.Event | None = None
    """When set, no request with credentials is answered before that."""
    port: int = 0

    def client(self, **credentials: object) -> HttpClient:
        """Return a client of this server."""
        return HttpClient(f"127.0.0.1:{self.port}", database="d", **credentials)  # type: ignore[arg-type]

    def credentials_seen(self) -> list[str]:
        """Return the credentials of every request, in order."""
        return [credentials for _, credentials, _ in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        while (request := await read_message(reader)) is not None:
            credentials = header(request, "authorization") or header(request, "x-api-key")
            self.requests.append((request.start_line, credentials, request.body))
            if self.holds is not None and credentials:
                await self.holds.wait()
            writer.write(self._answer(request, credentials.removeprefix("Bearer ")))
        writer.close()
        await writer.wait_closed()

    def _answer(self, request: HttpMessage, token: str) -> bytes:
        if request.start_line.startswith("POST /auth/login"):
            if self.login_status == 200:
                self.tokens.add(self.issues[0])
                return _answered(200, {"token": self.issues.pop(0)})
            told = {"error": "said by the server", "code": self.login_status, "type": "T"}
            return _answered(self.login_status, told, self.login_headers)
        if token not in self.tokens and not request.start_line.startswith("GET /_api/health"):
            return _answered(401, {"error": "not known here", "code": 401, "type": "Unauthorized"})
        return _answered(200, {"ok": True})


def header(request: HttpMessage, name: str) -> str:
    """Return a header of a request, empty when it isn't there."""
    for line in request.head.decode("latin-1").split("\r\n")[1:]:
        found, _, value = line.partition(":")
        if found.lower() == name:
            return value.strip()
    return ""


def _answered(status: int, told: object, headers: str = "") -> bytes:
    body = json.dumps(told).encode()
    return f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode() + body


@asynccontextmanager
async def keeping(**settings: object) -> AsyncIterator[Keeper]:
    """Run a server for the block; it ends when its connections have, so close the clients."""
    keeper = Keeper(**settings)  # type: ignore[arg-type]
    served: list[asyncio.Task[None]] = []

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        served.append(task)
        await keeper.serve(reader, writer)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    keeper.port = server.sockets[0].getsockname()[1]
    try:
        yield keeper
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.wait_for(asyncio.gather(*served), 10)
