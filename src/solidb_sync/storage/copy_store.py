"""Copy everything one engine holds into another."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from msgspec.structs import replace

from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.records import Mark
from solidb_sync.storage.sqlite.connection import FileLocation, create_private_file
from solidb_sync.storage.sqlite.sqlite_engine import SqliteEngine


def copy_to_sqlite(source: EngineReader, path: str) -> None:
    """Write a consistent copy of `source` into a new file."""
    create_private_file(path)
    with closing(SqliteEngine(FileLocation(path))) as target:
        target.begin()
        copy_records(source, target)
        target.commit()


def _go_on() -> None:
    """Stand in for a pause."""


def copy_records(source: EngineReader, target: StorageEngine, pause: Callable[[], None] = _go_on) -> None:
    """Copy all records into an engine that has a transaction open and nothing in it.

    `pause` is called after every record of those that are many; it may commit and begin the next transaction.
    """
    replica = source.replica()
    target.save_replica(replica)
    for collection in source.collections():
        target.add_collection(collection)
        for key, row in source.all_rows(collection):
            target.put_row(collection, key, row)
            pause()
    for collection, key, base in source.bases():
        target.put_base(collection, key, base)
        pause()
    for collection, key, states in source.all_states():
        target.put_states(collection, key, states)
        pause()
    for change in source.changes(state=None):
        target.save_replica(replace(replica, last_change=change.id - 1))  # so that it keeps its id
        target.add_change(change)
        pause()
    for subscription in source.subscriptions():
        target.put_subscription(subscription)
    for collection, cursor in source.backfills().items():
        target.put_backfill(collection, cursor)
    for index in source.indexes():
        target.put_index(index)
    for conflict in source.conflicts():
        target.put_conflict(conflict)
    for mark in Mark:
        for collection, key in source.marked(mark):
            target.mark(mark, collection, key)
    for name, value in source.settings().items():
        target.put_setting(name, value)
    for blob in source.blobs():
        target.put_blob(blob)
        for number in range(blob.stored):
            target.put_chunk(blob.chunks, number, source.chunk(blob.chunks, number) or b"")
            pause()
    if replica.is_resyncing:  # a resync begun there begins again here
        replica = replace(replica, cursor=0, caught_up=0)
        target.mark_all_unseen()
    target.save_replica(replica)
