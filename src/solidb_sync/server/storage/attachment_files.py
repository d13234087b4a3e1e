"""Attached bytes of one database, in files beside it: one for each digest. Everything here blocks; call it on a thread.

An upload grows a file with the name `<digest>.part`. It takes the name `<digest>` when it is complete and its SHA-256 is
right, after it was flushed: so what has that name is what it says, after any crash. A file that nothing names is marked by
another with the time, in `<name>.unused`, and dropped when the mark is old.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from solidb_sync.errors import StorageError, StorageFullError
from solidb_sync.storage.private_files import create_private_directory, flush_directory

PART = ".part"
MARK = ".unused"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class AttachmentFiles:
    """The directory of one database's attachments; made when the first one comes."""

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)

    def length(self, digest: str) -> int | None:
        """Return how long an attachment is, None when it is not complete here."""
        return self._size(digest)

    def part_length(self, digest: str) -> int:
        """Return how many bytes there are of an attachment that is not complete."""
        return self._size(digest + PART) or 0

    def append(self, digest: str, offset: int, piece: bytes) -> None:
        """Add a piece at the end of a part, which is at this offset."""
        with self._named(digest):
            if not self._directory.is_dir():
                create_private_directory(str(self._directory))
            path = self._directory / (digest + PART)
            handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
            try:
                os.ftruncate(handle, offset)  # a piece that could only be written in part is not gone on from
                os.lseek(handle, offset, os.SEEK_SET)
                view = memoryview(piece)
                while view:
                    view = view[os.write(handle, view) :]
            except OSError:
                with suppress(OSError):
                    os.ftruncate(handle, offset)
                raise
            finally:
                os.close(handle)

    def finish(self, digest: str) -> bool:
        """Make a part complete; False, and the part is gone, when its content is not what the digest says."""
        part = self._directory / (digest + PART)
        with self._named(digest):
            with part.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
                if found == digest:
                    os.fsync(file.fileno())
            if found != digest:
                part.unlink()
                return False
            part.replace(self._directory / digest)
            flush_directory(str(self._directory))
        return True

    def is_damaged(self, digest: str) -> bool:
        """Return whether there is a complete attachment whose content is not what the digest says; reads all of it."""
        with self._named(digest):
            try:
                with (self._directory / digest).open("rb") as file:
                    return hashlib.file_digest(file, "sha256").hexdigest() != digest
            except FileNotFoundError:
                return False

    def read(self, digest: str, offset: int, size: int) -> bytes | None:
        """Return a piece of a complete attachment, None when there is none."""
        with self._named(digest):
            try:
                with (self._directory / digest).open("rb") as file:
                    file.seek(offset)
                    return file.read(size)
            except FileNotFoundError:
                return None

    def total_bytes(self) -> int:
        """Return how many bytes all of it takes."""
        return sum(self._size(name) or 0 for name in self.names() or ())

    def names(self) -> list[str] | None:
        """Return the names of attachments and parts, None when there has never been one."""
        with self._named("the directory"):
            if not self._directory.is_dir():
                return None
            return sorted(entry.name for entry in self._directory.iterdir() if not entry.name.endswith(MARK))

    def unused_since(self, name: str) -> int | None:
        """Return since when nothing has named a file, in milliseconds; None when it is not marked."""
        with self._named(name):
            try:
                text = (self._directory / (name + MARK)).read_text("ascii")
            except FileNotFoundError:
                return None
        return int(text) if text.isdigit() else None

    def mark_unused(self, name: str, now_ms: int) -> None:
        """Note that nothing names a file."""
        with self._named(name):
            (self._directory / (name + MARK)).write_text(str(now_ms), "ascii")

    def unmark(self, name: str) -> None:
        """Note that a file is in use."""
        with self._named(name):
            (self._directory / (name + MARK)).unlink(missing_ok=True)

    def drop(self, name: str) -> int:
        """Delete a file and its mark; return how many bytes it had."""
        size = self._size(name) or 0
        with self._named(name):
            (self._directory / name).unlink(missing_ok=True)
            (self._directory / (name + MARK)).unlink(missing_ok=True)
        return size

    def _size(self, name: str) -> int | None:
        with self._named(name):
            try:
                return (self._directory / name).stat().st_size
            except FileNotFoundError:
                return None

    @contextmanager
    def _named(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            place = f"{self._directory}/{name}"
            if problem.errno in _FULL:
                raise StorageFullError(f"{place}: the disk is full") from problem
            raise StorageError(f"{place}: {problem.strerror}") from problem
