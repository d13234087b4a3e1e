"""Attached bytes stay on a device until the server has them, and go there again when it has lost them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from device_types import DeviceMaker
from server_process import ServerProcess
from solidb_sync import AttachmentNotHereError, LocalStore, SyncConfig, SyncManager
from solidb_sync.errors import ProtocolError
from solidb_sync.server.attachments import MISSED_MAX, MISSED_TOLD_AT_ONCE_MAX, Attachments

pytestmark = pytest.mark.anyio

CONTENT = b"the roof" * 50_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


async def attached(manager: SyncManager) -> SyncManager:
    await manager.save_document("visits", "v", {"customer": "Ann"})
    await manager.put_attachment("visits", "v", "roof", CONTENT)
    assert (await manager.sync_now()).success
    return manager


def lose(server: ServerProcess) -> None:
    """Take the bytes away from the server, as a disk or a backup without them does."""
    files = list(server.data.glob(f"**/{DIGEST}"))
    assert files
    for file in files:
        file.unlink()


async def maintain(server: ServerProcess, database: str) -> None:
    client = server.client(database)
    answer = await client.exchange("POST", f"/_api/sync/maintenance/{database}")
    await client.close()
    assert answer.status == 200


async def content_at(manager: SyncManager) -> bytes:
    async with await manager.open_attachment("visits", "v", "roof") as reader:
        return await reader.read()


async def is_on_server(manager: SyncManager) -> bool:
    (found,) = await manager.list_attachments("visits", "v")
    return found.is_on_server


@pytest.mark.parametrize("engine", ["memory", "sqlite", "rocksdb"])
async def test_bytes_the_server_has_lost_are_sent_again_when_somebody_wants_them(
    device: DeviceMaker, server: ServerProcess, database: str, engine: str, tmp_path: Path
) -> None:
    phone = await attached(device("phone", engine=engine, path=tmp_path / "phone.db"))
    assert (await phone.sync_attachments()).sent == 1
    laptop = device("laptop")
    assert (await laptop.sync_now()).success
    lose(server)
    with pytest.raises(AttachmentNotHereError):
        await content_at(laptop)
    assert (await phone.sync_now()).success
    assert not await is_on_server(phone)
    assert (await phone.evict_attachments()) == 0, "they are nowhere else"
    assert (await phone.sync_attachments()).sent == 1
    assert await content_at(laptop) == CONTENT
    assert (await phone.sync_now()).success
    assert await is_on_server(phone), "it is asked for no more"


async def test_bytes_the_server_has_lost_are_sent_again_after_its_maintenance(
    device: DeviceMaker, server: ServerProcess, database: str
) -> None:
    phone = await attached(device("phone"))
    await phone.sync_attachments()
    lose(server)
    await maintain(server, database)
    assert (await phone.sync_now()).success
    assert (await phone.sync_attachments()).sent == 1
    await maintain(server, database)
    laptop = device("laptop")
    assert (await laptop.sync_now()).success
    assert await content_at(laptop) == CONTENT


async def test_bytes_damaged_at_the_server_are_dropped_there_and_sent_again(
    device: DeviceMaker, server: ServerProcess, database: str
) -> None:
    phone = await attached(device("phone"))
    await phone.sync_attachments()
    laptop = device("laptop")
    assert (await laptop.sync_now()).success
    for file in server.data.glob(f"**/{DIGEST}"):
        content = bytearray(file.read_bytes())
        content[1000] ^= 4
        file.write_bytes(content)
    with pytest.raises(ProtocolError, match="not what the digest says"):
        await content_at(laptop)
    with pytest.raises(AttachmentNotHereError, match="at the server neither"):
        await content_at(laptop)
    assert (await phone.sync_now()).success
    assert (await phone.sync_attachments()).sent == 1
    assert await content_at(laptop) == CONTENT


async def test_a_running_device_sends_again_by_itself_what_the_server_misses(
    device: DeviceMaker, server: ServerProcess, database: str
) -> None:
    phone = device("phone", auto_sync=True, sync_interval_secs=0.1)
    async with phone:
        await attached(phone)
        while not await is_on_server(phone):
            await phone.sync_now()
        lose(server)
        await maintain(server, database)
        laptop = device("laptop")
        await laptop.sync_now()
        found = b""
        while not found:
            try:
                found = await content_at(laptop)
            except AttachmentNotHereError:
                await phone.sync_now()
        assert found == CONTENT


async def test_bytes_others_were_told_of_are_kept_until_they_are_sent(device: DeviceMaker) -> None:
    """The document is deleted before its bytes went; an edit made elsewhere without knowing that brings it back."""
    phone, laptop = await attached(device("phone")), device("laptop")
    assert (await laptop.sync_now()).success
    await laptop.save_document("visits", "v", {"customer": "Bea"})
    await phone.delete_document("visits", "v")
    assert (await phone.sync_now()).success
    assert await phone.collect_attachments() == 0
    for manager in (laptop, phone):
        assert (await manager.sync_now()).success
    assert (await phone.get_document("visits", "v") or {})["customer"] == "Bea"
    assert (await phone.sync_attachments()).sent == 1
    assert await content_at(laptop) == CONTENT


async def test_bytes_too_long_for_the_server_are_forgotten_with_their_document(tmp_path: Path) -> None:
    """It will never take them, so to keep them for its sake would be to keep them for ever."""
    server = ServerProcess(tmp_path / "server", options=("--attachment-bytes-max", "100"))
    with LocalStore.open(tmp_path / "phone.db", "phone") as store:
        phone = await attached(SyncManager(store, server.client("small"), SyncConfig(auto_sync=False)))
        await phone.delete_attachment("visits", "v", "roof")
        assert (await phone.sync_now()).success
        assert await phone.collect_attachments() == 0
        (problem,) = (await phone.sync_attachments()).errors
        assert "at most 100 are taken in one attachment" in problem
        assert await phone.collect_attachments() == 1
        await phone.stop()
    server.stop()


async def test_what_arrived_while_maintenance_looked_is_asked_for_once_more_only(tmp_path: Path) -> None:
    attachments = Attachments(str(tmp_path), bytes_max=1000, total_bytes_max=1000)
    digest = hashlib.sha256(b"here").hexdigest()
    await attachments.take(digest, offset=0, length=4, piece=b"here")
    attachments.miss_only([digest])
    assert attachments.next_missed() == [digest]
    assert (await attachments.known(digest)).length == 4
    assert attachments.next_missed() == []


async def test_all_that_is_missed_gets_its_turn_and_of_too_many_the_latest(tmp_path: Path) -> None:
    attachments = Attachments(str(tmp_path), bytes_max=1000, total_bytes_max=1000)
    missed = [f"{number:064x}" for number in range(MISSED_MAX + 5)]
    attachments.miss(missed)
    rounds = -(-MISSED_MAX // MISSED_TOLD_AT_ONCE_MAX)
    told = [digest for _ in range(rounds) for digest in attachments.next_missed()]
    assert sorted(told) == missed[5:]


async def test_bytes_nobody_was_told_of_and_bytes_that_were_sent_are_forgotten(device: DeviceMaker) -> None:
    phone = device("phone")
    await attached(phone)
    await phone.sync_attachments()
    await phone.delete_document("visits", "v")
    await phone.sync_now()
    assert await phone.collect_attachments() == 1
    await phone.save_document("visits", "w", {})
    await phone.put_attachment("visits", "w", "door", b"the door")
    await phone.delete_attachment("visits", "w", "door")
    (first, *_) = phone._store.view(lambda reader: reader.changes(state=None))
    assert await phone.collect_attachments() == 0, "an edit that waits to be sent names them"
    assert first.key == "w"
