"""Read a sealed store whose first page is lost: the page that lists its tables.

The tables that every store has lie where they lie in any new one: SQLite keeps the first page of each table at the front of
a file that can shrink, in the order in which they were made. So the first page of a new, empty store is read in the place of
the lost one, and the rest of the file as ever, log included. A table that turns out to be something else there (a store that
was made by an older version) is left out. So are the tables of the collections, whose order nothing proves: their documents
are at the server, or in the edits that were not sent.

The list of collections may be lost as well, or alone: what an edit is of says the name of a collection then.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import apsw
import msgspec

from solidb_sync.errors import StorageCorruptError
from solidb_sync.storage.keys.store_header import OpenHeader
from solidb_sync.storage.records import StoredRow
from solidb_sync.storage.sqlite.connection import FileLocation, add_functions, open_connection
from solidb_sync.storage.sqlite.migrate import migrate
from solidb_sync.storage.sqlite.readable_rows import Scan
from solidb_sync.storage.sqlite.salvage_reads import SalvageReads
from solidb_sync.storage.sqlite.sealed.header_slots import seals_of
from solidb_sync.storage.sqlite.sealed.layout import PAGE_BYTES, RESERVED_BYTES, pages_of_blocks
from solidb_sync.storage.sqlite.sealed.page_seal import PAGE, BrokenSealError, Seals
from solidb_sync.storage.sqlite.sealed.sealing import Sealing
from solidb_sync.storage.text_forms import decode_change

_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
_FORGET = "DELETE FROM sqlite_master WHERE tbl_name = ?"
_TYPES = {"TEXT": "text", "INTEGER": "integer", "BLOB": "blob"}
_PAGES_AT, _LOG_AT = slice(28, 32), slice(18, 20)
_READ_NAMES = "SELECT id, collection, wire FROM changes WHERE id > ? ORDER BY id LIMIT ?"
_READ_NAME = "SELECT id, collection, wire FROM changes WHERE id = ?"
_USES_LOG = b"\x02\x02"


class SealsButTheFirst(Seals):
    """The seals of a store, with another first page in the place of one that is broken."""

    def __init__(self, opened: OpenHeader, first_page: bytes) -> None:
        self._sound = seals_of(opened)
        self._first_page = first_page

    def open(self, kind: bytes, number: int, sealed: bytes) -> bytes:
        """Return the message sealed for a place."""
        try:
            return self._sound.open(kind, number, sealed)
        except BrokenSealError:
            if (kind, number) == (PAGE, 0):
                return self._first_page
            raise


class LostListsReads(SalvageReads):
    """Reads what can be found without the list of tables or that of collections; of documents only what surely belongs."""

    def __init__(self, location: FileLocation, left_out: set[str], log_damage: str) -> None:
        super().__init__(open_connection(location, read_only=True), location, log_damage)
        self._left_out = left_out
        self._tables = {str(name) for (name,) in self._all(_TABLES)}

    def _load_collections(self) -> None:
        """Learn the names of the collections; from the edits of them, when their list is lost as well."""
        if "collections" not in self._left_out:
            super()._load_collections()
            return
        scan = Scan(
            lambda number, count: self._all(_READ_NAMES, (number, count)), lambda number: self._all(_READ_NAME, (number,))
        )
        for _, number, wire in scan.rows():
            with suppress(msgspec.MsgspecError, TypeError):
                self._know(decode_change(wire).collection, number)

    def readable_rows(self, collection: str, report: Callable[[str], None]) -> Iterator[tuple[str, StoredRow]]:
        """Yield the rows of a collection whose table is known."""
        if f"c_{self._number(collection)}" in self._tables:
            return super().readable_rows(collection, report)
        report("all without unsent edits, with the list of tables; the next sync fetches what the server has")
        return iter(())

    def unreadable(self) -> list[str]:
        """Return what else was passed over: collections whose names no edit tells."""
        known = {f"c_{self._number(name)}" for name in self.collections()}
        unknown = [name for name in self._tables if name.startswith("c_") and name not in known]
        told = f"documents of {len(unknown)} collections whose names are lost; the next sync fetches what the server has"
        return [*super().unreadable(), *([told] if unknown else [])]


def open_without_lists(location: FileLocation, migrations: tuple[str, ...], log_damage: str = "") -> LostListsReads:
    """Open a sealed store past its first page and its list of collections; `StorageCorruptError` for one without seals."""
    if location.sealing is None:
        raise StorageCorruptError(
            f"{location.path}: its lists can't be read, and as an old store it has no checksums: nothing else in "
            "it can be trusted. Restore a backup"
        )
    looking = _through(location.sealing, location, _first_page(location, migrations, set()))
    connection = open_connection(looking, read_only=True)
    try:
        names = [str(name) for (name,) in _rows(connection, _TABLES)]
        left_out = {name for name in names if not _is_what_it_should_be(connection, name)}
    finally:
        connection.close()
    without = _through(location.sealing, location, _first_page(location, migrations, left_out))
    return LostListsReads(without, left_out, log_damage)


def _through(sealing: Sealing, location: FileLocation, first_page: bytes) -> FileLocation:
    seals = SealsButTheFirst(sealing.opened, first_page)
    return location.sealed_by(Sealing(sealing.place, sealing.opened, seals, reads_past_damage=sealing.reads_past_damage))


def _first_page(location: FileLocation, migrations: tuple[str, ...], left_out: set[str]) -> bytes:
    """Return the first page of a new store with as many pages as this one, without some tables."""
    new = apsw.Connection(":memory:")
    try:
        new.reserve_bytes("main", RESERVED_BYTES)
        for pragma in (f"page_size = {PAGE_BYTES}", "auto_vacuum = INCREMENTAL"):
            _rows(new, f"PRAGMA {pragma}")
        add_functions(new)
        migrate(new, migrations, ":memory:")
        _rows(new, "PRAGMA writable_schema = ON")
        for name in left_out:
            new.execute(_FORGET, (name,)).fetchall()
        page = bytearray(new.serialize("main")[:PAGE_BYTES])
    finally:
        new.close()
    page[_LOG_AT] = _USES_LOG
    page[_PAGES_AT] = pages_of_blocks(os.path.getsize(location.path) // PAGE_BYTES).to_bytes(4, "big")
    return bytes(page)


def _is_what_it_should_be(connection: apsw.Connection, table: str) -> bool:
    """Return whether the first record at a table's place can be one of the table: the right types, and none missing."""
    columns = [(name, kind, not_null) for _, name, kind, not_null, *_ in _rows(connection, f"PRAGMA table_info({table})")]
    asked = ", ".join(f"typeof({name})" for name, *_ in columns)
    try:
        found = _rows(connection, f"SELECT {asked} FROM {table} LIMIT 1")  # noqa: S608 - names of our own schema
    except apsw.Error:
        return False
    return all(
        kind == _TYPES.get(declared, kind) or (kind == "null" and not not_null)
        for record in found
        for kind, (_, declared, not_null) in zip(record, columns, strict=True)
    )


def _rows(connection: apsw.Connection, statement: str) -> list[Any]:
    return connection.execute(statement).fetchall()
