"""Where a store is, behind its seals: opened with its key, or made."""

from __future__ import annotations

import apsw

from solidb_sync.errors import StorageError
from solidb_sync.storage.keys.key_wrapping import UserKey, check_key
from solidb_sync.storage.keys.store_header import RandomBytes
from solidb_sync.storage.sqlite.change_seals import finish
from solidb_sync.storage.sqlite.connection import FileLocation, storage_error
from solidb_sync.storage.sqlite.sealed.sealing import Place, create_sealing, is_empty, open_sealing


def location_of_new(
    location: FileLocation, key: UserKey | None, random_bytes: RandomBytes, *, with_seals: bool
) -> FileLocation | None:
    """Make an empty file a sealed store, or leave it plain without seals; None when the file is not empty."""
    place = Place(location.path, location.vfs)
    if not is_empty(place):
        return None
    if key is None and not with_seals:
        return location
    return location.sealed_by(create_sealing(place, key, random_bytes))


def location_of_old(location: FileLocation, key: UserKey | None, random_bytes: RandomBytes) -> FileLocation:
    """Return where a store that is there can be read; writes nothing. Raises as `open_sealing` does."""
    try:
        sealing = open_sealing(Place(location.path, location.vfs), key, random_bytes)
    except apsw.Error as problem:
        raise storage_error(problem, location.path) from problem
    return location if sealing is None else location.sealed_by(sealing)


def finished_location(location: FileLocation) -> FileLocation:
    """Go on with a change of the seals that a crash has cut off."""
    return location if location.sealing is None else location.sealed_by(finish(location.sealing))


def check_is_settled(location: FileLocation) -> None:
    """Raise when a change of the seals was cut off: who may only read can't go on with it."""
    if location.sealing is not None and location.sealing.opened.header.is_changing:
        raise StorageError(
            f"{location.path}: its encryption was being changed when that was cut off; open it once for writing"
        )


def check_encryption_key(key: UserKey | None) -> None:
    """Raise `ConfigError` unless this can be a key."""
    if key is not None:
        check_key(key)
