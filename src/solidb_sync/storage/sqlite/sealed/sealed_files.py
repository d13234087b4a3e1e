"""The virtual file system that seals what SQLite writes and opens what it reads.

SQLite above sees an ordinary database with 32 reserved bytes a page; the file system below sees a header block and sealed
pages, a log and a journal. Locks, shared memory, sizes and flushes pass through, so several processes use one store as
they use any database in WAL mode.

Temporary files are refused: sorting and statement journals stay in memory (`temp_store`), and if SQLite should ever want
another file, nothing may leak into it.
"""

from __future__ import annotations

from collections.abc import Callable

import apsw

from solidb_sync.storage.sqlite.sealed.flushed_log import LOG_SUFFIX, FlushedLog
from solidb_sync.storage.sqlite.sealed.layout import PAGE_BYTES, block_of_page, blocks_of_pages, pages_of_blocks
from solidb_sync.storage.sqlite.sealed.page_seal import JOURNAL_PAGE, PAGE, BrokenSealError
from solidb_sync.storage.sqlite.sealed.sealed_file import Below, SealedFile
from solidb_sync.storage.sqlite.sealed.sealed_log import LogFile

_KINDS = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL
_EMPTY_PAGE = bytes(PAGE_BYTES)

Name = str | apsw.URIFilename | None


class SealedFiles(apsw.VFS):
    """A file system for the databases of one store; it must stay referenced while a connection uses it."""

    def __init__(self, name: str, below: Below) -> None:
        super().__init__(name, base=below.vfs)
        self._below = below

    def xOpen(self, name: Name, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        """Open the database, its log or its journal; refuse anything else."""
        kind = _FILES.get(flags[0] & _KINDS)
        if kind is None or name is None:
            raise apsw.CantOpenError("a sealed store writes no temporary files")
        return kind(self._below, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        """Delete a file; of a log, the note about it before."""
        if filename.endswith(LOG_SUFFIX):
            note = FlushedLog(filename, self._below.vfs, self._below.store_id)
            try:
                note.take_back()
            finally:
                note.close()
            if super().xAccess(note.path, apsw.SQLITE_ACCESS_EXISTS):
                super().xDelete(note.path, False)
        super().xDelete(filename, syncdir)


class _DatabaseFile(SealedFile):
    """Whole pages are written; parts of one may be read (SQLite looks at its header before it knows the page size)."""

    def __init__(self, below: Below, name: str | apsw.URIFilename, flags: list[int]) -> None:
        super().__init__(below, name, flags)
        self._is_read_only = bool(flags[1] & apsw.SQLITE_OPEN_READONLY)
        self._pages_known = 0

    def xLock(self, level: int) -> None:  # noqa: N802
        """Lock; a reader that closes last asks for more than it can have, and takes a plain no for an answer."""
        if self._is_read_only and level > apsw.SQLITE_LOCK_SHARED:
            raise apsw.BusyError(f"{self._name}: open for reading only")
        super().xLock(level)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        """Return what was sealed.

        SQLite peeks at the header of the database before it opens the log. The first page may be torn then, where a power
        loss met it on its way from the log: a peek finds nothing, as in a new file, and the page itself comes from the log.
        """
        page, start = divmod(offset, PAGE_BYTES)
        if amount == PAGE_BYTES and not start:
            return self._page(page)
        assert start + amount <= PAGE_BYTES, f"{amount} bytes at {offset} lie in two pages"
        try:
            return self._page(page)[start : start + amount]
        except apsw.CorruptError:
            if offset:
                raise
            return b""

    def _page(self, page: int) -> bytes:
        sealed = super().xRead(PAGE_BYTES, block_of_page(page) * PAGE_BYTES)
        try:
            return self._seals.open(PAGE, page, sealed)
        except BrokenSealError as problem:
            if page >= self._pages():
                return b""
            raise self._corrupt(f"page {page + 1}") from problem

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        """Seal a page; SQLite may leave out pages that hold nothing yet, and they are sealed empty."""
        page, start = divmod(offset, PAGE_BYTES)
        assert (start, len(data)) == (0, PAGE_BYTES), f"{len(data)} bytes at {offset} are no page"
        if page > self._pages_known:
            self._fill_up_to(page)
        self._write_page(page, data)
        self._pages_known = max(self._pages_known, page + 1)

    def _fill_up_to(self, page: int) -> None:
        """Seal empty what is missing before a page; each is durable before the next, as no log would bring it back."""
        for missing in range(self._pages(), page):
            self._write_page(missing, _EMPTY_PAGE)
            super().xSync(apsw.SQLITE_SYNC_FULL)

    def _write_page(self, page: int, data: bytes) -> None:
        super().xWrite(self._seals.seal(PAGE, page, data), block_of_page(page) * PAGE_BYTES)

    def _pages(self) -> int:
        return pages_of_blocks(super().xFileSize() // PAGE_BYTES)

    def xFileSize(self) -> int:  # noqa: N802
        """Return the size without the header."""
        return self._pages() * PAGE_BYTES

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        """Cut, or grow by pages sealed empty."""
        pages = newsize // PAGE_BYTES
        self._fill_up_to(pages)
        if pages < self._pages():
            super().xTruncate(blocks_of_pages(pages) * PAGE_BYTES)
        self._pages_known = pages


class _JournalFile(SealedFile):
    """The rollback journal, which SQLite needs only for a store that is not in WAL mode yet: pages are sealed."""

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        """Seal what is a page."""
        if len(data) == PAGE_BYTES:
            data = self._seals.seal(JOURNAL_PAGE, offset, data)
        super().xWrite(data, offset)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        """Return what was sealed."""
        found = super().xRead(amount, offset)
        if len(found) != PAGE_BYTES:
            return found
        try:
            return self._seals.open(JOURNAL_PAGE, offset, found)
        except BrokenSealError as problem:
            raise self._corrupt(f"the journal at {offset}") from problem


_FILES: dict[int, Callable[[Below, str | apsw.URIFilename, list[int]], apsw.VFSFile]] = {
    apsw.SQLITE_OPEN_MAIN_DB: _DatabaseFile,
    apsw.SQLITE_OPEN_WAL: LogFile,
    apsw.SQLITE_OPEN_MAIN_JOURNAL: _JournalFile,
}
