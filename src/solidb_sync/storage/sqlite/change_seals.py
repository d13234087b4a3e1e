"""Encrypt a store, give it another key, make it plain again: what is done to its closed file.

Each returns where the store is from then on. A crash at any write leaves a store that one key opens: the one before until
the header is written, the one after from then on; `finish` goes on where a crash has cut it off, before the store is used.
"""

from __future__ import annotations

from solidb_sync.errors import EncryptionError
from solidb_sync.storage.keys.key_wrapping import UserKey, check_key
from solidb_sync.storage.keys.store_header import OpenHeader, RandomBytes
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.storage.sqlite.encrypt_old_store import convert, forget_unfinished
from solidb_sync.storage.sqlite.sealed.raw_file import raw_database
from solidb_sync.storage.sqlite.sealed.renewal import Progress, forget_side_file, renew
from solidb_sync.storage.sqlite.sealed.sealing import Place, Sealing, wipe_older_header


def encrypt(
    location: FileLocation, key: UserKey, *, random_bytes: RandomBytes, progress: Progress | None = None
) -> FileLocation:
    """Encrypt a plain store, sealed with checksums or an old one without seals."""
    check_key(key)
    if location.sealing is None:
        return location.sealed_by(convert(Place(location.path, location.vfs), key, random_bytes, progress=progress))
    if location.sealing.is_encrypted:
        raise EncryptionError(f"{location.path}: encrypted already; rotate_encryption_key(key) gives it another key")
    return _renewed(location, location.sealing.opened.with_new_data_key(key), progress)


def encrypt_anew(location: FileLocation, key: UserKey, *, progress: Progress | None = None) -> FileLocation:
    """Encrypt every page again under a new data key, wrapped for `key`."""
    check_key(key)
    return _renewed(location, _encrypted(location).opened.with_new_data_key(key), progress)


def decrypt(location: FileLocation, *, progress: Progress | None = None) -> FileLocation:
    """Make an encrypted store plain."""
    return _renewed(location, _encrypted(location).opened.with_checksums(), progress)


def wrap_anew(location: FileLocation, key: UserKey) -> None:
    """Wrap the data key for another user's key; the store may be in use."""
    check_key(key)
    sealing = _encrypted(location)
    following = sealing.opened.with_key(key)
    with raw_database(sealing.place.path, sealing.place.vfs) as file:
        file.write_header(following.header)
    sealing.opened = following


def finish(sealing: Sealing) -> Sealing:
    """Go on with a change that a crash has cut off; returns the seals that the store has now."""
    if sealing.opened.header.is_changing:
        finished = renew(sealing, sealing.opened)
        sealing.close()
        return Sealing(sealing.place, finished)
    wipe_older_header(sealing)
    forget_side_file(sealing)
    forget_unfinished(sealing.place)
    return sealing


def _encrypted(location: FileLocation) -> Sealing:
    if location.sealing is None or not location.sealing.is_encrypted:
        raise EncryptionError(f"{location.path}: not encrypted; enable_encryption(key) does that")
    return location.sealing


def _renewed(location: FileLocation, following: OpenHeader, progress: Progress | None) -> FileLocation:
    assert location.sealing is not None
    place = location.sealing.place
    finished = renew(location.sealing, following, progress)
    location.sealing.close()
    return location.sealed_by(Sealing(place, finished))
