"""Save what can still be read of a damaged store into a new one, and say what could not.

The damaged file is read only, and stays. The new store is the same device at the beginning of a new life: with its next
sync it fetches everything again, so documents that were lost here but are at the server come back; unsent edits go out as
ever. An unsent document whose queued change was lost, but which itself can be read, is queued again. What is neither here
nor at the server is gone, and the report names as much of it as can be told.

Of SQLite stores only: their pages are checked one by one, and what lies in a sound page is right. A file whose first pages
are damaged, the list of tables or of collections, can't be salvaged; for that there are backups.
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass

import apsw

from solidb_sync.errors import StorageCorruptError, StorageError
from solidb_sync.storage.new_store import give_name, remove_store
from solidb_sync.storage.private_files import create_private_file
from solidb_sync.storage.salvaging import Salvaging
from solidb_sync.storage.sqlite.connection import FileLocation, open_connection, storage_error
from solidb_sync.storage.sqlite.migrate import check_format, migrations_of
from solidb_sync.storage.sqlite.salvage_reads import SalvageReads
from solidb_sync.storage.sqlite.sealed_location import check_is_settled, location_of_new, location_of_old
from solidb_sync.storage.sqlite.sqlite_engine import MIGRATIONS, SqliteEngine
from solidb_sync.storage.store_lock import StoreLock
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
    source, target = os.fspath(source), os.fspath(target)
    if not os.path.isfile(source):
        raise StorageError(f"{source}: there is no SQLite store")
    if os.path.exists(target):
        raise StorageError(f"{target}: exists already; what is salvaged goes into a new store")
    lock = StoreLock(source + ".lock")
    try:
        with closing(_open(source, encryption_key)) as reader:
            salvage = Salvaging(reader, random_bytes)
            replica = salvage.replica(device_id)
            part = f"{target}.salvaging"
            remove_store(part)
            create_private_file(part)
            new = location_of_new(FileLocation(part), encryption_key, random_bytes, with_seals=True)
            with closing(SqliteEngine(new or FileLocation(part))) as engine:
                salvage.into(engine, replica)
            give_name(part, target, again="salvage it again")
    except apsw.Error as problem:
        raise storage_error(problem, source) from problem
    finally:
        lock.release()
    return SalvageReport(target, lost=tuple(salvage.lost), **salvage.counts)


def _open(path: str, key: str | bytes | None) -> SalvageReads:
    location = location_of_old(FileLocation(path), key, os.urandom)
    check_is_settled(location)
    try:
        connection = open_connection(location, read_only=True)
        found = check_format(connection, migrations_of(MIGRATIONS), path)
    except apsw.Error as problem:
        raise StorageCorruptError(f"{path}: its first page can't be read, nothing can be salvaged: {problem}") from problem
    if found < len(migrations_of(MIGRATIONS)):
        connection.close()
        raise StorageError(f"{path}: written in format {found} by an older version; salvage it with that one")
    return SalvageReads(connection, location)
