"""How far a database is known to be on the disk: a note in its directory, by which a log that is cut off is noticed.

RocksDB refuses a log that is damaged, but takes one that ends in the middle of a batch for that of a crash; a log that is
cut off, or whose last length was damaged, looks the same. So after each flushed write a note says the database's newest
sequence number. It is not flushed itself: it never says too much, and a power loss may take it, but not the end of the
process. One that is torn says nothing.
"""

from __future__ import annotations

import hashlib
import os
import struct
from contextlib import suppress
from pathlib import Path

NAME = "flushed"

_NOTE = struct.Struct(">8sQ")
_MAGIC = b"SoliDB\x1aN"
_DIGEST_BYTES = 16
_NOTE_BYTES = _NOTE.size + _DIGEST_BYTES


class FlushedNumber:
    """The note of the database in a directory."""

    def __init__(self, directory: str) -> None:
        self._path = Path(directory) / NAME
        self._handle = -1

    def read(self) -> int | None:
        """Return the number; None when there is no note that is whole."""
        try:
            found = self._path.read_bytes()
        except OSError:
            return None
        if len(found) != _NOTE_BYTES:
            return None
        magic, number = _NOTE.unpack_from(found)
        return int(number) if magic == _MAGIC and _formed(number) == found else None

    def say(self, number: int) -> None:
        """Write the note over the one before. One that can't be written is left out: it guards, and nothing rests on it."""
        with suppress(OSError):
            if self._handle < 0:
                self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            os.lseek(self._handle, 0, os.SEEK_SET)
            os.write(self._handle, _formed(number))

    def take_back(self) -> None:
        """Remove the note of a database that was closed in order."""
        with suppress(OSError):
            if self._handle >= 0:
                os.close(self._handle)
            self._handle = -1
            self._path.unlink(missing_ok=True)


def _formed(number: int) -> bytes:
    text = _NOTE.pack(_MAGIC, number)
    return text + hashlib.sha256(text).digest()[:_DIGEST_BYTES]
