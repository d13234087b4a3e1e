"""40: power loss, an I/O error or a full disk at every single write and sync of an operation leaves all of it or nothing."""

import random
from collections.abc import Callable

import apsw
import pytest
from msgspec import Raw
from msgspec.structs import replace

from solidb_sync.client.resync import begin_resync
from solidb_sync.clock import SystemClock
from solidb_sync.errors import StorageError
from solidb_sync.json_value import canonical
from solidb_sync.model.crdt.field_states import read_operations
from solidb_sync.protocol.messages import ServerChange
from solidb_sync.storage.edits import Minted, record_delete, record_operations, record_save
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.inbox import Page, apply_page
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.outbox import settle_by_hand
from solidb_sync.storage.records import Mark
from solidb_sync.storage.retention import candidates, leave
from solidb_sync.storage.space import give_back
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.testing.crashable_files import CrashableFiles

OPERATIONS_MAX = 200
MINTED = Minted("change", "2026-01-01T00:00:00.000Z")
INCREMENT = read_operations({"n": {"t": "counter", "add": 5}})


def open_store(files: CrashableFiles) -> LocalStore:
    location = FileLocation("store.db", vfs=files.name, is_exclusive=True)
    return LocalStore.open_at(location, "phone", clock=SystemClock(), random_bytes=random.Random(1).randbytes)


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


ACTS: dict[str, Callable[[StorageEngine], object]] = {
    "save": save,
    "delete": lambda engine: record_delete(engine, MINTED, ("notes", "a")),
    "pull": pull,
    "mark synced": lambda engine: settle_by_hand(engine, 1),
    "evict": evict,
    "count": lambda engine: record_operations(engine, MINTED, ("notes", "a"), INCREMENT),
    "count again": lambda engine: record_operations(engine, MINTED, ("notes", "b"), INCREMENT),
    "full resync": lambda engine: begin_resync(engine, 1, {}, epoch="e", discard_local=False),
    "full resync that discards": lambda engine: begin_resync(engine, 1, {}, epoch="e", discard_local=True),
}


def prepare(engine: StorageEngine) -> None:
    """Three pulled documents, one of them with a pending change, and one with a counted field."""
    engine.save_replica(replace(engine.replica(), cursor=5, caught_up=5))
    for key in "abc":
        engine.put_documents("notes", [(key, Raw(b'{"v":1}'), Raw(b'{"x":1}'), "")])
    record_save(engine, replace(MINTED, change_id="first"), ("notes", "c"), canonical({"v": 2}), merge=True)
    record_operations(engine, replace(MINTED, change_id="second"), ("notes", "b"), INCREMENT)


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
        )
    )


@pytest.mark.parametrize("trouble", ["power", "io", "full", "sync"])
@pytest.mark.parametrize("act", ACTS)
def test_trouble_at_every_call_leaves_all_of_an_operation_or_nothing(act: str, trouble: str) -> None:
    """What returned is there after the crash; what raised is there whole or not at all, and never half."""
    with CrashableFiles("every", random.Random(3)) as files:
        store = open_store(files)
        store.transact(prepare)
        before = content(store)
        start = files.snapshot()
        files.restore(start)
        store = open_store(files)
        store.transact(ACTS[act])
        after = content(store)
        assert before != after
        for number in range(1, OPERATIONS_MAX):
            files.restore(start)
            store = open_store(files)
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
            found = content(open_store(files))
            assert found == after if has_returned else found in (before, after)
            if has_returned:
                return
    raise AssertionError(f"{act} did not come to its end within {OPERATIONS_MAX} calls")
