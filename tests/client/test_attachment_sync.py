"""Attachments between devices: real stores, a real server process, real HTTP, and ways to it that break."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from device_types import DeviceMaker
from server_process import ServerProcess
from solidb_sync import AttachmentNotHereError, ConfigError, ConnectionError, LocalStore, SyncConfig, SyncManager
from solidb_sync.client.transport.transport import TransportAnswer
from solidb_sync.model.attachment import CHUNK_BYTES
from solidb_sync.storage.records import BlobState

pytestmark = pytest.mark.anyio

CONTENT = b"".join(number.to_bytes(8) for number in range(CHUNK_BYTES * 9 // 16))
"""Four chunks and a half, no two of them alike."""
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Way:
    """A way to the server that counts what goes over it, and does to it what a test says."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.before: Callable[[str, str], None] = lambda method, path: None
        self.answer: Callable[[str, str, TransportAnswer], TransportAnswer] = lambda method, path, answer: answer
        self.hold: Callable[[str, str], asyncio.Event | None] = lambda method, path: None

    @property
    def database(self) -> str | None:
        return self.inner.database

    async def exchange(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> TransportAnswer:
        self.asked.append((method, path, dict(query or {})))
        if (held := self.hold(method, path)) is not None:
            await held.wait()
        self.before(method, path)
        return self.answer(method, path, await self.inner.exchange(method, path, query=query, body=body))

    def listen(self, path: str, query: Mapping[str, str]) -> AsyncIterator[str]:
        return self.inner.listen(path, query)

    async def close(self) -> None:
        await self.inner.close()

    def pieces(self, method: str) -> list[int]:
        return [int(query.get("offset", 0)) for asked, path, query in self.asked if asked == method and DIGEST in path]


OnAWay = Callable[..., tuple[SyncManager, Way]]


@pytest.fixture
async def on_a_way(server: ServerProcess, database: str, anyio_backend: str) -> AsyncIterator[OnAWay]:
    """Makes managers whose way to the server a test can bend."""
    made: list[tuple[SyncManager, LocalStore]] = []

    def make(name: str, path: Any = ":memory:", *, engine: str = "memory", **settings: Any) -> tuple[SyncManager, Way]:
        store = LocalStore.open(path, name, engine=engine)
        way = Way(server.client(database))
        manager = SyncManager(store, way, SyncConfig(**{"auto_sync": False, **settings}))
        made.append((manager, store))
        return manager, way

    yield make
    for manager, store in made:
        await manager.stop()
        store.close()


def is_piece(method: str, path: str) -> bool:
    return "/attachments/" in path and method in ("PUT", "GET")


def breaks_after(count: int) -> Callable[[str, str], None]:
    """Let so many pieces through, then none."""
    left = [count]

    def before(method: str, path: str) -> None:
        if is_piece(method, path):
            left[0] -= 1
            if left[0] < 0:
                raise ConnectionError("the cable was cut")

    return before


async def attach(manager: SyncManager, key: str = "n1", name: str = "a", content: bytes = CONTENT) -> None:
    if await manager.get_document("notes", key) is None:
        await manager.save_document("notes", key, {"title": key})
    await manager.put_attachment("notes", key, name, content)


async def read(manager: SyncManager, key: str = "n1", name: str = "a") -> bytes:
    async with await manager.open_attachment("notes", key, name) as reader:
        return await reader.read()


async def status(manager: SyncManager, key: str = "n1") -> tuple[bool, bool]:
    (found,) = await manager.list_attachments("notes", key)
    return found.is_here, found.is_on_server


def blobs(manager: SyncManager) -> list[Any]:
    return manager._store.view(lambda reader: reader.blobs())


async def test_an_attachment_goes_from_one_device_to_another(device: DeviceMaker) -> None:
    phone, laptop = device("phone"), device("laptop")
    await attach(phone)
    assert (await status(phone), (await phone.sync_now()).success) == ((True, False), True)
    did = await phone.sync_attachments()
    assert (did.sent, did.fetched, did.errors, await status(phone)) == (1, 0, [], (True, True))
    await laptop.sync_now()
    assert await status(laptop) == (False, False)
    assert (await laptop.sync_attachments()).fetched == 1
    assert (await status(laptop), await read(laptop)) == ((True, True), CONTENT)
    again = await phone.sync_attachments(), await laptop.sync_attachments()
    assert [(did.sent, did.fetched) for did in again] == [(0, 0), (0, 0)]


async def test_running_devices_need_not_be_told(device: DeviceMaker) -> None:
    phone, laptop = device("phone", auto_sync=True), device("laptop", auto_sync=True)
    async with phone, laptop:
        await attach(phone)
        async with asyncio.timeout(30):
            while not await laptop.get_document("notes", "n1") or not await laptop.list_attachments("notes", "n1"):
                await asyncio.sleep(0.01)
            while await status(laptop) != (True, True):
                await asyncio.sleep(0.01)
        assert await read(laptop) == CONTENT


async def test_opening_fetches_what_is_not_here_and_says_when_that_can_not_be(device: DeviceMaker) -> None:
    phone, laptop = device("phone"), device("laptop", attachments="on_demand")
    await attach(phone)
    await phone.sync_now()
    await laptop.sync_now()
    with pytest.raises(AttachmentNotHereError, match="have not arrived yet, at the server neither"):
        await read(laptop)
    await phone.sync_attachments()
    await laptop.set_online(False)
    with pytest.raises(AttachmentNotHereError, match="the device is offline"):
        await read(laptop)
    await laptop.set_online(True)
    assert (await laptop.sync_attachments()).fetched == 0, "nothing is fetched before somebody opens it"
    assert await asyncio.gather(*[read(laptop) for _ in range(3)]) == [CONTENT] * 3


async def test_an_upload_that_broke_off_goes_on_where_the_server_is(
    on_a_way: OnAWay,
) -> None:
    phone, way = on_a_way("phone")
    await attach(phone)
    way.before = breaks_after(2)
    broken = await phone.sync_attachments()
    assert (broken.sent, broken.errors) == (0, ["the cable was cut"])
    way.before = lambda method, path: None
    way.asked.clear()
    assert (await phone.sync_attachments()).success
    assert way.pieces("PUT") == [2 * CHUNK_BYTES, 3 * CHUNK_BYTES, 4 * CHUNK_BYTES]


async def test_a_piece_whose_answer_was_lost_is_not_taken_twice(on_a_way: OnAWay) -> None:
    def lost(method: str, path: str, answer: TransportAnswer) -> TransportAnswer:
        if method == "PUT" and len(way.pieces("PUT")) == 2:
            raise ConnectionError("the answer was lost")
        return answer

    phone, way = on_a_way("phone")
    await attach(phone)
    way.answer = lost
    assert not (await phone.sync_attachments()).success
    assert (await phone.sync_attachments()).success
    assert way.pieces("PUT") == [number * CHUNK_BYTES for number in range(5)]


async def test_two_devices_that_send_the_same_bytes_help_each_other(
    on_a_way: OnAWay,
) -> None:
    (phone, one), (laptop, two) = on_a_way("phone"), on_a_way("laptop")
    await attach(phone, "n1")
    await attach(laptop, "n2")
    did = await asyncio.gather(phone.sync_attachments(), laptop.sync_attachments())
    assert [found.errors for found in did] == [[], []]
    assert (await status(phone, "n1"), await status(laptop, "n2")) == ((True, True), (True, True))
    assert len(one.pieces("PUT")) + len(two.pieces("PUT")) < 2 * 5 + 5


async def test_a_download_that_broke_off_goes_on_where_the_device_is(
    device: DeviceMaker, on_a_way: OnAWay, tmp_path: Path
) -> None:
    phone = device("phone")
    await attach(phone)
    await phone.sync_now()
    await phone.sync_attachments()
    laptop, way = on_a_way("laptop", tmp_path / "laptop.db", engine="sqlite")
    await laptop.sync_now()
    way.before = breaks_after(3)
    assert not (await laptop.sync_attachments()).success
    with pytest.raises(AttachmentNotHereError, match="the cable was cut"):
        await read(laptop)
    way.before = lambda method, path: None
    way.asked.clear()
    assert await read(laptop) == CONTENT
    assert way.pieces("GET") == [3 * CHUNK_BYTES, 4 * CHUNK_BYTES]


async def test_bytes_that_were_altered_on_the_way_are_noticed_and_fetched_again(
    device: DeviceMaker, on_a_way: OnAWay
) -> None:
    def alter(method: str, path: str, answer: TransportAnswer) -> TransportAnswer:
        if method == "GET" and "/attachments/" in path:
            return TransportAnswer(answer.status, answer.headers, b"!" + answer.body[1:])
        return answer

    def cut_short(method: str, path: str, answer: TransportAnswer) -> TransportAnswer:
        if method == "GET" and "/attachments/" in path:
            return TransportAnswer(answer.status, answer.headers, answer.body[:-1])
        return answer

    phone = device("phone")
    await attach(phone)
    await phone.sync_now()
    await phone.sync_attachments()
    laptop, way = on_a_way("laptop")
    await laptop.sync_now()
    for damage, told in ((alter, "not what the digest says"), (cut_short, "asked for 262144 bytes at 0")):
        way.answer = damage
        (problem,) = (await laptop.sync_attachments()).errors
        assert told in problem
        assert await status(laptop) == (False, False)
    way.answer = lambda method, path, answer: answer
    assert await read(laptop) == CONTENT


async def test_bytes_altered_on_the_way_to_the_server_never_count(on_a_way: OnAWay) -> None:
    phone, way = on_a_way("phone")
    await attach(phone)
    exchange = way.inner.exchange

    async def altering(method: str, path: str, *, query: Any = None, body: bytes | None = None) -> TransportAnswer:
        if method == "PUT" and query["offset"] == "0":
            body = b"!" + (body or b"")[1:]
        return await exchange(method, path, query=query, body=body)

    way.inner.exchange = altering
    (problem,) = (await phone.sync_attachments()).errors
    assert "begins again" in problem
    way.inner.exchange = exchange
    assert (await phone.sync_attachments()).sent == 1


async def test_documents_are_not_delayed_by_an_upload_that_stands_still(on_a_way: OnAWay, device: DeviceMaker) -> None:
    """Not one piece goes through while ten edits are sent and ten others come."""
    stuck = asyncio.Event()
    phone, way = on_a_way("phone", auto_sync=True, live=True)
    laptop = device("laptop")
    way.hold = lambda method, path: stuck if is_piece(method, path) else None
    async with phone:
        await attach(phone)
        async with asyncio.timeout(30):
            while not way.pieces("PUT"):
                await asyncio.sleep(0.01)
            for number in range(10):
                await phone.save_document("notes", f"mine{number}", {"n": number})
                await laptop.save_document("notes", f"theirs{number}", {"n": number})
                assert (await phone.sync_now()).success
                assert (await laptop.sync_now()).success
                assert await laptop.get_document("notes", f"mine{number}") is not None
                assert (await phone.sync_now()).success
                assert await phone.get_document("notes", f"theirs{number}") is not None
        assert way.pieces("PUT") == [0]
        stuck.set()
        async with asyncio.timeout(30):
            while await status(phone) != (True, True):
                await asyncio.sleep(0.01)


async def test_going_offline_breaks_a_transfer_off_and_going_online_goes_on(
    on_a_way: OnAWay,
) -> None:
    stuck = asyncio.Event()
    phone, way = on_a_way("phone", auto_sync=True, live=False)
    async with phone:
        way.hold = lambda method, path: stuck if is_piece(method, path) and len(way.pieces("PUT")) == 3 else None
        await attach(phone)
        async with asyncio.timeout(30):
            while len(way.pieces("PUT")) < 3:
                await asyncio.sleep(0.01)
            await phone.set_online(False)
            asked = len(way.asked)
            await asyncio.sleep(0.05)
            assert len(way.asked) == asked
            way.hold = lambda method, path: None
            await phone.set_online(True)
            while await status(phone) != (True, True):
                await asyncio.sleep(0.01)
    assert way.pieces("PUT") == [0, CHUNK_BYTES, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES, 4 * CHUNK_BYTES]


async def test_what_the_server_has_may_be_evicted_and_comes_again_when_it_is_opened(device: DeviceMaker) -> None:
    phone = device("phone")
    await attach(phone, "n1")
    await attach(phone, "n2", content=b"short")
    await phone.sync_attachments()
    assert await phone.evict_attachments() == 0, "an unsent change names them"
    await phone.sync_now()
    await attach(phone, "n3", content=b"not sent")
    await phone.sync_now()
    assert (await phone.attachment_usage()).bytes_evictable == len(CONTENT) + 5, "of one the server has not said it has it"
    await phone.delete_attachment("notes", "n3", "a")
    await phone.sync_now()
    assert await phone.collect_attachments() == 0, "others were told of it"
    assert (await phone.sync_attachments()).sent == 1
    assert await phone.collect_attachments() == 1
    usage = await phone.attachment_usage()
    assert (usage.files, usage.bytes_here, usage.bytes_evictable) == (2, len(CONTENT) + 5, len(CONTENT) + 5)
    assert await phone.evict_attachments(1) == len(CONTENT), "the oldest goes first, and no more than is wanted"
    assert (await status(phone, "n1"), await status(phone, "n2")) == ((False, True), (True, True))
    assert (await phone.attachment_usage()).bytes_here == 5
    assert (await phone.sync_attachments()).fetched == 0, "it does not come back by itself"
    assert (await read(phone, "n1"), await status(phone, "n1")) == (CONTENT, (True, True))


async def test_bytes_evicted_while_they_are_read_say_so(device: DeviceMaker) -> None:
    phone = device("phone")
    await attach(phone)
    await phone.sync_now()
    await phone.sync_attachments()
    async with await phone.open_attachment("notes", "n1", "a") as reader:
        await reader.read(10)
        await phone.evict_attachments()
        with pytest.raises(AttachmentNotHereError, match="left this device while it was read"):
            await reader.read()


async def test_the_same_bytes_put_again_are_asked_about_and_not_sent_again(
    on_a_way: OnAWay,
) -> None:
    phone, way = on_a_way("phone")
    await attach(phone)
    await phone.sync_attachments()
    await phone.delete_attachment("notes", "n1", "a")
    way.asked.clear()
    await attach(phone, "n2")
    assert await status(phone, "n2") == (True, False)
    await phone.sync_attachments()
    assert ([method for method, _, _ in way.asked], await status(phone, "n2")) == (["HEAD"], (True, True))


async def test_attachments_of_different_names_never_conflict_and_of_one_name_do_as_a_whole(device: DeviceMaker) -> None:
    phone, laptop = device("phone"), device("laptop")
    await phone.save_document("notes", "n1", {"title": "Oslo"})
    await phone.sync_now()
    await laptop.sync_now()
    await attach(phone, name="phone.jpg", content=b"from the phone")
    await attach(laptop, name="laptop.jpg", content=b"from the laptop")
    await attach(phone, name="both.jpg", content=b"phone")
    await attach(laptop, name="both.jpg", content=b"from the laptop too")
    for manager in (phone, laptop, phone, laptop):
        await manager.sync_now()
    for manager in (phone, laptop, phone):
        assert (await manager.sync_attachments()).success
    for manager in (phone, laptop):
        assert await read(manager, name="phone.jpg") == b"from the phone"
        assert await read(manager, name="laptop.jpg") == b"from the laptop"
        assert await read(manager, name="both.jpg") == b"from the laptop too"
    (conflict,) = await laptop.conflict_log()
    assert conflict.fields == ("_attachment:both.jpg",)


async def test_a_deleted_attachment_is_gone_on_every_device_with_its_bytes(device: DeviceMaker) -> None:
    phone, laptop = device("phone"), device("laptop")
    await attach(phone)
    await phone.sync_now()
    await phone.sync_attachments()
    await laptop.sync_now()
    await laptop.sync_attachments()
    await laptop.delete_attachment("notes", "n1", "a")
    await laptop.sync_now()
    await laptop.sync_now()
    await phone.sync_now()
    for manager in (phone, laptop):
        assert await manager.list_attachments("notes", "n1") == []
        assert await manager.collect_attachments() == 1
        assert blobs(manager) == []


async def test_a_server_that_lost_the_bytes_gets_them_again_after_a_new_incarnation(
    on_a_way: OnAWay,
) -> None:
    """A restored server makes every device begin a new incarnation; what it had confirmed to the old one counts no more."""
    phone, way = on_a_way("phone")
    await attach(phone)
    await phone.sync_attachments()
    way.asked.clear()
    phone._store.transact(
        lambda engine: engine.save_replica(replace(engine.replica(), incarnation=engine.replica().incarnation + 1))
    )
    assert await status(phone) == (True, False)
    await phone.sync_attachments()
    assert [method for method, _, _ in way.asked] == ["HEAD"]


async def test_what_is_here_in_part_of_another_length_or_damaged_begins_again(device: DeviceMaker) -> None:
    phone, laptop = device("phone"), device("laptop", attachments="on_demand")
    await attach(phone)
    await phone.sync_now()
    await phone.sync_attachments()
    await laptop.sync_now()
    await read(laptop)
    (blob,) = blobs(laptop)
    for part in (replace(blob, length=1, stored=1), replace(blob, stored=2)):
        laptop._store.transact(
            lambda engine, part=part: (
                engine.put_blob(replace(part, state=BlobState.ARRIVING)),
                engine.put_chunk(blob.chunks, 1, b"damaged"),
            )
        )
        assert await read(laptop) == CONTENT


def test_a_policy_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="attachments: expected one of eager, on_demand"):
        SyncConfig(attachments="sometimes")
