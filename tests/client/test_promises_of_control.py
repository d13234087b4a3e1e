"""What the settings, the control methods and the result of a round promise, one test for each number of the list."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest

from device_types import DeviceMaker
from server_process import ServerProcess
from solidb_sync import (
    ConfigError,
    ConflictStrategy,
    ConnectionError,
    HttpClient,
    LocalStore,
    SyncCommand,
    SyncConfig,
    SyncError,
    SyncManager,
)
from solidb_sync.client.commands import COMMANDS_MAX
from solidb_sync.client.transport.transport import TransportAnswer
from solidb_sync.json_value import decode, encode

pytestmark = pytest.mark.anyio
SOON = 20


class NarrowWay:
    """The way to a real server, past something that lets no body of more than so many bytes through."""

    def __init__(self, client: HttpClient, body_bytes_max: int = 10**9) -> None:
        self._client = client
        self.body_bytes_max = body_bytes_max
        self.carried: list[int] = []
        """How many changes each request had that got through."""
        self.limits: list[int] = []
        """How many changes each answer of a page had."""
        self.refused = 0
        self.loses_answers = False

    @property
    def database(self) -> str | None:
        return self._client.database

    async def exchange(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> TransportAnswer:
        if body is not None and len(body) > self.body_bytes_max:
            self.refused += 1
            told = encode({"error": "too large", "code": 413, "type": "PayloadTooLarge"})
            return TransportAnswer(413, {}, told)
        answer = await self._client.exchange(method, path, query=query, body=body)
        if self.loses_answers:
            raise ConnectionError("the answer was lost")
        if path.endswith("/delta") and body is not None:
            self.carried.append(len(decode(body).get("changes", [])))
            self.limits.append(len(decode(answer.body).get("server_changes", [])))
        return answer

    def listen(self, path: str, query: Mapping[str, str]) -> AsyncIterator[str]:
        return self._client.listen(path, query)

    async def close(self) -> None:
        await self._client.close()


@contextlib.asynccontextmanager
async def through(way: NarrowWay, name: str, **settings: object) -> AsyncIterator[SyncManager]:
    """Give a device that goes that way."""
    with LocalStore.open(":memory:", name, engine="memory") as store:
        manager = SyncManager(store, way, SyncConfig(**{"auto_sync": False, **settings}))  # type: ignore[arg-type]
        yield manager
        await manager.stop()


@contextlib.asynccontextmanager
async def silence(asked: asyncio.Event) -> AsyncIterator[str]:
    """Give the address of a server that says nothing to the one request it gets."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        writer.close()
        await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()
    await asyncio.wait_for(ended.wait(), SOON)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what is bound to come; the bound only ends a broken test."""
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.005)


async def test_no_request_carries_more_changes_than_a_batch_either_way(server: ServerProcess, database: str) -> None:
    """B2: and a backlog of n drains in n / batch requests."""
    way, back = NarrowWay(server.client(database)), NarrowWay(server.client(database))
    async with through(way, "phone", batch_size=10) as phone, through(back, "laptop", batch_size=10) as laptop:
        for number in range(30):
            await phone.save_document("notes", f"n{number:02}", {"number": number})
        assert (await phone.sync_now()).pushed == 30
        assert (await laptop.sync_now()).pulled == 30
        assert way.carried == [10, 10, 10]
        assert max(back.limits) == 10
        assert len(back.limits) == 3


async def test_without_auto_sync_nothing_is_sent_until_it_is_asked_for(server: ServerProcess, database: str) -> None:
    """B4: not when started, not by saving, not by a shorter interval."""
    way = NarrowWay(server.client(database))
    async with through(way, "phone", sync_interval_secs=0.01) as phone:
        commands = await phone.start()
        await phone.save_document("notes", "one", {"text": "1"})
        await phone.set_sync_interval(0.02)
        await commands.send(SyncCommand.Subscribe("notes"))
        await until(lambda: len(phone._store.list_subscriptions()) == 1)
        assert (way.carried, (await phone.status()).rounds) == ([], 0)
        await commands.send(SyncCommand.SyncNow())
        await until(lambda: way.carried == [1])


async def test_rounds_run_at_the_interval_and_never_two_at_once(server: ServerProcess, database: str) -> None:
    """B1, N5: without anything being saved; and the interval can be changed while it runs."""
    way = NarrowWay(server.client(database))
    async with through(way, "phone", auto_sync=True, live=False, sync_interval_secs=3600) as phone:
        running: list[bool] = []
        phone.on_event(lambda event: running.append(event.kind.value == "sync_started"))
        await phone.start()
        await until(lambda: len(way.carried) == 1 and not phone.is_syncing())
        await phone.set_sync_interval(0.01)
        await until(lambda: len(way.carried) >= 5)
        await phone.set_sync_interval(3600)
        await until(lambda: not phone.is_syncing())
        assert running == [True, False] * (len(running) // 2)
        with pytest.raises(ConfigError, match="seconds: expected a number from"):
            await phone.set_sync_interval(0)


async def test_all_collections_are_synced_when_none_is_named_and_others_never_when_some_are(device: DeviceMaker) -> None:
    """B5: what is not synced stays here, and the status counts it as waiting."""
    everything, some = device("everything"), device("some", collections=["users"])
    await everything.save_document("users", "ann", {"name": "Ann"})
    await everything.save_document("orders", "1", {"total": 1})
    await everything.sync_now()
    assert (await some.sync_now()).pulled == 1
    await some.save_document("orders", "2", {"total": 2})
    assert (await some.sync_now()).success
    assert [change.collection for change in await some.pending_changes()] == ["orders"]
    assert (await everything.sync_now()).pulled == 0
    assert (await some.status()).collections == ("users",)


async def test_a_store_and_another_path_contradict_each_other(tmp_path: Path) -> None:
    """B6, B7: a `ValueError`; and the database may be the client's, or must be named."""
    client = HttpClient("localhost:1", database="d")
    with LocalStore.open(tmp_path / "one.db", "phone") as store:
        with pytest.raises(ValueError, match=r"local_storage_path: .*two\.db' is not .*one\.db"):
            SyncManager(store, client, SyncConfig(local_storage_path=str(tmp_path / "two.db")))
        SyncManager(store, client, SyncConfig(local_storage_path=str(tmp_path / "." / "one.db")))
        with pytest.raises(ConfigError, match="database: name it"):
            SyncManager(store, HttpClient("localhost:1"), SyncConfig())


