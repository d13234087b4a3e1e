"""Credentials: what is shown, what happens when it is no longer taken, and that nothing is lost (B11, N2, 5.16)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator

import httpx2
import pytest

from server_process import ADMIN_KEY, ServerProcess
from solidb_sync import AuthError, ConfigError, ConnectionError, HttpClient, LocalStore, SyncConfig, SyncEvent, SyncManager

pytestmark = pytest.mark.anyio

INVALID: dict[str, object] = {"error": "Invalid credentials", "code": 401, "type": "Unauthorized"}
Answers = list[tuple[int, dict[str, object]]]


class Tokens:
    """Tokens of a real server, which are keys of one database: made, and revoked."""

    def __init__(self, http: httpx2.Client, database: str) -> None:
        self._http = http
        self._database = database
        self.made = 0

    def make(self) -> str:
        """Return a new token."""
        self.made += 1
        made = self._http.post("/_api/auth/api-keys", json={"name": "ann", "database": self._database}).json()
        self._id = made["id"]
        return str(made["key"])

    def revoke(self) -> None:
        """Let the newest token expire."""
        assert self._http.delete(f"/_api/auth/api-keys/{self._id}").status_code == 200


@pytest.fixture
def tokens(server: ServerProcess, database: str) -> Iterator[Tokens]:
    with httpx2.Client(base_url=f"http://{server.address}", headers={"X-API-Key": ADMIN_KEY}) as http:
        http.post("/_api/sync/delta", json={"database": database, "client_id": "x"}).raise_for_status()
        yield Tokens(http, database)


def manager_of(store: LocalStore, client: HttpClient) -> SyncManager:
    return SyncManager(store, client, SyncConfig(auto_sync=False))


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_token_that_expired_is_asked_for_once_and_the_request_sent_again(
    server: ServerProcess, database: str, tokens: Tokens, is_async: bool
) -> None:
    """5.16: nobody notices."""

    async def give() -> str:
        return tokens.make()

    provider: Callable[[], str | Awaitable[str]] = give if is_async else tokens.make
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        phone, told = manager_of(store, HttpClient(server.address, database=database, token_provider=provider)), list[str]()
        await phone.save_document("notes", "one", {"text": "1"})
        assert (await phone.sync_now()).success
        assert tokens.made == 1
        tokens.revoke()
        phone.on_event(lambda event: told.append(event.kind.value))
        await phone.save_document("notes", "two", {"text": "2"})
        result = await phone.sync_now()
        assert (result.success, result.pushed, tokens.made) == (True, 1, 2)
        assert told == ["sync_started", "sync_finished"]
        await phone.stop()


async def test_without_a_new_token_the_device_says_so_once_keeps_everything_and_goes_on_when_it_has_one(
    server: ServerProcess, database: str, tokens: Tokens
) -> None:
    """5.16: state `auth_required`, one event, no failure counted, the outbox as it was."""
    client = HttpClient(server.address, database=database, token=tokens.make())
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        phone, told = manager_of(store, client), list[SyncEvent]()
        assert (await phone.sync_now()).success
        tokens.revoke()
        await phone.save_document("notes", "one", {"text": "1"})
        phone.on_event(told.append)
        for _ in range(3):
            result = await phone.sync_now()
            assert (result.success, result.error_details[0].type) == (False, "AuthError")
        status = await phone.status()
        assert (status.state, status.consecutive_failures, status.pending) == ("auth_required", 0, 1)
        assert [event.kind.value for event in told].count("auth_required") == 1
        client.set_credentials(token=tokens.make())
        result = await phone.sync_now()
        assert (result.success, result.pushed, (await phone.status()).state) == (True, 1, "idle")
        await phone.stop()


async def test_a_provider_that_fails_is_an_auth_error_that_says_how(server: ServerProcess, database: str) -> None:
    def fail() -> str:
        raise KeyError("no keychain")

    def nonsense() -> str:
        return "two words"

    for provider, text in ((fail, "KeyError: 'no keychain'"), (nonsense, "printable ASCII")):
        with LocalStore.open(":memory:", "phone", engine="memory") as store:
            phone = manager_of(store, HttpClient(server.address, database=database, token_provider=provider))
            result = await phone.sync_now()
            assert (result.error_details[0].type, (await phone.status()).state) == ("AuthError", "auth_required")
            assert text in result.errors[0]
            await phone.stop()


async def test_a_provider_that_does_not_answer_is_given_up_like_any_request(server: ServerProcess, database: str) -> None:
    async def hang() -> str:
        await asyncio.Event().wait()
        return ""

    client = HttpClient(server.address, 50, database=database, token_provider=hang)
    with pytest.raises(ConnectionError, match=r"no token within 0\.05 seconds"):
        await client.exchange("POST", "/_api/sync/delta", body=b"{}")


async def test_requests_refused_together_share_one_new_token(server: ServerProcess, database: str, tokens: Tokens) -> None:
    client = HttpClient(server.address, database=database, token_provider=tokens.make)
    path = f"/_api/sync/status/{database}"
    await asyncio.gather(*(client.exchange("GET", path, query={"client_id": "a"}) for _ in range(5)))
    assert tokens.made == 1
    tokens.revoke()
    answers = await asyncio.gather(*(client.exchange("GET", path, query={"client_id": "a"}) for _ in range(5)))
    assert ([answer.status for answer in answers], tokens.made) == ([200] * 5, 2)
    await client.close()


async def test_a_doorbell_is_rung_for_a_device_with_a_token_provider(
    server: ServerProcess, database: str, tokens: Tokens
) -> None:
    client = HttpClient(server.address, database=database, token_provider=tokens.make)
    lines = client.listen(f"/_api/sync/stream/{database}", {"client_id": "a"})
    assert await anext(lines) == ": listening"
    await lines.aclose()  # type: ignore[attr-defined]
    await client.close()


async def _scripted(answers: Answers, seen: list[str]) -> asyncio.Server:
    """Answer request after request as the script says, and note the first line and credentials of each."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode().lower().split("\r\n")
            sizes = [int(line.split(":")[1]) for line in lines if line.startswith("content-length:")]
            await reader.readexactly(sum(sizes))
            shown = [line.split(": ")[1] for line in lines if line.startswith(("authorization:", "x-api-key:"))]
            seen.append(" ".join([lines[0].split(" ")[1], *shown]))
            status, content = answers.pop(0)
            body = json.dumps(content).encode()
            writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))
            if not answers:
                writer.close()
                return

    return await asyncio.start_server(serve, "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("answers", "seen", "outcome"),
    [
        ([(200, {"token": "t1"}), (200, {})], ["/auth/login", "/x bearer t1"], 200),
        (
            [(200, {"token": "t1"}), (401, {}), (200, {"token": "t2"}), (200, {})],
            ["/auth/login", "/x bearer t1", "/auth/login", "/x bearer t2"],
            200,
        ),
        (
            [(200, {"token": "t1"}), (401, {}), (200, {"token": "t2"}), (401, {})],
            ["/auth/login", "/x bearer t1", "/auth/login", "/x bearer t2"],
            401,
        ),
        ([(404, {})], ["/auth/login"], "the server has no logins"),
        (
            [(401, {"error": "Invalid credentials", "code": 401, "type": "Unauthorized"})],
            ["/auth/login"],
            "Invalid credentials",
        ),
        (
            [(400, {"error": "Invalid credentials", "code": 400, "type": "BadRequest"})],
            ["/auth/login"],
            "Invalid credentials",
        ),
        ([(200, {"other": 1})], ["/auth/login"], "the answer holds no token"),
    ],
)
async def test_a_name_and_a_password_are_exchanged_for_a_token(
    answers: Answers, seen: list[str], outcome: int | str
) -> None:
    """B11: at the first request, and once more for one that is answered 401."""
    arrived: list[str] = []
    server = await _scripted(answers, arrived)
    client = HttpClient(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", username="ann", password="secret")
    try:
        if isinstance(outcome, int):
            assert (await client.exchange("POST", "/x", body=b"{}")).status == outcome
        else:
            with pytest.raises(AuthError, match=outcome):
                await client.exchange("POST", "/x", body=b"{}")
        assert arrived == seen
    finally:
        await client.close()
        server.close()


def test_credentials_given_later_are_checked_as_those_given_first() -> None:
    client = HttpClient("localhost:1", api_key="sk_a")
    with pytest.raises(ConfigError, match="give one kind"):
        client.set_credentials(api_key="sk_b", username="ann", password="p")
    with pytest.raises(ConfigError, match="token: expected printable ASCII"):
        client.set_credentials(token="")
