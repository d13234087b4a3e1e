"""What an open store knows of its seals: the proved header, and the file system that works by it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import apsw

from solidb_sync.errors import EncryptionError, StorageCorruptError
from solidb_sync.storage.keys.key_wrapping import UserKey, check_key, not_encrypted
from solidb_sync.storage.keys.store_header import OpenHeader, RandomBytes, new_header
from solidb_sync.storage.sqlite.sealed.header_slots import (
    HEADER_BYTES,
    SLOT_BYTES,
    is_sealed,
    read_header,
    seals_of,
    slots_agree,
)
from solidb_sync.storage.sqlite.sealed.page_seal import Seals
from solidb_sync.storage.sqlite.sealed.raw_file import RawFile, raw_database
from solidb_sync.storage.sqlite.sealed.sealed_file import Below
from solidb_sync.storage.sqlite.sealed.sealed_files import SealedFiles
from solidb_sync.storage.sqlite.sealed.sealed_log import check_log

SQLITE_MAGIC = b"SQLite format 3\0"

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Place:
    """The database's file, and the virtual file system below the seals (None: the real one)."""

    path: str
    vfs: str | None


class Sealing:
    """The seals of one open store. Must stay referenced while a connection uses `vfs`.

    With `reads_past_damage` a damaged log is read up to the damage, as if it ended there.
    """

    def __init__(
        self, place: Place, opened: OpenHeader, seals: Seals | None = None, *, reads_past_damage: bool = False
    ) -> None:
        self.place = place
        self.opened = opened
        self.reads_past_damage = reads_past_damage
        self.vfs = f"sealed-{next(_numbers)}"
        store_id = None if reads_past_damage else opened.header.store_id
        self._below = Below(place.vfs or "", seals or seals_of(opened), store_id)
        self.files = SealedFiles(self.vfs, self._below)

    @property
    def is_encrypted(self) -> bool:
        """True when the pages can't be read without a key."""
        return self.opened.header.needs_key

    def log_damage(self) -> str:
        """Return what is wrong with the log, empty when nothing is; nobody may be writing."""
        try:
            check_log(self._below, self.place.path)
        except apsw.CorruptError as problem:
            return str(problem)
        return ""

    def past_log_damage(self) -> Sealing:
        """Return the same seals, reading a damaged log as far as it goes."""
        return Sealing(self.place, self.opened, reads_past_damage=True)

    def of_copy(self, path: str) -> Sealing:
        """Return the seals of a new file that will hold a copy, having written its header: the same keys open both."""
        place = Place(path, None)
        with raw_database(path, None) as file:
            file.write_header(self.opened.header)
        return Sealing(place, self.opened)

    def close(self) -> None:
        """Take the file system back, when no connection uses it any more."""
        self.files.unregister()


def create_sealing(place: Place, key: UserKey | None, random_bytes: RandomBytes) -> Sealing:
    """Make an empty file a sealed store."""
    if key is not None:
        check_key(key)
    opened = new_header(key, random_bytes)
    with raw_database(place.path, place.vfs, is_new=True) as file:
        file.write_header(opened.header)
    return Sealing(place, opened)


def open_sealing(place: Place, key: UserKey | None, random_bytes: RandomBytes) -> Sealing | None:
    """Return the seals of a store that is there, or None when it is a plain SQLite file without seals; writes nothing.

    Raises `EncryptionError` when the key is wrong, missing, or given for a store that is not encrypted, and
    `StorageCorruptError` when the file is neither.
    """
    if key is not None:
        check_key(key)
    with raw_database(place.path, place.vfs, read_only=True) as file:
        block = file.header_block()
    if block.startswith(SQLITE_MAGIC):
        if key is not None:
            raise not_encrypted(place.path)
        return None
    if not is_sealed(block):
        raise StorageCorruptError(f"{place.path}: damaged, or not a database; nothing was changed")
    if len(block) < HEADER_BYTES:
        raise StorageCorruptError(f"{place.path}: cut off in its header; restore a backup. Nothing was changed.")
    header = read_header(block, place.path)
    if key is not None and not header.needs_key:
        raise not_encrypted(place.path)
    try:
        return Sealing(place, OpenHeader(header, key, random_bytes))
    except EncryptionError as problem:
        raise EncryptionError(f"{place.path}: {problem}") from problem


def is_empty(place: Place) -> bool:
    """Return whether nothing was ever stored in a file: not there, no byte, or a header whose first writing was cut off."""
    try:
        with raw_database(place.path, place.vfs, read_only=True) as file:
            return file.size() == 0 or _is_unfinished(file)
    except apsw.CantOpenError:
        return True


def _is_unfinished(file: RawFile) -> bool:
    """Return whether only the first write of a new header was begun: it goes to the second slot, over nothing."""
    if not SLOT_BYTES < file.size() <= HEADER_BYTES:
        return False
    block = file.header_block()
    if block[:SLOT_BYTES].strip(b"\0"):
        return False
    try:
        read_header(block, "")
    except StorageCorruptError:
        return True
    return False


def wipe_older_header(sealing: Sealing) -> None:
    """End a change of the header that a crash has cut off, so that nothing of the earlier one is left."""
    with raw_database(sealing.place.path, sealing.place.vfs) as file:
        if not slots_agree(file.header_block()):
            file.write_header(sealing.opened.header)
