"""News that comes through the doorbell is applied as a pulled page would be, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from device_types import DeviceMaker
from solidb_sync import SyncManager
from solidb_sync.protocol.messages import ReceivedAnswer, ServerChange, SyncAnswer

pytestmark = pytest.mark.anyio
SOON = 20


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what is bound to come; the bound only ends a broken test."""
    async with asyncio.timeout(SOON):
        while not condition():
            await asyncio.sleep(0.005)


def cursor(manager: SyncManager) -> int:
    return manager._store.view(lambda reader: reader.replica().cursor)


def news(manager: SyncManager, since: int, **rest: Any) -> ReceivedAnswer:
    """A page with one new document."""
    change = ServerChange(
        "notes", "new", "insert", msgspec.Raw(b'{"n":1}'), version_vector=msgspec.Raw(b'{"x":1}'), seq=since + 1
    )
    replica = manager._store.view(lambda reader: reader.replica())
    return SyncAnswer({}, [change], cursor=since + 1, **{"epoch": replica.epoch, "run": replica.run, **rest})


@pytest.mark.parametrize("collections", [(), ("notes",)])
async def test_a_change_arrives_without_a_request(device: DeviceMaker, collections: tuple[str, ...]) -> None:
    """L4: the stream brings the change itself; the device asks for nothing.

    Until the stream is open, the first changes may come by rounds, and the rings for them ask once more in vain.
    """
    phone = device("phone")
    laptop = device("laptop", auto_sync=True, sync_interval_secs=600, collections=collections)
    await phone.save_document("notes", "one", {"text": "0"})
    await phone.sync_now()
    events = laptop.changes(source="remote")
    await laptop.start()
    async with asyncio.timeout(SOON):
        assert (await anext(events)).key == "one"
    asked = []
    for number in range(1, 6):
        await until(lambda: not laptop.is_syncing())
        requests = (await laptop.status()).requests
        await phone.save_document("notes", "one", {"text": str(number)})
        await phone.save_document("other", "two", {})
        await phone.sync_now()
        async with asyncio.timeout(SOON):
            event = await anext(events)
            while event.collection != "notes":
                event = await anext(events)
        assert (event.type, (event.document or {})["text"]) == ("update", str(number))
        await until(lambda: cursor(laptop) == cursor(phone))
        asked.append((await laptop.status()).requests - requests)
    assert 0 in asked
    assert sum(asked) <= 3
    assert await laptop.get_document("other", "two") == (None if collections else {"_key": "two", "_id": "other/two"})


async def test_only_news_that_begins_where_the_device_stands_is_taken(device: DeviceMaker) -> None:
    phone = device("phone")
    await phone.save_document("notes", "one", {})
    await phone.sync_now()
    at = cursor(phone)
    for since in (0, at - 1, at + 1):
        if since != at:
            assert not await phone._round.take_news(since, news(phone, since))
    assert not await phone._round.take_news(at, news(phone, at, epoch="another"))
    assert await phone.get_document("notes", "new") is None
    assert await phone._round.take_news(at, news(phone, at))
    assert await phone.get_document("notes", "new") is not None
    assert cursor(phone) == at + 1
    assert not await phone._round.take_news(at, news(phone, at)), "old news changes nothing"


async def test_news_that_needs_a_document_this_device_lacks_is_left_to_a_pull(device: DeviceMaker) -> None:
    phone = device("phone")
    await phone.save_document("notes", "one", {})
    await phone.sync_now()
    at = cursor(phone)
    answer = news(phone, at)
    answer.server_changes[0].operation = "update"
    assert not await phone._round.take_news(at, answer)
    assert cursor(phone) == at


async def test_news_leaves_unsent_edits_on_top(device: DeviceMaker) -> None:
    phone = device("phone")
    await phone.save_document("notes", "one", {})
    await phone.sync_now()
    await phone.save_document("notes", "new", {"mine": True})
    at = cursor(phone)
    assert await phone._round.take_news(at, news(phone, at))
    shown = await phone.get_document("notes", "new")
    assert shown is not None
    assert (shown["n"], shown["mine"]) == (1, True)
    assert len(await phone.pending_changes()) == 1