def test_every_setting_has_a_default() -> None:
    """B9."""
    assert SyncConfig() == SyncConfig(sync_interval_secs=30, batch_size=100, max_retries=5, auto_sync=True, collections=())


async def test_a_request_is_given_up_when_its_time_is_over() -> None:
    """B10: the timeout of the client bounds it; an address needs no scheme."""
    async with silence(asyncio.Event()) as address, asyncio.timeout(SOON):
        client = HttpClient(address, 50, database="d")
        with pytest.raises(ConnectionError, match="ReadTimeout"):
            await client.exchange("GET", "/_api/health")
        await client.close()


async def test_one_background_task_and_one_bounded_channel(device: DeviceMaker) -> None:
    """B13, B14: nothing happens before `start`; a second start gives the same channel, which has a bound."""
    phone = device("phone")
    assert (await phone.status()).rounds == 0
    commands = await phone.start()
    assert await phone.start() is commands
    for _ in range(COMMANDS_MAX):
        commands.send_nowait(SyncCommand.SetOnline(True))
    with pytest.raises(SyncError, match="1000 commands are waiting"):
        commands.send_nowait(SyncCommand.SetOnline(True))


async def test_a_round_asked_for_by_hand_while_offline_says_so_and_loses_nothing(device: DeviceMaker) -> None:
    """C1, C2, E1, E4: no exception; the error as text and in parts, one beside the other."""
    phone = device("phone")
    await phone.save_document("notes", "one", {"text": "1"})
    await phone.set_online(False)
    for result in (await phone.sync_now(), await phone.sync(), await phone.full_resync()):
        assert not result.success
        assert [problem.message for problem in result.error_details] == result.errors
        assert (result.error_details[0].type, result.error_details[0].is_retryable) == ("ConnectionError", True)
    assert len(await phone.pending_changes()) == 1
    await phone.set_online(True)
    assert (await phone.sync_now()).success


async def test_a_command_to_sync_is_skipped_while_offline_and_counted(device: DeviceMaker) -> None:
    """C3: recorded as skipped, nothing is sent."""
    phone = device("phone")
    commands = await phone.start()
    await phone.set_online(False)
    await commands.send(SyncCommand.SyncNow())
    await until(lambda: phone._rounds.history.skipped == 1)
    status = await phone.status()
    assert (status.skipped_rounds, status.rounds, status.requests) == (1, 0, 0)


async def test_stopping_a_device_whose_server_is_silent_does_not_wait_for_it() -> None:
    """C7: bounded in time, in the middle of a request that nobody answers."""
    asked = asyncio.Event()
    async with silence(asked) as address:
        client = HttpClient(address, 600_000, database="d", api_key="sk_x")
        with LocalStore.open(":memory:", "phone", engine="memory") as store:
            phone = SyncManager(store, client, SyncConfig(live=False))
            await phone.save_document("notes", "one", {"text": "1"})
            await phone.start()
            await asyncio.wait_for(asked.wait(), SOON)
            await asyncio.wait_for(phone.stop(), SOON)
            assert len(store.get_pending_changes()) == 1


async def test_counts_are_of_what_others_wrote_and_of_what_left_the_outbox(device: DeviceMaker) -> None:
    """E2: echoes of one's own changes are no pulled documents, and pushed is what the outbox shrank by."""
    phone, laptop = device("phone"), device("laptop")
    for number in range(3):
        await phone.save_document("notes", f"p{number}", {"from": "phone"})
    await laptop.save_document("notes", "l", {"from": "laptop"})
    await laptop.sync_now()
    waiting = len(await phone.pending_changes())
    first, second = await phone.sync_now(), await phone.sync_now()
    assert (first.pushed, first.pulled) == (waiting - len(await phone.pending_changes()), 1)
    assert (second.success, second.pushed, second.pulled) == (True, 0, 0)


