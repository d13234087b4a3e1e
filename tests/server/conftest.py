"""A real server over real files, called through ASGI without a network, and devices that speak the protocol to it."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from solidb_sync.server.application import build_app, shut_down
from solidb_sync.server.auth.api_keys import create_key
from solidb_sync.server.config import ServerConfig
from solidb_sync.server.storage.sqlite.server_backend import SqliteServerBackend, open_sqlite_backend

ADMIN_KEY = "administrator-" + "k" * 32


class HandTurnedClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1_705_314_600.0

    def now_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


class Server:
    """A server process without the process: files, application, event loop."""

    def __init__(self, path: Path, clock: HandTurnedClock, backend: SqliteServerBackend | None = None) -> None:
        self.path = path
        self.clock = clock
        self.backend = backend or open_sqlite_backend(path, clock=clock, random_bytes=os.urandom)
        self.config = ServerConfig(path, admin_key=ADMIN_KEY, heartbeat_seconds=0.2)
        self.app = build_app(self.config, self.backend, clock)
        self._runner = asyncio.Runner()
        self._client = httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app), base_url="http://server")

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(coroutine)

    async def send(self, method: str, path: str, *, key: str | None = ADMIN_KEY, **rest: Any) -> httpx2.Response:
        headers = {**({"X-API-Key": key} if key else {}), **rest.pop("headers", {})}
        return await self._client.request(method, path, headers=headers, **rest)

    def request(self, method: str, path: str, **rest: Any) -> httpx2.Response:
        return self.run(self.send(method, path, **rest))

    def get(self, path: str, **rest: Any) -> httpx2.Response:
        return self.request("GET", path, **rest)

    def post(self, path: str, body: object = None, **rest: Any) -> httpx2.Response:
        if body is not None:
            rest["content"] = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return self.request("POST", path, **rest)

    def api_key(self, database: str = "db", *, read_only: bool = False) -> str:
        made = create_key(
            self.backend, database=database, name="test", read_only=read_only, clock=self.clock, random_bytes=os.urandom
        )
        return made.key

    def device(self, client_id: str, **rest: Any) -> Device:
        return Device(self, client_id, **rest)

    def document(self, key: str, collection: str = "notes") -> dict[str, Any] | None:
        """Return a document without the fields the system adds, None when it is not there."""
        answer = self.get(f"/_api/database/db/document/{collection}/{key}")
        if answer.status_code == 404:
            return None
        return {name: value for name, value in answer.json().items() if not name.startswith("_")}

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return what is in the files of the first database."""
        import apsw

        connection = apsw.Connection(str(self.path / "db-1.sqlite"), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def close(self) -> None:
        self.run(shut_down(self.app))
        self.run(self._client.aclose())
        self._runner.close()
        self.backend.close()


_LEFT_OUT: dict[str, Any] = {"replica": None, "register": False, "views": {}, "views_lost": [], "resolved": [], "hlc": ""}
"""What a device reads in the place of fields that are not in an answer."""


class Device:
    """A device that counts its edits and keeps its cursor, and nothing else."""

    def __init__(self, server: Server, client_id: str, *, actor: str = "", database: str = "db") -> None:
        self.server, self.client_id, self.actor, self.database = server, client_id, actor or client_id, database
        self.counter = 0
        self.cursor = 0
        self.caught_up = 0

    def change(self, operation: str, key: str, *, collection: str = "notes", **fields: Any) -> dict[str, Any]:
        self.counter += 1
        base = {"base_version": fields.pop("base")} if fields.get("base") else {}
        fields.pop("base", None)
        change = {"collection": collection, "key": key, "operation": operation, "counter": self.counter}
        return {**change, "id": str(uuid.uuid4()), **base, **fields}

    def insert(self, key: str, document: object, **fields: Any) -> dict[str, Any]:
        return self.change("insert", key, document=document, **fields)

    def update(self, key: str, delta: object, **fields: Any) -> dict[str, Any]:
        return self.change("update", key, delta=delta, **fields)

    def delete(self, key: str, **fields: Any) -> dict[str, Any]:
        return self.change("delete", key, **fields)

    def body(self, changes: tuple[dict[str, Any], ...], **fields: Any) -> dict[str, Any]:
        vector = {"server": self.cursor, self.actor: fields.pop("acknowledged", 0)}
        return {
            "database": self.database,
            "client_id": self.client_id,
            "actor": self.actor,
            "protocol": 1,
            "last_counter": self.counter,
            "version_vector": vector,
            "changes": list(changes),
            "caught_up": self.caught_up,
            **fields,
        }

    def send(self, *changes: dict[str, Any], **fields: Any) -> httpx2.Response:
        return self.server.post("/_api/sync/delta", self.body(changes, **fields))

    def sync(self, *changes: dict[str, Any], **fields: Any) -> dict[str, Any]:
        answer = self.send(*changes, **fields)
        assert answer.status_code == 200, answer.text
        return {**_LEFT_OUT, **answer.json()}

    def push(self, *changes: dict[str, Any], **fields: Any) -> dict[str, Any]:
        """Push without a pull."""
        return self.sync(*changes, limit=0, **fields)

    def statuses(self, *changes: dict[str, Any], **fields: Any) -> list[str]:
        return [result["status"] for result in self.push(*changes, **fields)["results"]]

    def pull(self, **fields: Any) -> list[dict[str, Any]]:
        """Pull one page and move the cursor."""
        answer = self.sync(**fields)
        self.cursor = answer["cursor"]
        if not answer["has_more"]:
            self.caught_up = self.cursor
        return answer["server_changes"]


@pytest.fixture
def clock() -> HandTurnedClock:
    return HandTurnedClock()


@pytest.fixture
def open_server(tmp_path: Path, clock: HandTurnedClock) -> Iterator[Callable[[], Server]]:
    """Opens servers on the same directory, one after the other."""
    opened: list[Server] = []
    closed: set[int] = set()

    def open_one() -> Server:
        server = Server(tmp_path / "data", clock)
        opened.append(server)
        close = server.close

        def close_once() -> None:
            if id(server) not in closed:
                closed.add(id(server))
                close()

        server.close = close_once  # type: ignore[method-assign]
        return server

    yield open_one
    for server in opened:
        server.close()


@pytest.fixture
def server(open_server: Callable[[], Server]) -> Server:
    return open_server()
