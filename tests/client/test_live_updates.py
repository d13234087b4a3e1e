"""Hearing the doorbell: when a stream is opened again, and what its opening says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from server_process import ServerProcess
from solidb_sync import AuthError, ConnectionError, LocalStore, SyncConfig, SyncManager
from solidb_sync.client.live_updates import REOPEN_SECONDS_MAX, STREAM_LASTED_SECONDS, Ring, listen_for_news
from solidb_sync.client.retry import Backoff
from solidb_sync.client.transport.transport import TransportAnswer
from solidb_sync.testing.virtual_loop import run

HOUR = 3600.0


class ShortStreams:
    """A network whose streams give their first lines at once and end after a while; the first `refused` never open."""

    database = "mydb"

    def __init__(self, *, lasting_seconds: float = 0, refused: int = 0) -> None:
        self.opened = 0
        self.asked = 0
        self._lasting_seconds = lasting_seconds
        self._refused = refused

    async def exchange(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> TransportAnswer:
        raise ConnectionError("this network has streams only")

    async def listen(self, path: str, query: Mapping[str, str]) -> AsyncIterator[str]:
        self.asked += 1
        if self.asked <= self._refused:
            raise ConnectionError("refused")
        self.opened += 1
        yield ": listening"
        yield 'data: {"seq": 3}'
        await asyncio.sleep(self._lasting_seconds)

    async def close(self) -> None:
        """Nothing is open."""


def rings_of(network: ShortStreams, seconds: float) -> list[int | None]:
    """Listen for so long on a virtual clock and return the rings."""
    rings: list[int | None] = []

    async def note(ring: Ring) -> None:
        rings.append(ring.seq)

    async def main() -> None:
        backoff, accepted = Backoff(random.Random(5)), asyncio.Event()
        accepted.set()
        listening = listen_for_news(network, "mydb", "phone", ring=note, backoff=backoff, accepted=accepted)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(listening, seconds)

    run(main())
    return rings


def test_streams_that_open_and_break_at_once_are_asked_for_ever_more_rarely() -> None:
    """Behind a proxy that ends event streams there must be no storm of them: the delays grow to their cap."""
    network = ShortStreams()
    rings_of(network, HOUR)
    assert HOUR / REOPEN_SECONDS_MAX < network.opened < 3 * HOUR / REOPEN_SECONDS_MAX


def test_a_stream_that_lasted_is_opened_again_soon() -> None:
    """The server was restarted: nothing is wrong with the way to it."""
    network = ShortStreams(lasting_seconds=STREAM_LASTED_SECONDS)
    rings_of(network, HOUR)
    assert network.opened > 0.95 * HOUR / (STREAM_LASTED_SECONDS + 0.5)


def test_each_reopened_stream_gives_one_ring_without_a_number_when_it_is_heard_not_before() -> None:
    """The ring says that the server can be reached: an attempt that failed must not say it."""
    assert rings_of(ShortStreams(lasting_seconds=HOUR), HOUR / 2) == [3]
    assert rings_of(ShortStreams(lasting_seconds=HOUR, refused=5), HOUR / 2) == [None, 3]


class RefusedStreams(ShortStreams):
    """A network whose streams are refused for want of credentials."""

    async def listen(self, path: str, query: Mapping[str, str]) -> AsyncIterator[str]:
        self.asked += 1
        raise AuthError("not known here")
        yield ""


def test_a_stream_refused_for_want_of_credentials_waits_until_a_round_has_had_its_own_accepted() -> None:
    """5.16: one ring makes a round find out; then the rounds try, and the doorbell does not."""
    network = RefusedStreams()
    rings: list[Ring] = []

    async def main() -> None:
        accepted = asyncio.Event()
        accepted.set()

        async def note(ring: Ring) -> None:
            rings.append(ring)
            accepted.clear()

        listening = asyncio.create_task(
            listen_for_news(network, "mydb", "phone", ring=note, backoff=Backoff(random.Random(5)), accepted=accepted)
        )
        await asyncio.sleep(HOUR)
        assert network.asked == 1
        accepted.set()
        await asyncio.sleep(HOUR)
        listening.cancel()

    run(main())
    assert (network.asked, rings) == (2, [Ring(None), Ring(None)])


@pytest.mark.anyio
async def test_a_doorbell_that_can_be_heard_again_ends_the_wait_after_failures(tmp_path: Path) -> None:
    """The round's own next attempt would come in an hour; the edit goes out as soon as the server is heard."""
    server = ServerProcess(tmp_path / "server")
    server.stop()
    config = SyncConfig(sync_interval_secs=HOUR, max_retries=0)
    with LocalStore.open(tmp_path / "phone.db", "phone") as store:
        async with SyncManager(store, server.client("d", 1000), config) as phone, asyncio.timeout(60):
            await phone.save_document("users", "ann", {"name": "Ann"})
            while not (await phone.status()).failed_rounds:
                await asyncio.sleep(0.005)
            await asyncio.to_thread(server.start)
            try:
                while (await phone.status()).pending:
                    await asyncio.sleep(0.005)
            finally:
                await asyncio.to_thread(server.stop)
