"""A device without a client: edits, answers and pages go straight to the functions that record them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from solidb_sync.json_value import canonical, decode, encode
from solidb_sync.model.crdt.field_states import read_operations
from solidb_sync.model.version_vector import Dot, VersionVector
from solidb_sync.protocol.messages import ChangeError, ChangeResult, ServerChange
from solidb_sync.storage.edits import Minted, record_delete, record_operations, record_save
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.inbox import Page, PageApplied, apply_page
from solidb_sync.storage.new_dots import readdress
from solidb_sync.storage.opening import Unlocking, new_replica, open_memory_engine
from solidb_sync.storage.opening_rocksdb import open_rocksdb_engine
from solidb_sync.storage.outbox import Applied, Batch, Settled, next_batch, settle
from solidb_sync.storage.overlay import base_states, fold
from solidb_sync.storage.records import ChangeState, StoredChange
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.storage.sqlite.sqlite_engine import SqliteEngine
from solidb_sync.storage.text_forms import decode_change, parse_vector

NOTES = "notes"


class Device:
    """One engine of the device `phone`, and short words for what happens to it."""

    def __init__(self, engine: StorageEngine) -> None:
        self.engine = engine
        self._ids = 0

    @contextmanager
    def transaction(self) -> Iterator[StorageEngine]:
        """Run the block in a transaction."""
        self.engine.begin()
        try:
            yield self.engine
        except BaseException:
            self.engine.rollback()
            raise
        self.engine.commit()

    # edits

    def minted(self, transaction: str = "", size: int = 0) -> Minted:
        """Return the next change id: c1, c2, ..."""
        self._ids += 1
        return Minted(f"c{self._ids}", f"t{self._ids}", transaction, size)

    def save(
        self, key: str, document: dict[str, Any], *, merge: bool = False, collection: str = NOTES,
        transaction: str = "", size: int = 0,
    ) -> str:  # fmt: skip
        """Save a document; return the change id, "" when nothing changed."""
        minted = self.minted(transaction, size)
        with self.transaction() as engine:
            saved = record_save(engine, minted, (collection, key), canonical(document), merge=merge)
        return minted.change_id if saved else ""

    def operate(self, key: str, field: str, add: int) -> str:
        """Add to a counter; return the change id."""
        minted = self.minted()
        with self.transaction() as engine:
            record_operations(engine, minted, (NOTES, key), read_operations({field: {"t": "counter", "add": add}}))
        return minted.change_id

    def delete(self, key: str) -> str:
        """Delete a document."""
        minted = self.minted()
        with self.transaction() as engine:
            deleted = record_delete(engine, minted, (NOTES, key))
        return minted.change_id if deleted else ""

    # the server's side

    def batch(self, count: int = 100, **options: Any) -> Batch:
        """Return the next batch."""
        return next_batch(self.engine, count=count, **options)

    def answer(self, *statuses: str, batch: Batch | None = None) -> Settled:
        """Answer the changes of the next batch, each with a status (`duplicate:applied` has an original)."""
        batch = batch or self.batch(len(statuses))
        results = [result(change, status) for change, status in zip(batch.changes, statuses, strict=True)]
        with self.transaction() as engine:
            return settle(engine, batch.changes, results)

    def push_all(self) -> None:
        """Let the server apply everything that waits."""
        while (batch := self.batch(1000)).changes:
            self.answer(*["applied"] * len(batch.changes), batch=batch)

    def pull(
        self,
        *changes: ServerChange,
        at: int | None = None,
        to: int | None = None,
        is_last: bool = True,
        resets: tuple[str, ...] = (),
    ) -> PageApplied:
        """Apply a page asked from the cursor (or `at`), leading on by one (or `to`)."""
        start = self.engine.replica().cursor if at is None else at
        page = Page(start, start + 1 if to is None else to, list(changes), is_last, resets=resets)
        with self.transaction() as engine:
            return apply_page(engine, page, wants_facts=True)

    def readdress(self, *known: str, incarnation: int = 1, has_server_lost: bool = False) -> None:
        """Begin a new incarnation; the changes with these ids are known to the server, which may have lost its past."""
        with self.transaction() as engine:
            lost = Dot(engine.replica().actor, engine.replica().counter) if has_server_lost else None
            engine.save_replica(replace(engine.replica(), incarnation=incarnation, counter=0, settled=0))
            pending = engine.changes(state=ChangeState.PENDING)
            applied = {
                change.change_id: Applied(Dot(change.actor, change.counter))
                for change in pending
                if change.change_id in known
            }
            readdress(engine, pending, known=applied, lost=lost)

    # what is there

    def visible(self, key: str, collection: str = NOTES) -> dict[str, Any] | None:
        """Return the document that a reader sees."""
        row = self.engine.row(collection, key)
        return None if row is None or row.body is None else decode(row.body)

    def vector(self, key: str) -> VersionVector:
        """Return the vector that a reader sees."""
        row = self.engine.row(NOTES, key)
        return VersionVector() if row is None else parse_vector(row.vector)

    def base(self, key: str) -> dict[str, Any] | None:
        """Return the body of the base copy kept apart, None when there is none."""
        base = self.engine.base(NOTES, key)
        return None if base is None or base.body is None else decode(base.body)

    def states(self) -> dict[str, str]:
        """Return the state of every change by its id."""
        return {change.change_id: change.state.name.lower() for change in self.engine.changes(state=None)}

    def wire(self, change_id: str) -> Any:
        """Return a change as the next batch carries it."""
        batch = self.batch(1000)
        return next(decode_change(wire) for wire in batch.texts if decode_change(wire).id == change_id)

    def check(self) -> None:
        """Check what always holds: rows are the fold of base copy and changes, and no base copy lies about."""
        for collection in self.engine.collections():
            for key, row in self.engine.all_rows(collection):
                changes = self.engine.changes_of(collection, key)
                base = self.engine.base(collection, key)
                if not changes:
                    assert base is None, f"{collection}/{key} has a base copy without changes"
                    continue
                document, vector, _, _ = fold(base, changes, base_states(self.engine, collection, key))
                assert (None if row.body is None else decode(row.body)) == document, f"{collection}/{key}"
                assert parse_vector(row.vector) == vector, f"{collection}/{key}"


def result(change: StoredChange, status: str) -> ChangeResult:
    """Return an answer to a change."""
    name, _, original = status.partition(":")
    error = ChangeError("Refused", "because") if "rejected" in status else None
    return ChangeResult(change_id=change.change_id, status=name, original=original, error=error)


def whole(key: str, document: dict[str, Any], vector: dict[str, int], collection: str = NOTES) -> ServerChange:
    """Return a pulled document."""
    return ServerChange(
        collection, key, "insert", document=Raw(encode(document)), version_vector=Raw(encode(vector)), timestamp="s"
    )


def fields(key: str, delta: dict[str, Any], vector: dict[str, int], unset: list[str] | None = None) -> ServerChange:
    """Return a pulled delta."""
    return ServerChange(
        NOTES, key, "update", delta=Raw(encode(delta)), unset=unset or [], version_vector=Raw(encode(vector)), timestamp="s"
    )


def gone(key: str, vector: dict[str, int]) -> ServerChange:
    """Return a pulled tombstone."""
    return ServerChange(NOTES, key, "delete", version_vector=Raw(encode(vector)), timestamp="s")


class Pages:
    """What a server sends."""

    whole = staticmethod(whole)
    fields = staticmethod(fields)
    gone = staticmethod(gone)


def new_engine(kind: str, directory: str = "") -> StorageEngine:
    """Return an empty engine of the device `phone`; RocksDB needs a directory."""
    if kind == "memory":
        return open_memory_engine("phone", bytes)
    if kind == "rocksdb":
        return open_rocksdb_engine(directory, "phone", "normal", Unlocking(bytes)).engine
    engine = SqliteEngine(FileLocation(":memory:", is_exclusive=True))
    engine.begin()
    engine.save_replica(new_replica("phone", bytes))
    engine.commit()
    return engine


@pytest.fixture(scope="session")
def server() -> type[Pages]:
    """Return the words for what a server sends."""
    return Pages


@pytest.fixture(scope="session")
def new_device(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Device]:
    """Return the way to make a device, for tests that need many."""
    return lambda kind: Device(new_engine(kind, str(tmp_path_factory.mktemp("device") / "store")))


@pytest.fixture(params=["memory", "sqlite", "rocksdb"])
def device(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Device]:
    """Return a device on every engine; in the end what always holds must hold."""
    device = Device(new_engine(request.param, str(tmp_path / "store of the device")))
    yield device
    device.check()
    device.engine.close()
