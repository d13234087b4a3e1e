"""The virtual file system that seals what SQLite writes and opens what it reads.

SQLite above sees an ordinary database with 32 reserved bytes a page; the file system below sees a header block and sealed
pages, a log and a journal. Locks, shared memory, sizes and flushes pass through, so several processes use one store as
they use any database in WAL mode.

A frame of the log is a head of 24 bytes and a page. SQLite writes the two one after the other and puts into the head a
checksum of both *before* they are sealed, which would tell something about a hidden page; so a head waits for its page, and
they are sealed as one message. When the log is read after a crash, a frame whose seal does not hold is handed to SQLite
as it lies there: its checksum cannot hold either, and that is how SQLite finds the end of the log. A single page that does
not hold is always an error.

Temporary files are refused: sorting and statement journals stay in memory (`temp_store`), and if SQLite should ever want
another file, nothing may leak into it.
"""

from __future__ import annotations

from collections.abc import Callable

import apsw

from solidb_sync.storage.sqlite.sealed.layout import PAGE_BYTES, block_of_page, blocks_of_pages, pages_of_blocks
from solidb_sync.storage.sqlite.sealed.page_seal import JOURNAL_PAGE, LOG_FRAME, PAGE, BrokenSealError, Seals

FRAME_HEAD_BYTES = 24
LOG_HEAD_BYTES = 32
FRAME_BYTES = FRAME_HEAD_BYTES + PAGE_BYTES

_KINDS = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL
_EMPTY_PAGE = bytes(PAGE_BYTES)

Name = str | apsw.URIFilename | None


class SealedFiles(apsw.VFS):
    """A file system for the databases of one store; it must stay referenced while a connection uses it."""

    def __init__(self, name: str, base: str | None, seals: Seals) -> None:
        super().__init__(name, base=base or "")
        self._base = base or ""
        self._seals = seals

    def xOpen(self, name: Name, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        """Open the database, its log or its journal; refuse anything else."""
        kind = _FILES.get(flags[0] & _KINDS)
        if kind is None or name is None:
            raise apsw.CantOpenError("a sealed store writes no temporary files")
        return kind(self._base, name, flags, self._seals)


class _SealedFile(apsw.VFSFile):
    def __init__(self, base: str, name: str | apsw.URIFilename, flags: list[int], seals: Seals) -> None:
        super().__init__(base, name, flags)
        self._name = name if isinstance(name, str) else name.filename()
        self._seals = seals

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        """Promise no more than that a write leaves the bytes around it alone."""
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE

    def _corrupt(self, what: str) -> apsw.CorruptError:
        return apsw.CorruptError(f"{self._name}: {what} is not what was written")


class _DatabaseFile(_SealedFile):
    """Whole pages are written; parts of one may be read (SQLite looks at its header before it knows the page size)."""

    def __init__(self, base: str, name: str | apsw.URIFilename, flags: list[int], seals: Seals) -> None:
        super().__init__(base, name, flags, seals)
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


class _LogFile(_SealedFile):
    """The write-ahead log: its head is clear, each frame is one sealed message."""

    def __init__(self, base: str, name: str | apsw.URIFilename, flags: list[int], seals: Seals) -> None:
        super().__init__(base, name, flags, seals)
        self._waiting: tuple[int, bytes] | None = None

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        """Hold a frame's head until its page comes, and seal both."""
        if offset < LOG_HEAD_BYTES:
            self._settle()
            super().xWrite(data, offset)
            return
        frame = offset - (offset - LOG_HEAD_BYTES) % FRAME_BYTES
        if len(data) == FRAME_HEAD_BYTES:
            self._settle()
            self._waiting = (frame, data)
            return
        assert (offset - frame, len(data)) == (FRAME_HEAD_BYTES, PAGE_BYTES), f"{len(data)} bytes at {offset} are no frame"
        if self._waiting is not None and self._waiting[0] == frame:
            head, self._waiting = self._waiting[1], None
        else:  # a page written again in the same transaction; SQLite will write the heads from here on again
            self._settle()
            head = self._frame(frame)[:FRAME_HEAD_BYTES]
        self._write_frame(frame, head + data)

    def _settle(self) -> None:
        """Put a head that was written alone into its frame."""
        if self._waiting is not None:
            frame, head = self._waiting
            self._waiting = None
            self._write_frame(frame, head + self._frame(frame)[FRAME_HEAD_BYTES:])

    def _write_frame(self, frame: int, message: bytes) -> None:
        super().xWrite(self._seals.seal(LOG_FRAME, frame, message), frame)

    def _frame(self, frame: int) -> bytes:
        sealed = super().xRead(FRAME_BYTES, frame)
        try:
            return self._seals.open(LOG_FRAME, frame, sealed)
        except BrokenSealError as problem:
            raise self._corrupt(f"the frame at {frame}") from problem

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        """Return what was sealed; a whole frame that is broken as it is, so that the log ends there."""
        self._settle()
        if offset < LOG_HEAD_BYTES:
            return super().xRead(amount, offset)
        start = (offset - LOG_HEAD_BYTES) % FRAME_BYTES
        if amount == FRAME_BYTES and not start:
            sealed = super().xRead(amount, offset)
            try:
                return self._seals.open(LOG_FRAME, offset, sealed)
            except BrokenSealError:
                return sealed
        return self._frame(offset - start)[start : start + amount]

    def xSync(self, flags: int) -> None:  # noqa: N802
        """Flush, with the head that waits."""
        self._settle()
        super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        """Cut."""
        self._settle()
        super().xTruncate(newsize)

    def xFileSize(self) -> int:  # noqa: N802
        """Return the size, with the head that waits."""
        self._settle()
        return super().xFileSize()

    def xClose(self) -> None:  # noqa: N802
        """Close; a head without its page belongs to no transaction."""
        self._waiting = None
        super().xClose()


class _JournalFile(_SealedFile):
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


_FILES: dict[int, Callable[[str, str | apsw.URIFilename, list[int], Seals], apsw.VFSFile]] = {
    apsw.SQLITE_OPEN_MAIN_DB: _DatabaseFile,
    apsw.SQLITE_OPEN_WAL: _LogFile,
    apsw.SQLITE_OPEN_MAIN_JOURNAL: _JournalFile,
}
