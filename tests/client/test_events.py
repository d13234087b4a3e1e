"""Sync events: what is told of rounds, conflicts, refusals and the network, and when (C8, C9, E6, L2)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from device_types import DeviceMaker
from solidb_sync import ConnectionError, HttpClient, LocalStore, ServerError, SyncConfig, SyncError, SyncEvent, SyncManager
from solidb_sync.client import event_stream

pytestmark = pytest.mark.anyio

SOON = 20


def kinds(events: list[SyncEvent]) -> list[str]:
    """Return what happened, in words."""
    return [event.kind.value for event in events]


def unreachable(store: LocalStore, **settings: object) -> SyncManager:
    """Return a manager whose server is not there."""
    client = HttpClient("127.0.0.1:9", 500, database="mydb", api_key="sk_x")
    return SyncManager(store, client, SyncConfig(**{"auto_sync": False, **settings}))  # type: ignore[arg-type]


async def test_a_round_is_told_when_it_begins_and_when_it_ends(device: DeviceMaker) -> None:
    """C8: and `is_syncing` is true from the one to the other."""
    phone, told, syncing = device("phone"), list[SyncEvent](), list[bool]()
    phone.on_event(told.append)
    phone.on_event(lambda event: syncing.append(phone.is_syncing()))
    await phone.save_document("notes", "one", {"text": "1"})
    result = await phone.sync_now()
    assert kinds(told) == ["sync_started", "sync_finished"]
    assert told[1].result == result
    assert (syncing, phone.is_syncing()) == ([True, True], False)


async def test_failures_are_told_with_their_number_and_the_last_straw_is_marked() -> None:
    """E6, L2: `sync_failed` counts, and says when the quick retries are used up; success begins anew."""
    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        phone, told = unreachable(store, max_retries=2), list[SyncEvent]()
        phone.on_event(told.append)
        for _ in range(4):
            await phone.sync_now()
        failures = [event for event in told if event.kind.value == "sync_failed"]
        assert [event.consecutive_failures for event in failures] == [1, 2, 3, 4]
        assert [event.retries_exhausted for event in failures] == [False, False, True, True]
        assert {event.reason for event in failures} == {"ConnectionError"}
        assert (await phone.status()).consecutive_failures == 4
        await phone.stop()


async def test_online_and_offline_are_told_once_when_they_change(device: DeviceMaker) -> None:
    """C9: by hand, and by what rounds and pings find."""
    with LocalStore.open(":memory:", "lost", engine="memory") as store:
        lost, told = unreachable(store), list[SyncEvent]()
        lost.on_event(told.append)
        assert lost.is_online()
        await lost.sync_now()
        await lost.sync_now()
        assert not lost.is_online()
        with pytest.raises(ConnectionError):
            await lost.ping()
        assert [kind for kind in kinds(told) if kind in ("online", "offline")] == ["offline"]
        await lost.stop()
    phone, told = device("phone"), list[SyncEvent]()
    phone.on_event(told.append)
    await phone.set_online(False)
    await phone.set_online(False)
    with pytest.raises(ConnectionError, match="set_online"):
        await phone.ping()
    await phone.set_online(True)
    await phone.ping()
    assert (kinds(told), phone.is_online()) == (["offline", "online"], True)


async def test_a_ping_that_gets_through_makes_an_unreachable_device_online_again(device: DeviceMaker) -> None:
    """C9: probing finds the server."""
    phone = device("phone")
    phone._connectivity.observe(is_reachable=False)
    assert not phone.is_online()
    await phone.ping()
    assert phone.is_online()


async def test_a_ping_that_is_answered_with_an_error_has_reached_a_server(tmp_path: Path) -> None:
    """C9: something listens there and speaks HTTP; what it says is another matter."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    failing = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = failing.sockets[0].getsockname()[1]
    with LocalStore.open(tmp_path / "store.db", "phone") as store:
        phone = SyncManager(store, HttpClient(f"127.0.0.1:{port}", 5_000, database="db", api_key="sk_x"))
        phone._connectivity.observe(is_reachable=False)
        with pytest.raises(ServerError):
            await phone.ping()
        assert phone.is_online()
        await phone.stop()
    failing.close()


async def test_a_round_broken_off_by_hand_is_no_failure_of_the_network(device: DeviceMaker) -> None:
    """C6: taken offline in a round that has hardly begun and back, the device is online and nothing counts as a failure."""
    phone, told = device("phone"), list[SyncEvent]()
    await phone.save_document("notes", "one", {"text": "1"})
    phone.on_event(told.append)
    syncing = asyncio.create_task(phone.sync_now())
    async with asyncio.timeout(SOON):
        while not phone.is_syncing():
            await asyncio.sleep(0)
        await phone.set_online(False)
        result = await syncing
    await phone.set_online(True)
    assert (result.success, phone.is_online(), (await phone.status()).consecutive_failures) == (False, True, 0)
    assert sorted(kinds(told)) == ["offline", "online", "sync_failed", "sync_started"]
    assert (await phone.sync_now()).success


async def test_conflicts_and_refusals_are_told_as_their_answers_are_recorded(device: DeviceMaker) -> None:
    phone, laptop, told = device("phone"), device("laptop"), list[SyncEvent]()
    await phone.save_document("notes", "one", {"text": "1"})
    await phone.sync_now()
    await laptop.sync_now()
    laptop.on_event(told.append)
    await phone.save_document("notes", "one", {"text": "phone"})
    await laptop.save_document("notes", "one", {"text": "laptop"})
    await phone.sync_now()
    await laptop.sync_now()
    assert kinds(told) == ["sync_started", "conflict", "sync_finished"]
    assert told[1].conflict == (await laptop.conflict_log())[0]


async def test_an_iterator_yields_events_and_ends_with_the_manager(device: DeviceMaker) -> None:
    phone = device("phone")
    events = phone.events()
    await phone.sync_now()
    await phone.stop()
    assert kinds([event async for event in events]) == ["sync_started", "sync_finished"]


async def test_an_iterator_that_nobody_reads_ends_with_an_error_that_says_what_to_do(
    device: DeviceMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "WAITING_EVENTS_MAX", 3)
    phone = device("phone")
    events = phone.events()
    for _ in range(3):
        await phone.sync_now()
    assert kinds([await anext(events) for _ in range(3)]) == ["sync_started", "sync_finished", "sync_started"]
    with pytest.raises(SyncError, match=r"3 events waited to be read; ask status\(\)"):
        await anext(events)
    with pytest.raises(StopAsyncIteration):
        await anext(events)


async def test_an_event_listener_that_raises_disturbs_nobody(device: DeviceMaker, caplog: pytest.LogCaptureFixture) -> None:
    phone, told = device("phone"), list[SyncEvent]()

    def fail(_: SyncEvent) -> None:
        raise ValueError("a listener's own mistake")

    end = phone.on_event(fail)
    phone.on_event(told.append)
    assert (await phone.sync_now()).success
    end()
    end()
    await phone.sync_now()
    assert kinds(told) == ["sync_started", "sync_finished"] * 2
    assert caplog.text.count("an event listener raised") == 2


async def test_a_resync_that_was_asked_for_is_told_with_its_reason(device: DeviceMaker) -> None:
    """N11."""
    phone, told = device("phone"), list[SyncEvent]()
    await phone.sync_now()
    phone.on_event(told.append)
    assert (await phone.full_resync()).success
    assert kinds(told) == ["resync", "sync_started", "sync_finished"]
    assert told[0].reason == "asked_for"
