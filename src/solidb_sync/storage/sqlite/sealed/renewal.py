"""Seal every page of a store anew, in bounded memory, so that a crash at any write loses nothing.

The header names both seals while this goes on, so every page can be read whether its turn has come or not. A page can't be
replaced in its place at once: the power may go in the middle of it. So a few hundred pages at a time are written, newly
sealed, into a file beside the store and flushed; then they are written to their places and flushed. After a crash, a side
file that is whole is written to its places once more; one that is not has never been used. When no page has the old seal,
the header forgets it and the side file is deleted.

Nobody else may have the store open: the caller holds SQLite's exclusive lock, with an empty log.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import apsw

from solidb_sync.errors import StorageCorruptError, StorageError, StoreLockedError
from solidb_sync.storage.keys.store_header import OpenHeader
from solidb_sync.storage.sqlite.sealed.header_slots import seals_of
from solidb_sync.storage.sqlite.sealed.layout import PAGE_BYTES, block_of_page, pages_of_blocks
from solidb_sync.storage.sqlite.sealed.page_seal import PAGE, BrokenSealError, Seals, epoch_of
from solidb_sync.storage.sqlite.sealed.raw_file import RawFile, raw_database, side_file
from solidb_sync.storage.sqlite.sealed.sealing import Place, Sealing

PAGES_AT_ONCE = 256
SIDE_FILE_SUFFIX = "-renewal"
LOG_SUFFIX = "-wal"

_HEAD = struct.Struct(">16s16sIQI")
_SIDE_MAGIC = b"SoliDB renewal\r\n"
_DIGEST_BYTES = 32

Progress = Callable[[int, int], None]
"""Called with the pages done and how many there are, from (0, n) to (n, n)."""


def renew(sealing: Sealing, following: OpenHeader, progress: Progress | None = None) -> OpenHeader:
    """Bring a closed store to the last seal of `following`, and return its header then.

    `sealing` is the store as it is; `following` may be its own header, when a renewal was cut off. Raises
    `StoreLockedError` when some process has the store open; nothing was changed then.
    """
    place = sealing.place
    if sealing.opened.header.is_changing:
        _mend(place, following)
    with _held_alone(sealing), raw_database(place.path, place.vfs) as file:
        _empty_log(place)
        if following.header != sealing.opened.header:
            file.write_header(following.header)
        _renew_pages(file, place, following, progress or _unheard)
        finished = following.with_last_seal_only()
        file.write_header(finished.header)
        sealing.files.xDelete(place.path + SIDE_FILE_SUFFIX, True)
    return finished


def forget_side_file(sealing: Sealing) -> None:
    """Delete the side file of a renewal that ended, if a crash has left it."""
    path = sealing.place.path + SIDE_FILE_SUFFIX
    if sealing.files.xAccess(path, apsw.SQLITE_ACCESS_EXISTS):
        sealing.files.xDelete(path, True)


@contextmanager
def _held_alone(sealing: Sealing) -> Iterator[None]:
    """Hold SQLite's exclusive lock on the store, with everything that was committed in its file."""
    connection = apsw.Connection(sealing.place.path, flags=apsw.SQLITE_OPEN_READWRITE, vfs=sealing.vfs)
    try:
        try:
            for statement in ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE", "COMMIT"):
                connection.execute(statement).fetchall()
            ((is_busy, _, _),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except (apsw.BusyError, apsw.LockedError) as problem:
            raise _in_use(sealing.place.path) from problem
        if is_busy:
            raise _in_use(sealing.place.path)
        yield
    finally:
        with suppress(apsw.Error):
            connection.close(force=True)  # it has written nothing since its log was emptied


def _in_use(path: str) -> StoreLockedError:
    return StoreLockedError(f"{path}: a process has it open for reading; close it there first. Nothing was changed.")


def _mend(place: Place, following: OpenHeader) -> None:
    """Write a batch again that was cut off in its places: one of them may be the first page, without which nothing opens.

    It is the same content however often, and nobody can have written since.
    """
    with raw_database(place.path, place.vfs) as file, side_file(place.path + SIDE_FILE_SUFFIX, place.vfs) as side:
        _repeat_what_was_cut_off(file, side, following, place.path)


def _empty_log(place: Place) -> None:
    """Make it durable that nothing is in the log: it held pages under the old seal."""
    with side_file(place.path + LOG_SUFFIX, place.vfs) as log:
        log.truncate(0)
        log.flush()


def _renew_pages(file: RawFile, place: Place, following: OpenHeader, progress: Progress) -> None:
    seals = seals_of(following)
    with side_file(place.path + SIDE_FILE_SUFFIX, place.vfs) as side:
        pages = pages_of_blocks(file.size() // PAGE_BYTES)
        progress(0, pages)
        for first in range(0, pages, PAGES_AT_ONCE):
            count = min(PAGES_AT_ONCE, pages - first)
            renewed = _renewed(file, range(first, first + count), seals, place.path)
            if renewed is not None:
                side.write(_side_content(following, first, renewed), 0)
                side.flush()
                _put(file, first, renewed)
            progress(first + count, pages)


def _renewed(file: RawFile, pages: range, seals: Seals, path: str) -> list[bytes] | None:
    """Return the pages under the newest seal, None when all of them have it already."""
    sealed = [file.read(PAGE_BYTES, block_of_page(page) * PAGE_BYTES) for page in pages]
    if all(epoch_of(content) == seals.newest_epoch for content in sealed):
        return None
    try:
        return [seals.seal(PAGE, page, seals.open(PAGE, page, content)) for page, content in zip(pages, sealed, strict=True)]
    except BrokenSealError as problem:
        raise StorageCorruptError(
            f"{path}: a page of {pages[0] + 1} to {pages[-1] + 1} is not what was written"
        ) from problem


def _put(file: RawFile, first: int, renewed: list[bytes]) -> None:
    for page, content in enumerate(renewed, first):
        file.write(content, block_of_page(page) * PAGE_BYTES)
    file.flush()


def _side_content(following: OpenHeader, first: int, renewed: list[bytes]) -> bytes:
    header = following.header
    head = _HEAD.pack(_SIDE_MAGIC, header.store_id, header.seals[-1].epoch, first, len(renewed))
    proved = b"".join((head, *renewed))
    return proved + hashlib.sha256(proved).digest()


def _repeat_what_was_cut_off(file: RawFile, side: RawFile, following: OpenHeader, path: str) -> None:
    """Write the pages of a whole side file to their places; one of another renewal, or torn, says nothing."""
    head = side.read(_HEAD.size, 0)
    if len(head) < _HEAD.size:
        return
    magic, store_id, epoch, first, count = _HEAD.unpack(head)
    header = following.header
    if (magic, store_id, epoch) != (_SIDE_MAGIC, header.store_id, header.seals[-1].epoch) or count > PAGES_AT_ONCE:
        return
    end = _HEAD.size + count * PAGE_BYTES
    proved, digest = side.read(end, 0), side.read(_DIGEST_BYTES, end)
    if hashlib.sha256(proved).digest() != digest:
        return
    if first + count > pages_of_blocks(file.size() // PAGE_BYTES):
        raise StorageError(f"{path}: shorter than when its pages were being sealed anew; restore a backup")
    _put(file, first, [proved[at : at + PAGE_BYTES] for at in range(_HEAD.size, end, PAGE_BYTES)])


def _unheard(_done: int, _pages: int) -> None:
    pass
