"""What goes over the wire while credentials are shown, refused and renewed (B11, N2, 5.16)."""

from __future__ import annotations

import asyncio

import pytest

from keeper import Keeper, keeping
from solidb_sync import AuthError, ConnectionError, HttpClient, ServerError

pytestmark = pytest.mark.anyio


class Provider:
    """Gives one token after the other, the last of them for ever."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        return self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]

    async def later(self) -> str:
        """Give the next, as a coroutine function does."""
        await asyncio.sleep(0)
        return self()


async def status(client: HttpClient, body: bytes = b"{}") -> int:
    """Return the status of one exchange."""
    return (await client.exchange("POST", "/_api/sync/delta", body=body)).status


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ({"api_key": "sk_1"}, "sk_1"),
        ({"token": "t.1"}, "Bearer t.1"),
        ({"token_provider": lambda: "t.2"}, "Bearer t.2"),
    ],
)
async def test_each_kind_of_credentials_is_presented_with_every_request(given: dict[str, object], seen: str) -> None:
    """B11: API key, JWT, provider."""
    async with keeping(tokens={"sk_1", "t.1", "t.2"}) as keeper:
        client = keeper.client(**given)
        assert [await status(client), await status(client)] == [200, 200]
        assert keeper.credentials_seen() == [seen, seen]
        await client.close()


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_refused_token_is_renewed_once_and_the_same_request_sent_again(is_async: bool) -> None:
    """5.16: safe, because changes are recognised by their ids."""
    async with keeping(tokens={"new"}) as keeper:
        provider = Provider("new")
        client = keeper.client(token="old", token_provider=provider.later if is_async else provider)
        assert [await status(client, b'{"a":1}'), await status(client, b'{"b":2}')] == [200, 200]
        await client.close()
    first, again, later = keeper.requests
    assert (first[1], again[1], provider.asked) == ("Bearer old", "Bearer new", 1)
    assert (first[0], first[2]) == (again[0], again[2]) == ("POST /_api/sync/delta HTTP/1.1", b'{"a":1}')
    assert later[1:] == ("Bearer new", b'{"b":2}')


async def test_requests_refused_at_the_same_time_ask_for_one_token_together() -> None:
    """5.16: the doorbell and a round must not both log in."""
    async with keeping(tokens={"new"}, holds=asyncio.Event()) as keeper:
        provider = Provider("new")
        client = keeper.client(token="old", token_provider=provider.later)
        exchanges = [asyncio.create_task(status(client)) for _ in range(5)]
        async with asyncio.timeout(10):
            while len(keeper.requests) < 5:
                await asyncio.sleep(0.001)
        assert keeper.holds is not None
        keeper.holds.set()
        assert await asyncio.gather(*exchanges) == [200] * 5
        await client.close()
    assert provider.asked == 1
    assert sorted(keeper.credentials_seen()) == ["Bearer new"] * 5 + ["Bearer old"] * 5


async def test_a_token_that_is_the_refused_one_is_not_sent_again() -> None:
    """N2: no storm; the next exchange asks again and recovers when there is a new one."""
    async with keeping(tokens={"new"}) as keeper:
        provider = Provider("old", "old", "new")
        client = keeper.client(token_provider=provider)
        assert [await status(client), await status(client)] == [401, 200]
        await client.close()
    assert keeper.credentials_seen() == ["Bearer old", "Bearer old", "Bearer new"]
    assert provider.asked == 3


async def test_without_a_provider_a_refusal_is_the_answer() -> None:
    async with keeping() as keeper:
        client = keeper.client(token="old")
        assert (await status(client), len(keeper.requests)) == (401, 1)
        await client.close()


def raise_(problem: Exception) -> str:
    """Fail as a provider may."""
    raise problem


@pytest.mark.parametrize(
    ("provider", "kind", "said"),
    [
        (lambda: raise_(ValueError("signed out")), AuthError, "raised ValueError: signed out"),
        (lambda: raise_(OSError("no route")), ConnectionError, "token_provider: OSError: no route"),
        (lambda: 5, AuthError, "token_provider: gave no token"),
        (lambda: "", AuthError, "expected printable ASCII without spaces"),
        (lambda: "a\r\nx-evil: 1", AuthError, "expected printable ASCII without spaces"),
    ],
)
async def test_a_provider_that_fails_is_a_typed_error_and_nothing_is_sent(
    provider: object, kind: type[Exception], said: str
) -> None:
    """B11: what is the network's is to be retried, what is the provider's is not."""
    async with keeping() as keeper:
        client = keeper.client(token_provider=provider)
        with pytest.raises(kind) as raised:
            await status(client)
        await client.close()
    assert said in str(raised.value)
    assert "x-evil" not in str(raised.value)
    assert keeper.requests == []


async def test_a_name_and_a_password_are_exchanged_for_a_token_when_there_is_none_and_when_it_has_expired() -> None:
    """B11: the password goes to the login only."""
    async with keeping(login_status=200, issues=["first", "second"]) as keeper:
        client = keeper.client(username="ann", password="sesame ö")
        assert [await status(client), await status(client)] == [200, 200]
        keeper.tokens.clear()
        assert await status(client) == 200
        await client.close()
    assert keeper.credentials_seen() == ["", "Bearer first", "Bearer first", "Bearer first", "", "Bearer second"]
    assert keeper.requests[0][2] == '{"username":"ann","password":"sesame ö"}'.encode()
    assert "sesame" not in repr(vars(client)["_credentials"]) + repr(client)


@pytest.mark.parametrize("refused", [400, 401, 403])
async def test_a_wrong_password_is_an_auth_error_with_the_servers_words(refused: int) -> None:
    async with keeping(login_status=refused) as keeper:
        await login_fails(keeper, AuthError, "username, password: said by the server")


@pytest.mark.parametrize("absent", [404, 405, 501])
async def test_a_server_without_a_login_is_said_to_be_one(absent: int) -> None:
    async with keeping(login_status=absent) as keeper:
        await login_fails(keeper, AuthError, "the server has no logins (POST /auth/login): use an api_key")


async def test_a_login_that_may_succeed_later_is_an_error_to_retry_and_says_when() -> None:
    async with keeping(login_status=429, login_headers="Retry-After: 17\r\n") as keeper:
        problem = await login_fails(keeper, ServerError, "POST /auth/login: said by the server")
    assert isinstance(problem, ServerError)
    assert (problem.status, problem.retry_after_seconds, problem.is_retryable) == (429, 17, True)


async def login_fails(keeper: Keeper, kind: type[Exception], said: str) -> Exception:
    """Try to log in; the one request is the login's."""
    client = keeper.client(username="ann", password="sesame")
    with pytest.raises(kind) as raised:
        await status(client)
    await client.close()
    assert said in str(raised.value)
    assert "sesame" not in str(raised.value)
    assert len(keeper.requests) == 1
    return raised.value


