"""A file of a store as it lies on the disk, through the same virtual file system that SQLite uses.

Opening and closing a database's file past SQLite would drop the locks that SQLite holds on it in this process (so POSIX
says), and a simulated disk knows no other way. This is how headers are read and pages are sealed anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import apsw

from solidb_sync.storage.keys.store_header import StoreHeader
from solidb_sync.storage.sqlite.sealed.header_slots import HEADER_BYTES, SLOT_BYTES, slot

_DATABASE = apsw.SQLITE_OPEN_MAIN_DB
_SIDE_FILE = apsw.SQLITE_OPEN_MAIN_JOURNAL
"""As a journal is: the first flush makes its name durable too."""

PIECE_BYTES = 64 * 1024
"""Read or written at once: SQLite's own file system takes no more than 128 KiB, as it never needs more."""


class RawFile:
    """An open file: whole reads and writes at an offset."""

    def __init__(self, file: apsw.VFSFile) -> None:
        self._file = file

    def read(self, count: int, offset: int) -> bytes:
        """Return so many bytes, or as many as there are."""
        end = min(offset + count, self.size())
        starts = range(offset, end, PIECE_BYTES)
        return b"".join(self._file.xRead(min(PIECE_BYTES, end - start), start) for start in starts)

    def write(self, content: bytes, offset: int) -> None:
        """Write all of it."""
        for start in range(0, len(content), PIECE_BYTES):
            self._file.xWrite(content[start : start + PIECE_BYTES], offset + start)

    def flush(self) -> None:
        """Make what was written durable."""
        self._file.xSync(apsw.SQLITE_SYNC_FULL)

    def truncate(self, size: int) -> None:
        """Cut the file."""
        self._file.xTruncate(size)

    def size(self) -> int:
        """Return the number of bytes; SQLite's own file system says of a single byte that there is none."""
        return self._file.xFileSize() or len(self._file.xRead(1, 0))

    def write_header(self, header: StoreHeader) -> None:
        """Replace the header; after a crash at any point it is the one before or this one, and then nothing of the other."""
        content = slot(header)
        for offset in (SLOT_BYTES, 0):
            self.write(content, offset)
            self.flush()

    def header_block(self) -> bytes:
        """Return the block that holds the header, if this is a sealed store."""
        return self.read(HEADER_BYTES, 0)


@contextmanager
def raw_database(path: str, vfs: str | None, *, is_new: bool = False, read_only: bool = False) -> Iterator[RawFile]:
    """Open a database's file below SQLite."""
    access = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE
    with _opened(path, vfs, _DATABASE | access | (apsw.SQLITE_OPEN_CREATE if is_new else 0)) as file:
        yield file


@contextmanager
def side_file(path: str, vfs: str | None) -> Iterator[RawFile]:
    """Open or create a file beside the database's."""
    with _opened(path, vfs, _SIDE_FILE | apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE) as file:
        yield file


@contextmanager
def _opened(path: str, vfs: str | None, flags: int) -> Iterator[RawFile]:
    file = apsw.VFSFile(vfs or "", path, [flags, 0])
    try:
        yield RawFile(file)
    finally:
        with suppress(apsw.Error):
            file.xClose()
