"""The id of a request on the device's side: one for each attempt, and in whatever an error tells (N4)."""

from __future__ import annotations

import asyncio
import json

import pytest

from server_process import ServerProcess
from solidb_sync import (
    AuthError,
    ConnectionError,
    HttpClient,
    LocalStore,
    NotFoundError,
    ServerError,
    SyncConfig,
    SyncManager,
)
from solidb_sync.client.server_calls import ServerCalls

pytestmark = pytest.mark.anyio

KEY = "sk_" + "0" * 64


class Answering:
    """A server that gives the answers it was told to, one after the other, and keeps the ids it was asked under."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.ids: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        while self._answers:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            fields = dict(line.lower().split(": ", 1) for line in head.decode().splitlines()[1:] if line)
            await reader.readexactly(int(fields.get("content-length", 0)))
            self.ids.append(fields["x-request-id"])
            writer.write(self._answers.pop(0))
            await writer.drain()
        writer.close()


def answer(status: int, body: object = None, *headers: str) -> bytes:
    """Return an answer as it goes over the wire."""
    content = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} x", f"content-length: {len(content)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + content


async def asked(server: Answering, **credentials: object) -> Exception:
    """Call a server through a client and return what that raises."""
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    client = HttpClient(f"127.0.0.1:{listening.sockets[0].getsockname()[1]}", database="db", **credentials)  # type: ignore[arg-type]
    try:
        with pytest.raises(Exception) as raised:  # noqa: PT011 - each test looks at what it is
            await ServerCalls(client, "db").fetch("notes", "a")
        return raised.value
    finally:
        await client.close()
        listening.close()
        await listening.wait_closed()


REFUSED = {"error": "no", "code": 404, "type": "NotFound"}


async def test_an_error_names_the_request_by_the_servers_id_or_by_ours() -> None:
    """A proxy may give requests other ids; what it writes is looked at before anybody is shown it."""
    named = Answering(answer(404, REFUSED, "x-request-id: proxy-7"))
    problem = await asked(named)
    assert isinstance(problem, NotFoundError)
    assert problem.request_id == "proxy-7"
    for headers in ((), ("x-request-id: two words",), (f"x-request-id: {'x' * 65}",)):
        plain = Answering(answer(404, REFUSED, *headers))
        problem = await asked(plain)
        assert isinstance(problem, NotFoundError)
        assert [problem.request_id] == plain.ids


async def test_each_attempt_has_an_id_of_its_own() -> None:
    """Here the second one is sent with another token, and its id is the one to ask for."""
    tokens = iter(["old", "new"])
    server = Answering(answer(401, REFUSED), answer(503, REFUSED))
    problem = await asked(server, token_provider=lambda: next(tokens))
    assert isinstance(problem, ServerError)
    first, second = server.ids
    assert first != second == problem.request_id
    assert len(first) == len(second) == 16


async def test_what_was_never_answered_and_what_makes_no_sense_have_the_id_too() -> None:
    cut = Answering(b"HTTP/1.1 200 x\r\ncontent-length: 50\r\n\r\n{")
    problem = await asked(cut)
    assert isinstance(problem, ConnectionError)
    assert [problem.request_id] == cut.ids
    damaged = Answering(answer(200, {}, "content-encoding: gzip"))
    assert [(await asked(damaged)).request_id] == damaged.ids  # type: ignore[attr-defined]
    odd = Answering(answer(200, ["not", "it"]))
    assert [(await asked(odd)).request_id] == odd.ids  # type: ignore[attr-defined]
    nowhere = HttpClient("127.0.0.1:9", database="db")
    with pytest.raises(ConnectionError) as raised:
        await nowhere.exchange("GET", "/_api/health")
    assert len(raised.value.request_id) == 16
    await nowhere.close()


async def test_a_refused_login_names_its_request() -> None:
    server = Answering(answer(401, REFUSED))
    problem = await asked(server, username="ann", password="wrong")
    assert isinstance(problem, AuthError)
    assert [problem.request_id] == server.ids


async def test_a_failed_round_tells_the_id_that_the_server_knows_it_by(server: ServerProcess, database: str) -> None:
    client = HttpClient(server.address, database=database, api_key=KEY)
    known = await client.exchange("GET", f"/_api/sync/status/{database}", query={"client_id": "phone"})
    assert known.request_id == json.loads(known.body)["details"]["request_id"]
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        manager = SyncManager(store, client, SyncConfig(auto_sync=False))
        result = await manager.sync_now()
        (problem,) = result.error_details
        assert (problem.type, len(problem.request_id)) == ("AuthError", 16)
        assert problem.request_id != known.request_id
        await manager.stop()
