"""Save what can still be read of a damaged store into a new one, and say what could not.

The damaged file is read only, and stays. The new store is the same device at the beginning of a new life: with its next
sync it fetches everything again, so documents that were lost here but are at the server come back; unsent edits go out as
ever. An unsent document whose queued change was lost, but which itself can be read, is queued again. What is neither here
nor at the server is gone, and the report names as much of it as can be told.

The pages of SQLite and the blocks of RocksDB are checked one by one, and what lies in a sound one is right. Of a SQLite file
whose first page is lost, the list of tables, everything is saved but documents without unsent edits (`lost_first_page`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import apsw

from solidb_sync.errors import StorageCorruptError, StorageError
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.keys.key_wrapping import UserKey, not_encrypted
from solidb_sync.storage.new_store import give_name, remove_store
from solidb_sync.storage.private_files import create_private_file
from solidb_sync.storage.records import Replica
from solidb_sync.storage.rocksdb.opening import make_engine
from solidb_sync.storage.rocksdb.salvage_reads import RocksdbSalvageReads
from solidb_sync.storage.rocksdb.sound_parts import open_sound_parts
from solidb_sync.storage.rocksdb.store_directory import data_directory, unlocked
from solidb_sync.storage.rocksdb.store_label import OpenLabel, plain_label
from solidb_sync.storage.salvaging import DamagedStore, Salvaging
from solidb_sync.storage.sqlite.connection import FileLocation, open_connection, storage_error
from solidb_sync.storage.sqlite.lost_first_page import open_without_lists
from solidb_sync.storage.sqlite.migrate import check_format, migrations_of
from solidb_sync.storage.sqlite.salvage_reads import SalvageReads
from solidb_sync.storage.sqlite.sealed_location import check_is_settled, location_of_new, location_of_old
from solidb_sync.storage.sqlite.sqlite_engine import MIGRATIONS, SqliteEngine
from solidb_sync.storage.sqlite.statements import READ_COLLECTIONS
from solidb_sync.storage.store_lock import StoreLock
from solidb_sync.storage.store_path import PathUse, checked_path
from solidb_sync.storage.text_forms import RandomBytes


@dataclass(frozen=True, slots=True)
class SalvageReport:
    """What came of it: how many documents, edits and attachments are in the new store, and what could not be read.

    `queued_again`: unsent documents whose queued change was lost.
    """

    path: str
    documents: int
    changes: int
    attachments: int
    queued_again: int
    lost: tuple[str, ...]


def salvage_store(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    encryption_key: str | bytes | None = None,
    device_id: str = "",
    random_bytes: RandomBytes = os.urandom,
) -> SalvageReport:
    """Write what is readable of the store at `source` into a new one at `target`, under the same key.

    Nobody may have the store open. `device_id` is needed only if the store's own record of it is lost.

    Raises `StoreLockedError` when a process has the store open, `StorageError` when there is none or the target exists,
    `EncryptionError` for a wrong key, and `StorageCorruptError` when too much is damaged to begin; nothing is written then.
    Cut off, it is simply run again.
    """
    source = checked_path(source, PathUse.READ, name="source")
    target = checked_path(target, PathUse.WRITE, name="target")
    salvage = _ENGINES["rocksdb" if os.path.isdir(source) else "sqlite"]
    if not os.path.exists(source):
        raise StorageError(f"{source}: there is no store")
    if os.path.exists(target):
        raise StorageError(f"{target}: exists already; what is salvaged goes into a new store")
    part = f"{target}.salvaging"
    lock = StoreLock(source + ".lock")
    try:
        remove_store(part)
        remove_store(_copy_of(part))
        with closing(salvage.open(source, encryption_key, part)) as reader:
            salvaging = Salvaging(reader, random_bytes)
            replica = salvaging.replica(device_id)
            with closing(salvage.make(part, replica, encryption_key, random_bytes)) as engine:
                salvaging.into(engine, replica)
        give_name(part, target, again="salvage it again")
    except apsw.Error as problem:
        raise storage_error(problem, source) from problem
    finally:
        remove_store(_copy_of(part))
        lock.release()
    return SalvageReport(target, lost=tuple(salvaging.lost), **salvaging.counts)


def _copy_of(part: str) -> str:
    """Return where a copy is that is read instead of the damaged store."""
    return f"{part}.reading"


def _open_sqlite(path: str, key: UserKey | None, part: str) -> SalvageReads:
    location = location_of_old(FileLocation(path), key, os.urandom)
    check_is_settled(location)
    log_damage = location.sealing.log_damage() if location.sealing is not None else ""
    if location.sealing is not None and log_damage:
        location = location.sealed_by(location.sealing.past_log_damage())
    try:
        connection = open_connection(location, read_only=True)
        found = check_format(connection, migrations_of(MIGRATIONS), path)
        if found:
            connection.execute(READ_COLLECTIONS).fetchall()
    except (apsw.Error, StorageCorruptError):
        return _open_without_lists(location, log_damage)
    if found < len(migrations_of(MIGRATIONS)):
        connection.close()
        if log_damage and not found:
            raise StorageCorruptError(f"{path}: nothing of it is left: {log_damage}")
        raise StorageError(f"{path}: written in format {found} by an older version; salvage it with that one")
    return SalvageReads(connection, location, log_damage)


def _open_without_lists(location: FileLocation, log_damage: str) -> SalvageReads:
    try:
        return open_without_lists(location, migrations_of(MIGRATIONS), log_damage)
    except apsw.Error as problem:
        raise storage_error(problem, location.path) from problem


def _make_sqlite(part: str, replica: Replica, key: UserKey | None, random_bytes: RandomBytes) -> StorageEngine:
    create_private_file(part)
    new = location_of_new(FileLocation(part), key, random_bytes, with_seals=True)
    return SqliteEngine(new or FileLocation(part))


def _open_rocksdb(path: str, key: UserKey | None, part: str) -> RocksdbSalvageReads:
    label = _readable_label(path, key)
    directory = data_directory(path, label.label)
    if not os.path.isdir(directory):
        raise StorageError(f"{path}: there is no store")
    return RocksdbSalvageReads(open_sound_parts(directory, _copy_of(part), path), label.seal())


def _readable_label(path: str, key: UserKey | None) -> OpenLabel:
    """Return the label of a store; a plain store's may be damaged, as it says no more than the store itself."""
    try:
        label = unlocked(path, key, os.urandom)
    except StorageCorruptError:
        if not os.path.isdir(data_directory(path, plain_label("").label)):
            raise
        label = plain_label("")
        if key is not None:
            raise not_encrypted(path) from None
    if label is None:
        raise StorageError(f"{path}: there is no store")
    return label


@dataclass(frozen=True, slots=True)
class _Engine:
    """How stores of one engine are salvaged: how it is read, how a new one is made."""

    open: Callable[[str, UserKey | None, str], DamagedStore]
    make: Callable[[str, Replica, UserKey | None, RandomBytes], StorageEngine]


_ENGINES = {
    "sqlite": _Engine(_open_sqlite, _make_sqlite),
    "rocksdb": _Engine(_open_rocksdb, make_engine),
}
