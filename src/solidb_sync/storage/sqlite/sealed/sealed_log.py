"""The write-ahead log of a sealed database: a head in clear, and frames that are sealed.

A frame is a head of 24 bytes and a page. SQLite writes the two one after the other and puts into the head a checksum of
both *before* they are sealed, which would tell something about a hidden page; so a head waits for its page, and they are
sealed as one message. When the log is read after a crash, a frame whose seal does not hold is handed to SQLite as it lies
there: its checksum cannot hold either, and that is how SQLite finds the end of the log. Before the place up to which the
log was flushed (`flushed_log`) it is an error.
"""

from __future__ import annotations

import apsw

from solidb_sync.storage.sqlite.sealed.flushed_log import LOG_HEAD_BYTES, LOG_SUFFIX, Flushed, FlushedLog
from solidb_sync.storage.sqlite.sealed.layout import PAGE_BYTES
from solidb_sync.storage.sqlite.sealed.page_seal import LOG_FRAME, BrokenSealError
from solidb_sync.storage.sqlite.sealed.sealed_file import Below, SealedFile

FRAME_HEAD_BYTES = 24
FRAME_BYTES = FRAME_HEAD_BYTES + PAGE_BYTES

_SALTS_OF_LOG, _SALTS_OF_FRAME = slice(16, 24), slice(8, 16)
_PAGES_AFTER_COMMIT = slice(4, 8)
"""In the head of a frame: zero unless it ends a commit."""


class LogFile(SealedFile):
    """The open log of one connection.

    `_commit` is the end of the last commit written here and not noted yet, with the salts of its frames. After a failure
    nothing is noted until the log begins anew: what a failed flush has forgotten, a later one does not save.
    """

    def __init__(self, below: Below, name: str | apsw.URIFilename, flags: list[int]) -> None:
        super().__init__(below, name, flags)
        self._waiting: tuple[int, bytes] | None = None
        self._note = FlushedLog(self._name, below.vfs, below.store_id)
        self._head = b""
        self._commit: tuple[int, bytes] | None = None
        self._has_failed = False
        self._looked_for: Flushed | None = None

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        """Hold a frame's head until its page comes, and seal both; before the log begins anew, forget how far it was."""
        try:
            if offset < LOG_HEAD_BYTES:
                self._begin_anew(data, offset)
            else:
                self._write_part(data, offset)
        except BaseException:
            self._has_failed = True
            raise

    def _begin_anew(self, head: bytes, offset: int) -> None:
        assert (offset, len(head)) == (0, LOG_HEAD_BYTES), f"{len(head)} bytes at {offset} are no head of a log"
        self._settle()
        self._note.take_back()
        super().xWrite(head, offset)
        self._head, self._commit, self._has_failed = head, None, False

    def _write_part(self, data: bytes, offset: int) -> None:
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
        if any(message[_PAGES_AFTER_COMMIT]):
            self._commit = frame + FRAME_BYTES, message[_SALTS_OF_FRAME]
        elif self._commit is not None and frame < self._commit[0]:
            self._commit = None

    def _frame(self, frame: int) -> bytes:
        sealed = super().xRead(FRAME_BYTES, frame)
        try:
            return self._seals.open(LOG_FRAME, frame, sealed)
        except BrokenSealError as problem:
            raise self._corrupt(f"the frame at {frame}") from problem

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        """Return what was sealed; a whole frame that is broken as it is, so that the log ends there, if it may."""
        self._settle()
        if offset < LOG_HEAD_BYTES:
            return self._checked_head(super().xRead(amount, offset))
        start = (offset - LOG_HEAD_BYTES) % FRAME_BYTES
        if amount == FRAME_BYTES and not start:
            return self._frame_or_end(offset)
        return self._frame(offset - start)[start : start + amount]

    def _checked_head(self, head: bytes) -> bytes:
        """Return the head as it lies there, which SQLite asks for as it begins to look for the end of the log."""
        flushed = self._looked_for = self._note.read()
        if flushed is not None and head != flushed.head:
            raise self._corrupt("the head of the log")
        return head

    def _frame_or_end(self, offset: int) -> bytes:
        """Return a frame to SQLite, which looks for the end of the log."""
        sealed = super().xRead(FRAME_BYTES, offset)
        try:
            found = self._seals.open(LOG_FRAME, offset, sealed)
        except BrokenSealError:
            found = b""
        flushed = self._looked_for
        if flushed is not None and offset < flushed.end and found[_SALTS_OF_FRAME] != flushed.head[_SALTS_OF_LOG]:
            raise self._corrupt(f"the frame at {offset}")
        return found or sealed

    def xSync(self, flags: int) -> None:  # noqa: N802
        """Flush, with the head that waits, and note how far the log is on the disk."""
        try:
            self._settle()
            super().xSync(flags)
        except BaseException:
            self._has_failed = True
            raise
        if self._commit is not None and not self._has_failed:
            end, salts = self._commit
            if self._head[_SALTS_OF_LOG] != salts:  # another connection began it
                self._head = super().xRead(LOG_HEAD_BYTES, 0)
            self._note.say(Flushed(self._head, end))
        self._commit = None

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        """Cut; what is cut is needed no more."""
        self._settle()
        self._note.take_back()
        super().xTruncate(newsize)

    def xFileSize(self) -> int:  # noqa: N802
        """Return the size, with the head that waits."""
        self._settle()
        size = super().xFileSize()
        flushed = self._note.read()
        if flushed is not None and size < flushed.end:
            raise apsw.CorruptError(f"{self._name}: cut off: {flushed.end} bytes were flushed, {size} are there")
        return size

    def xClose(self) -> None:  # noqa: N802
        """Close; a head without its page belongs to no transaction."""
        self._waiting = None
        self._note.close()
        super().xClose()


def check_log(below: Below, path: str) -> None:
    """Read the log of a database as SQLite does after a crash; raises `apsw.CorruptError` when it is damaged or missing."""
    try:
        log = LogFile(below, path + LOG_SUFFIX, [apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_READONLY, 0])
    except apsw.CantOpenError:
        _check_no_log(below, path + LOG_SUFFIX)
        return
    try:
        size = log.xFileSize()
        if size > LOG_HEAD_BYTES:
            log.xRead(LOG_HEAD_BYTES, 0)
        for offset in range(LOG_HEAD_BYTES, size - FRAME_BYTES + 1, FRAME_BYTES):
            log.xRead(FRAME_BYTES, offset)
    finally:
        log.xClose()


def _check_no_log(below: Below, log_path: str) -> None:
    note = FlushedLog(log_path, below.vfs, below.store_id)
    try:
        if note.read() is not None:
            raise apsw.CorruptError(f"{log_path}: missing, and there were commits in it")
    finally:
        note.close()