async def test_conflicts_are_logged_for_good_with_everything_needed_to_judge_them(
    device: DeviceMaker, tmp_path: Path
) -> None:
    """E7: both versions, the base, the strategy, the outcome, the time; also after the store was opened again."""
    phone, laptop = device("phone"), device("laptop", engine="sqlite", path=tmp_path / "laptop.db")
    await phone.save_document("notes", "one", {"text": "base"})
    await phone.sync_now()
    await laptop.sync_now()
    await phone.save_document("notes", "one", {"text": "phone"})
    await laptop.save_document("notes", "one", {"text": "laptop"})
    await phone.sync_now()
    found = (await laptop.sync_now()).conflicts
    await laptop.stop()
    laptop._store.close()
    (logged,) = await device("laptop", engine="sqlite", path=tmp_path / "laptop.db").conflict_log()
    assert [logged] == found
    assert logged.base_version is not None
    versions = (logged.local_version, logged.remote_version, logged.base_version)
    assert [version["text"] for version in versions] == ["laptop", "phone", "base"]
    assert (logged.strategy, logged.winner) == (ConflictStrategy.LAST_WRITE_WINS, "local")
    assert logged.at.startswith("20")


async def test_a_failed_round_is_tried_again_without_a_call(server: ServerProcess, database: str) -> None:
    """L1: here a body that was refused once; long before the interval."""
    way = NarrowWay(server.client(database), body_bytes_max=0)
    async with through(way, "phone", auto_sync=True, live=False, sync_interval_secs=0.5) as phone:
        await phone.save_document("notes", "one", {"text": "1"})
        await phone.start()
        await until(lambda: way.refused > 0)
        way.body_bytes_max = 10**9
        await until(lambda: not phone._store.get_pending_changes())


async def test_a_batch_that_is_too_large_for_a_proxy_goes_in_smaller_ones(server: ServerProcess, database: str) -> None:
    """N3: a 413 splits; what has once been too large is not tried again in this run."""
    way = NarrowWay(server.client(database), body_bytes_max=20_000)
    async with through(way, "phone") as phone:
        for number in range(40):
            await phone.save_document("notes", f"n{number:02}", {"text": "x" * 1_000})
        assert (await phone.sync_now()).pushed == 40
        assert (way.refused, sum(way.carried), max(way.carried)) == (2, 40, 10)
        for number in range(20):
            await phone.save_document("notes", f"m{number:02}", {"text": "x" * 1_000})
        assert (await phone.sync_now()).success
        assert way.refused == 2


async def test_a_change_that_is_too_large_for_a_proxy_is_set_aside_and_holds_up_nothing(
    server: ServerProcess, database: str
) -> None:
    """N3: it is still here, with the reason, and goes when the way is wider and it is retried."""
    way = NarrowWay(server.client(database), body_bytes_max=20_000)
    async with through(way, "phone") as phone:
        await phone.save_document("notes", "before", {"n": 1})
        await phone.save_document("notes", "one", {"text": "x" * 30_000})
        await phone.save_document("notes", "after", {"n": 1})
        await phone.sync_now()
        (aside,) = await phone.rejected_changes()
        assert (aside.key, aside.reason.partition(":")[0]) == ("one", "PayloadTooLarge")
        assert await phone.pending_changes() == []
        assert (await phone.get_document("notes", "one") or {})["text"] == "x" * 30_000
        way.body_bytes_max = 10**9
        await phone.retry_rejected(aside.id)
        assert (await phone.sync_now()).success
        assert (await phone.rejected_changes(), await phone.pending_changes()) == ([], [])


async def test_a_transaction_that_is_too_large_for_a_proxy_is_set_aside_whole(server: ServerProcess, database: str) -> None:
    """N3: it can't be divided, so it is not asked for again and again."""
    way = NarrowWay(server.client(database), body_bytes_max=20_000)
    async with through(way, "phone") as phone:
        async with phone.transaction() as together:
            for number in range(6):
                await together.save_document("notes", f"k{number}", {"text": "x" * 5_000})
        await phone.save_document("notes", "after", {"n": 1})
        await phone.sync_now()
        assert len(await phone.rejected_changes()) == 6
        assert await phone.pending_changes() == []
        assert way.refused <= 3


async def test_a_change_that_is_too_large_now_and_had_got_through_before_stays(server: ServerProcess, database: str) -> None:
    """N3, 3: its answer was lost; set aside and retried as a new edit, it would be there twice."""
    way = NarrowWay(server.client(database))
    async with through(way, "phone") as phone:
        await phone.save_document("notes", "one", {"text": "x" * 30_000})
        way.loses_answers = True
        assert not (await phone.sync_now()).success
        way.loses_answers, way.body_bytes_max = False, 20_000
        result = await phone.sync_now()
        assert (result.success, await phone.rejected_changes()) == (False, [])
        assert len(await phone.pending_changes()) == 1