async def test_a_stream_is_opened_with_renewed_credentials_or_refused_as_an_auth_error() -> None:
    """5.16: the doorbell has the same credentials as the rounds."""
    async with keeping(tokens={"new"}) as keeper:
        provider = Provider("new")
        client = keeper.client(token="old", token_provider=provider)
        with pytest.raises(ConnectionError):
            await anext(client.listen("/stream", {}))
        assert [line async for line in client.listen("/stream", {})] == []
        keeper.tokens.clear()
        with pytest.raises(AuthError, match="does not accept the credentials"):
            await anext(client.listen("/stream", {}))
        await client.close()
    assert keeper.credentials_seen() == ["Bearer old", "Bearer new", "Bearer new"]
    assert provider.asked == 2


async def test_looking_whether_the_server_is_there_needs_no_credentials() -> None:
    """N1: `ping` works while nobody can sign in."""
    async with keeping() as keeper:
        client = keeper.client(token_provider=lambda: raise_(ValueError("signed out")))
        await client.exchange("GET", "/_api/health")
        await client.close()
    assert keeper.credentials_seen() == [""]


def test_one_client_serves_one_event_loop_after_the_other() -> None:
    """What waits for a renewal in one loop must not bind the client to it."""
    provider = Provider("new")
    client = HttpClient("127.0.0.1:1", token="old", token_provider=provider.later)

    async def refused_twice() -> int:
        async with keeping(tokens={"new"}) as keeper:
            client.base_url = f"http://127.0.0.1:{keeper.port}"
            client._urls.clear()
            statuses = await asyncio.gather(status(client), status(client))
            await client.close()
        return sum(statuses)

    assert [asyncio.run(refused_twice()), asyncio.run(refused_twice())] == [400, 400]
