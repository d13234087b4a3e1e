"""Attachments on one device: put, read, replaced, deleted; nothing here needs a server."""

from __future__ import annotations

import ast
import hashlib
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from device_types import DeviceMaker
from solidb_sync import (
    AttachmentNotFoundError,
    AttachmentNotHereError,
    InvalidDocumentError,
    LocalStore,
    StorageCorruptError,
    SyncManager,
)
from solidb_sync.model.attachment import CHUNK_BYTES

pytestmark = pytest.mark.anyio

SEVERAL_CHUNKS = b"".join(number.to_bytes(8) for number in range(CHUNK_BYTES * 5 // 16))
"""Two chunks and a half, no two of them alike."""


@pytest.fixture(params=["memory", "sqlite"])
def manager(request: pytest.FixtureRequest, device: DeviceMaker, tmp_path: Path) -> SyncManager:
    return device("phone", engine=request.param, path=tmp_path / "phone.db")


def store_of(manager: SyncManager) -> LocalStore:
    return manager._store


def blobs(manager: SyncManager) -> list[Any]:
    return store_of(manager).view(lambda reader: reader.blobs())


async def content(manager: SyncManager, key: str, name: str) -> bytes:
    async with await manager.open_attachment("notes", key, name) as reader:
        return await reader.read()


async def several_parts() -> AsyncIterator[bytes]:
    for at in range(0, len(SEVERAL_CHUNKS), 100_000):
        yield SEVERAL_CHUNKS[at : at + 100_000]


async def test_an_attachment_reads_back_as_it_was_put_wherever_its_bytes_came_from(
    manager: SyncManager, tmp_path: Path
) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(SEVERAL_CHUNKS)
    await manager.save_document("notes", "n1", {"title": "Oslo"})
    for name, file in {
        "path": path, "text path": str(path), "bytes": SEVERAL_CHUNKS, "view": memoryview(SEVERAL_CHUNKS),
        "file": io.BytesIO(SEVERAL_CHUNKS), "iterator": several_parts(),
    }.items():  # fmt: skip
        attachment = await manager.put_attachment("notes", "n1", name, file, content_type="image/png")
        assert attachment.digest == hashlib.sha256(SEVERAL_CHUNKS).hexdigest()
        assert (attachment.length, attachment.content_type) == (len(SEVERAL_CHUNKS), "image/png")
        assert await content(manager, "n1", name) == SEVERAL_CHUNKS
    assert len(blobs(manager)) == 1, "equal content is kept once"


async def test_an_empty_file_is_an_attachment_too(manager: SyncManager) -> None:
    await manager.save_document("notes", "n1", {})
    await manager.put_attachment("notes", "n1", "empty", b"")
    assert await content(manager, "n1", "empty") == b""


async def test_an_attachment_is_a_field_of_its_document_and_an_edit_like_any_other(manager: SyncManager) -> None:
    await manager.save_document("notes", "n1", {"title": "Oslo"})
    events = manager.changes()
    await manager.put_attachment("notes", "n1", "a.txt", b"hello", content_type="text/plain")
    digest = hashlib.sha256(b"hello").hexdigest()
    document = await manager.get_document("notes", "n1")
    assert document is not None
    assert document["_attachment:a.txt"] == [{"digest": digest, "length": 5, "content_type": "text/plain"}]
    assert document["title"] == "Oslo"
    event = await anext(events)
    assert event.document is not None
    assert "_attachment:a.txt" in event.document
    await manager.save_document("notes", "n1", {"title": "Bergen"})
    assert await content(manager, "n1", "a.txt") == b"hello"
    assert len(await manager.pending_changes()) == 3


async def test_a_replaced_or_deleted_attachment_leaves_no_bytes_behind(manager: SyncManager) -> None:
    await manager.save_document("notes", "n1", {"title": "Oslo"})
    await manager.put_attachment("notes", "n1", "a", b"old")
    await manager.put_attachment("notes", "n1", "a", b"new")
    assert await content(manager, "n1", "a") == b"new"
    assert await manager.delete_attachment("notes", "n1", "a")
    assert not await manager.delete_attachment("notes", "n1", "a")
    assert await manager.list_attachments("notes", "n1") == []
    with pytest.raises(AttachmentNotFoundError, match="no attachment 'a'; it has none"):
        await manager.open_attachment("notes", "n1", "a")
    assert len(blobs(manager)) == 2, "a change that is still to be sent names them"
    assert await manager.collect_attachments() == 0
    for change in store_of(manager).get_pending_changes():
        store_of(manager).mark_change_synced(change.id)
    assert await manager.collect_attachments() == 2
    assert blobs(manager) == []


async def test_bytes_that_another_document_names_stay(manager: SyncManager) -> None:
    for key in ("n1", "n2"):
        await manager.save_document("notes", key, {})
        await manager.put_attachment("notes", key, "a", SEVERAL_CHUNKS)
    await manager.delete_document("notes", "n1")
    for change in store_of(manager).get_pending_changes():
        store_of(manager).mark_change_synced(change.id)
    assert await manager.collect_attachments() == 0
    assert await content(manager, "n2", "a") == SEVERAL_CHUNKS


async def test_a_put_that_fails_leaves_neither_bytes_nor_an_edit(manager: SyncManager) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield SEVERAL_CHUNKS * 3
        raise OSError("the camera was unplugged")

    await manager.save_document("notes", "n1", {})
    with pytest.raises(OSError, match="unplugged"):
        await manager.put_attachment("notes", "n1", "a", breaking())
    assert (blobs(manager), await manager.list_attachments("notes", "n1")) == ([], [])
    assert len(await manager.pending_changes()) == 1


async def test_a_document_deleted_while_its_attachment_is_put_stays_deleted(manager: SyncManager) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"first"
        await manager.delete_document("notes", "n1")
        yield b"last"

    await manager.save_document("notes", "n1", {})
    with pytest.raises(AttachmentNotFoundError, match="there is no such document"):
        await manager.put_attachment("notes", "n1", "a", slow())
    assert (await manager.get_document("notes", "n1"), blobs(manager)) == (None, [])


async def test_an_edit_made_while_an_attachment_is_put_is_kept(manager: SyncManager) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"first"
        await manager.save_document("notes", "n1", {"title": "Bergen"})

    await manager.save_document("notes", "n1", {"title": "Oslo"})
    await manager.put_attachment("notes", "n1", "a", slow())
    document = await manager.get_document("notes", "n1")
    assert document is not None
    assert document["title"] == "Bergen"


async def test_bad_names_and_missing_documents_are_refused_before_anything_is_read(manager: SyncManager) -> None:
    await manager.save_document("notes", "n1", {})
    for name in ("", "a/b", "..", "a\nb", "x" * 256):
        with pytest.raises(InvalidDocumentError, match="name"):
            await manager.put_attachment("notes", "n1", name, "/no/such/file")
    with pytest.raises(InvalidDocumentError, match="content_type"):
        await manager.put_attachment("notes", "n1", "a", b"", content_type="text/\nplain")
    with pytest.raises(AttachmentNotFoundError, match="save it before"):
        await manager.put_attachment("notes", "other", "a", "/no/such/file")
    assert blobs(manager) == []


async def test_a_reader_moves_and_saves_to_a_file_that_is_there_only_when_complete(
    manager: SyncManager, tmp_path: Path
) -> None:
    await manager.save_document("notes", "n1", {})
    await manager.put_attachment("notes", "n1", "a", SEVERAL_CHUNKS)
    async with await manager.open_attachment("notes", "n1", "a") as reader:
        reader.seek(CHUNK_BYTES - 3)
        assert await reader.read(6) == SEVERAL_CHUNKS[CHUNK_BYTES - 3 : CHUNK_BYTES + 3]
        assert reader.tell() == CHUNK_BYTES + 3
        reader.seek(10**9)
        assert await reader.read() == b""
        reader.seek(0)
        assert b"".join([piece async for piece in reader]) == SEVERAL_CHUNKS
        await reader.save_to(tmp_path / "out.bin")
    assert (tmp_path / "out.bin").read_bytes() == SEVERAL_CHUNKS
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []


@pytest.mark.parametrize(("damage", "problem"), [(b"\0" * 40, "damaged"), (b"", "damaged"), (None, "missing")])
async def test_a_chunk_that_is_damaged_cut_short_or_missing_is_noticed(
    manager: SyncManager, tmp_path: Path, damage: bytes | None, problem: str
) -> None:
    await manager.save_document("notes", "n1", {})
    await manager.put_attachment("notes", "n1", "a", SEVERAL_CHUNKS)
    assert store_of(manager).verify().is_sound
    (blob,) = blobs(manager)
    if damage is None:
        store_of(manager).transact(lambda engine: engine.drop_chunks(blob.chunks, 1))
    else:
        store_of(manager).transact(lambda engine: engine.put_chunk(blob.chunks, 0, damage))
    with pytest.raises(StorageCorruptError, match=f"chunk 0 of 3 is {problem}"):
        await content(manager, "n1", "a")
    async with await manager.open_attachment("notes", "n1", "a") as reader:
        with pytest.raises(StorageCorruptError):
            await reader.save_to(tmp_path / "out.bin")
    assert not (tmp_path / "out.bin").exists()
    assert [found.split(":")[0] for found in store_of(manager).verify().problems] == [f"attachment {blob.name}"]


async def test_an_attachment_whose_bytes_are_not_here_says_so(manager: SyncManager) -> None:
    digest = hashlib.sha256(b"elsewhere").hexdigest()
    await manager.save_document("notes", "n1", {"_attachment:a": [{"digest": digest, "length": 9}]})
    (status,) = await manager.list_attachments("notes", "n1")
    assert (status.attachment.digest, status.is_here, status.is_on_server) == (digest, False, False)
    with pytest.raises(AttachmentNotHereError, match="have not arrived"):
        await manager.open_attachment("notes", "n1", "a")


async def test_a_backup_has_the_attached_bytes_too(manager: SyncManager, tmp_path: Path) -> None:
    await manager.save_document("notes", "n1", {})
    await manager.put_attachment("notes", "n1", "a", SEVERAL_CHUNKS)
    store_of(manager).backup(tmp_path / "copy.db")
    with LocalStore.open(tmp_path / "copy.db", "phone") as copy:
        assert copy.verify().is_sound
        (blob,) = copy.view(lambda reader: reader.blobs())
        assert [blob] == blobs(manager)
        assert copy.view(lambda reader: reader.chunk(blob.chunks, 2)) is not None


async def test_the_example_of_the_guide_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guide = (Path(__file__).parents[2] / "docs/attachments.md").read_text("utf-8")
    example = guide.partition("```python\n")[2].partition("```")[0].replace("asyncio.run(main())", "await main()")
    monkeypatch.chdir(tmp_path)
    code = compile(example, "docs/attachments.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    await eval(code, {})
    assert capsys.readouterr().out == "roof.jpg 3 True\n3\n"
    assert (tmp_path / "copy.jpg").read_bytes() == b"..."
