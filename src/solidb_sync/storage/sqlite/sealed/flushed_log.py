"""How much of a store's log is known to be on the disk: a note beside the store, by which damage to the log is noticed.

SQLite ends a log at the first frame that is not whole, because that is what a power loss in the middle of a commit leaves. A
frame that was damaged later looks the same, and would take every commit behind it along without an error. So after each
flush of the log a note says which log it is (its head, which has random salts) and how far it is whole. What is not whole
up to there is damage; behind it, the end of the log.

The note is written after the flush and not flushed itself: it never says too much, and whoever loses the power may lose it,
but not whoever is killed. It is taken back, and *that* is flushed, before the log is begun anew, cut or deleted: so no note
speaks of a log that is rightly gone. A note that is torn, or another store's, says nothing.
"""

from __future__ import annotations

import hashlib
import struct
from contextlib import suppress
from dataclasses import dataclass

import apsw

NOTE_SUFFIX = "-flushed"
LOG_SUFFIX = "-wal"
LOG_HEAD_BYTES = 32
STORE_ID_BYTES = 16

_MAGIC = b"SoliDB\x1aF"
_NOTE = struct.Struct(f">{len(_MAGIC)}s{STORE_ID_BYTES}s{LOG_HEAD_BYTES}sQ")
_DIGEST_BYTES = 16
_NOTE_BYTES = _NOTE.size + _DIGEST_BYTES
_NOTHING = bytes(_NOTE_BYTES)
_KIND = apsw.SQLITE_OPEN_MAIN_JOURNAL
"""As a journal is: for the owner of the database only."""


@dataclass(frozen=True, slots=True)
class Flushed:
    """A log by its head, and how many bytes of it were flushed: up to the end of a commit."""

    head: bytes
    end: int


class FlushedLog:
    """The note about one log; `base` is the virtual file system below the seals. Without a `store_id` there is none."""

    def __init__(self, log_path: str, base: str, store_id: bytes | None) -> None:
        self.path = log_path.removesuffix(LOG_SUFFIX) + NOTE_SUFFIX
        self._base = base
        self._store_id = store_id
        self._file: apsw.VFSFile | None = None
        self._is_ours = False

    def read(self) -> Flushed | None:
        """Return what the note says; None when there is none, or none that is whole and of this store."""
        if self._store_id is None:
            return None
        with suppress(apsw.CantOpenError):
            return _parsed(self._opened(apsw.SQLITE_OPEN_READWRITE).xRead(_NOTE_BYTES, 0), self._store_id)
        return None

    def say(self, flushed: Flushed) -> None:
        """Write the note over the one before. One that can't be written is left out: it guards, and nothing rests on it."""
        if self._store_id is None:
            return
        with suppress(apsw.Error):
            file = self._opened(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
            if self._may_write(file):
                file.xWrite(_formed(flushed, self._store_id), 0)

    def take_back(self) -> None:
        """Make it durable that there is no note."""
        if self.read() is not None:
            file = self._opened(apsw.SQLITE_OPEN_READWRITE)
            file.xWrite(_NOTHING, 0)
            file.xSync(apsw.SQLITE_SYNC_FULL)

    def _may_write(self, file: apsw.VFSFile) -> bool:
        """Return whether the file is ours or new: somebody may keep one of another kind under this name."""
        if not self._is_ours:
            found = file.xRead(_NOTE_BYTES + 1, 0)
            self._is_ours = not found or (
                len(found) == _NOTE_BYTES and found[: len(_MAGIC)] in (_MAGIC, _NOTHING[: len(_MAGIC)])
            )
        return self._is_ours

    def _opened(self, access: int) -> apsw.VFSFile:
        if self._file is None:
            self._file = apsw.VFSFile(self._base, self.path, [_KIND | access, 0])
        return self._file

    def close(self) -> None:
        """Give its file back."""
        if self._file is not None:
            with suppress(apsw.Error):
                self._file.xClose()
            self._file = None


def _formed(flushed: Flushed, store_id: bytes) -> bytes:
    text = _NOTE.pack(_MAGIC, store_id, flushed.head, flushed.end)
    return text + hashlib.sha256(text).digest()[:_DIGEST_BYTES]


def _parsed(found: bytes, store_id: bytes) -> Flushed | None:
    if len(found) != _NOTE_BYTES:
        return None
    magic, owner, head, end = _NOTE.unpack_from(found)
    flushed = Flushed(head, end)
    is_ours = (magic, owner) == (_MAGIC, store_id) and _formed(flushed, store_id) == found
    return flushed if is_ours else None
