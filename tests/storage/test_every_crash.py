"""40: power loss, an I/O error or a full disk at every single write and sync of an operation leaves all of it or nothing."""

import dataclasses
import hashlib
import random
from collections.abc import Callable
from typing import Any

import apsw
import pytest
from msgspec import Raw
from msgspec.structs import replace

from solidb_sync.client.resync import begin_resync
from solidb_sync.clock import SystemClock
from solidb_sync.errors import StorageError
from solidb_sync.json_value import canonical
from solidb_sync.model.attachment import CHUNK_BYTES, Attachment, field_for
from solidb_sync.model.crdt.field_states import read_operations
from solidb_sync.protocol.messages import ServerChange
from solidb_sync.reconcile.resolution import Choice
from solidb_sync.storage.attachments import add_chunks, begin_put, finish_put
from solidb_sync.storage.conflict_trimming import beyond, trim
from solidb_sync.storage.edits import Minted, record_delete, record_operations, record_save
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.inbox import Page, apply_page
from solidb_sync.storage.local_indexes import create_index, index_definition
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.outbox import settle_by_hand
from solidb_sync.storage.records import Mark, StoredConflict
from solidb_sync.storage.resolutions import record_resolution
from solidb_sync.storage.retention import candidates, leave
from solidb_sync.storage.space import give_back
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.testing.crashable_files import CrashableFiles

OPERATIONS_MAX = 200
MINTED = Minted("change", "2026-01-01T00:00:00.000Z")
INCREMENT = read_operations({"n": {"t": "counter", "add": 5}})
PATHS = '[["v"]]'
CONFLICT = StoredConflict(
    "x1", "notes", "a", "old", "pending", "manual", "", PATHS, '{"v":3}', '{"v":1}', "{}", "now", PATHS
)
CLOSED = dataclasses.replace(CONFLICT, id="x2", key="b2", status="auto_resolved", winner="remote")
BYTES = random.Random(2).randbytes(CHUNK_BYTES + 1)
PHOTO = Attachment("photo", hashlib.sha256(BYTES).hexdigest(), len(BYTES))

KINDS: dict[str, dict[str, Any]] = {
    "unsealed": {},
    "plain": {"seals_new_stores": True},
    "encrypted": {"seals_new_stores": True, "encryption_key": b"k" * 32},
}
"""A file as stores were before their pages had seals, one with checksums, and an encrypted one."""


def open_store(files: CrashableFiles, kind: str) -> LocalStore:
    location = FileLocation("store.db", vfs=files.name, is_exclusive=True)
    return LocalStore.open_at(
        location, "phone", clock=SystemClock(), random_bytes=random.Random(1).randbytes, **KINDS[kind]
    )  # fmt: skip


def server_change(key: str, text: bytes) -> ServerChange:
    return ServerChange("notes", key, "insert", document=Raw(text), version_vector=Raw(b'{"x":2}'), seq=7)


def pull(engine: StorageEngine) -> None:
    page = Page(engine.replica().cursor, 9, [server_change("a", b'{"v":9}'), server_change("z", b'{"v":9}')], is_last=True)
    assert apply_page(engine, page, wants_facts=True).pulled == 2


def evict(engine: StorageEngine) -> None:
    assert leave(engine, candidates(engine, ["notes"], {}, lambda stamp: 0), "evicted")
    give_back(engine)


def save(engine: StorageEngine) -> None:
    record_save(engine, MINTED, ("notes", "a"), canonical({"v": 2, "padding": "x" * 9000}), merge=True)


def attach(engine: StorageEngine) -> None:
    name = begin_put(engine, "c1")
    add_chunks(engine, name, 0, [BYTES[:CHUNK_BYTES], BYTES[CHUNK_BYTES:]])
    finish_put(engine, name, PHOTO)
    record_save(engine, MINTED, ("notes", "a"), canonical({"v": 1, "photo": field_for(PHOTO)}), merge=True)


def trim_conflicts(engine: StorageEngine) -> None:
    assert trim(engine, beyond(engine, 0)) == 1


ACTS: dict[str, Callable[[StorageEngine], object]] = {
    "save": save,
    "delete": lambda engine: record_delete(engine, MINTED, ("notes", "a")),
    "pull": pull,
    "mark synced": lambda engine: settle_by_hand(engine, 1),
    "evict": evict,
    "attach": attach,
    "resolve": lambda engine: record_resolution(engine, MINTED, "x1", Choice("accept_local")),
    "trim conflicts": trim_conflicts,
    "index": lambda engine: create_index(engine, index_definition("notes", "v", unique=False)),
    "count": lambda engine: record_operations(engine, MINTED, ("notes", "a"), INCREMENT),
    "count again": lambda engine: record_operations(engine, MINTED, ("notes", "b"), INCREMENT),
    "full resync": lambda engine: begin_resync(engine, 1, {}, epoch="e", discard_local=False),
    "full resync that discards": lambda engine: begin_resync(engine, 1, {}, epoch="e", discard_local=True),
}


def prepare(engine: StorageEngine) -> None:
    """Four pulled documents: one with a conflict, one with a counted field, one with a pending change, one that is clean."""
    engine.save_replica(replace(engine.replica(), cursor=5, caught_up=5))
    for key in "abcd":
        engine.put_documents("notes", [(key, Raw(b'{"v":1}'), Raw(b'{"x":1}'), "")])
    record_save(engine, replace(MINTED, change_id="first"), ("notes", "c"), canonical({"v": 2}), merge=True)
    record_operations(engine, replace(MINTED, change_id="second"), ("notes", "b"), INCREMENT)
    engine.put_conflict(CONFLICT)
    engine.put_conflict(CLOSED)


def content(store: LocalStore) -> object:
    """Return all that an operation may touch, having checked it."""
    assert store.verify().is_sound
    return store.view(
        lambda reader: (
            list(reader.all_rows("notes")),
            list(reader.bases()),
            reader.changes(state=None),
            reader.replica(),
            reader.marked(Mark.EVICTED),
            [reader.states("notes", key) for key in "abc"],
            reader.conflicts(),
            reader.indexes(),
            reader.blobs(),
        )
    )


@pytest.mark.parametrize("trouble", ["power", "io", "full", "sync"])
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("kind", KINDS)
def test_trouble_at_every_call_leaves_all_of_an_operation_or_nothing(kind: str, act: str, trouble: str) -> None:
    """What returned is there after the crash; what raised is there whole or not at all, and never half."""
    with CrashableFiles("every", random.Random(3)) as files:
        store = open_store(files, kind)
        store.transact(prepare)
        before = content(store)
        start = files.snapshot()
        files.restore(start)
        store = open_store(files, kind)
        store.transact(ACTS[act])
        after = content(store)
        assert before != after
        for number in range(1, OPERATIONS_MAX):
            files.restore(start)
            store = open_store(files, kind)
            if trouble == "power":
                files.lose_power_after(number)
            elif trouble == "sync":
                files.fail_after(syncs=number)
            else:
                files.fail_after(writes=number, error=apsw.FullError if trouble == "full" else apsw.IOError)
            try:
                store.transact(ACTS[act])
                has_returned = True
            except StorageError:
                has_returned = False
            files.power_loss()
            found = content(open_store(files, kind))
            assert found == after if has_returned else found in (before, after)
            if has_returned:
                return
    raise AssertionError(f"{act} did not come to its end within {OPERATIONS_MAX} calls")
