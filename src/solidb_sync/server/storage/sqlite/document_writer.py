"""Write the next versions of many documents of one collection, and move each to its new place in the change log."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from solidb_sync.server.storage.records import DocumentWrite
from solidb_sync.server.storage.sqlite import statements as sql


def write_documents(connection: apsw.Connection, collection: int, writes: Sequence[DocumentWrite]) -> None:
    """Insert or replace the documents; new ones get their row numbers here."""
    new = [write for write in writes if not write.row]
    old = [write for write in writes if write.row]
    if new:
        _insert(connection, collection, new)
    if old:
        _replace(connection, collection, old)
    connection.executemany(
        sql.ADD_LATEST,
        [(write.seq, collection, write.row, write.author, write.counter, write.is_applied) for write in writes],
    )
    states = [(collection, write.row, write.crdt) for write in writes if write.crdt]
    if states:
        connection.executemany(sql.SAVE_CRDT_STATE, states)


def _insert(connection: apsw.Connection, collection: int, writes: Sequence[DocumentWrite]) -> None:
    for write in writes:
        write.row = write.seq
    connection.executemany(
        sql.for_collection(sql.ADD_DOCUMENT, collection),
        [(write.row, write.key, write.body, write.vector, write.dots, write.seq, write.updated_ms) for write in writes],
    )


def _replace(connection: apsw.Connection, collection: int, writes: Sequence[DocumentWrite]) -> None:
    connection.executemany(sql.DELETE_LATEST, [(write.old_seq,) for write in writes])
    connection.executemany(
        sql.for_collection(sql.CHANGE_DOCUMENT, collection),
        [(write.body, write.vector, write.dots, write.seq, write.updated_ms, write.row) for write in writes],
    )
