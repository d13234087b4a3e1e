"""Files in memory that crash the way a real disk does, as an SQLite file system (an apsw VFS).

One rule: what was synced is kept, and what was not synced is at the mercy of the random generator. After
`power_loss` each file holds its last synced image plus nothing, a prefix, or a scattered part of the writes made
since, one of them possibly torn between two sectors; a name that was created or deleted without a sync may
or may not be so any more. `kill` ends the program alone, so every write stays.

Either way the life that was running is over: its connections are closed without a chance to write, and each
life is an SQLite file system object of its own, so that whatever is left of an earlier one can neither read,
write, create nor delete anything.

There is no shared memory, so a database in WAL mode must set `PRAGMA locking_mode=EXCLUSIVE` first. A file system
laid on top of this one, such as an encrypting one, belongs to one life too and is made anew after a crash.

    >>> import random
    >>> with CrashableFiles("example", random.Random(1)) as files:
    ...     connection = apsw.Connection("notes.db", vfs=files.name)
    ...     _ = connection.execute("CREATE TABLE notes (body TEXT)")
    ...     files.kill()
    ...     connection = apsw.Connection("notes.db", vfs=files.name)
    ...     connection.execute("SELECT count(*) FROM notes").get
    0
"""

import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn, Self, cast

import apsw

SECTOR_BYTES = 512
TOTAL_BYTES_MAX = 256 * 1024 * 1024
PENDING_OPERATIONS_MAX = 10_000
"""Unsynced operations a file remembers; past it the disk writes everything back by itself, as real ones do."""

FIXED_TIME_JULIAN_MS = 2_451_545 * 86_400_000
"""What SQLite's own clock always says: noon of 2000-01-01, in milliseconds of Julian days."""

_IS_OF_LIFE = 20_260
"""A file control code of our own: true where the file belongs to the life whose identity is the pointer."""

_ANY_JOURNAL = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_WAL

_FIRST_LOCK_IN_THE_WAY = {
    apsw.SQLITE_LOCK_SHARED: apsw.SQLITE_LOCK_PENDING,
    apsw.SQLITE_LOCK_RESERVED: apsw.SQLITE_LOCK_RESERVED,
    apsw.SQLITE_LOCK_EXCLUSIVE: apsw.SQLITE_LOCK_SHARED,
}
"""For each lock asked for, the weakest lock of another connection that refuses it."""

Operation = tuple[int, bytes | None]
"""A write (offset, bytes), or a truncate (new size, None)."""

Undo = tuple[int, int, bytes | bytearray]
"""What takes an operation back: the size of the file before, and where which bytes were in the place of the new ones."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every file by name, as a backup taken after a clean flush would hold it."""

    files: Mapping[str, bytes]


class CrashableFiles:
    """A set of files that SQLite connections open with `vfs=files.name`.

    SQLite has one random generator for the whole process (it makes WAL salts and `random()`); creating a
    `CrashableFiles` seeds it again from `rng`, so a run that begins by creating its files repeats exactly.
    """

    def __init__(self, name: str, rng: random.Random, *, total_bytes_max: int = TOTAL_BYTES_MAX) -> None:
        if name in apsw.vfs_names():
            raise ValueError(f"name: expected one that no file system has yet, found {name!r}")
        self.name = name
        self.total_bytes_max = total_bytes_max
        self._rng = rng
        self._disk = _Disk({}, total_bytes_max)
        self._life = _Life(name, self._disk, rng)
        self._seed_sqlite()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the running life and take the name back from SQLite."""
        self._life.end()

    @property
    def writes(self) -> int:
        """How often anything was written in the running life; the same number means that nothing has changed."""
        return self._disk.writes

    def kill(self) -> None:
        """End the program, not the machine: every write stays, though still unsynced."""
        self._begin_life(self._disk)

    def power_loss(self) -> None:
        """End the machine: keep what was synced and a random part of what was not."""
        self._begin_life(_Disk(self._disk.after_power_loss(self._rng), self.total_bytes_max))

    def snapshot(self) -> Snapshot:
        """Return what every file reads as now; nothing on the disk changes."""
        return Snapshot({name: bytes(file.content) for name, file in sorted(self._disk.visible.items())})

    def restore(self, snapshot: Snapshot) -> None:
        """End the running life and replace the whole set of files by the snapshot's, synced."""
        self._begin_life(_Disk(snapshot.files, self.total_bytes_max))

    def clone(self, name: str) -> Self:
        """Return an independent copy of the device, as a snapshot restored under another name."""
        rng = random.Random(self._rng.getrandbits(64))
        other = type(self)(name, rng, total_bytes_max=self.total_bytes_max)
        other.restore(self.snapshot())
        return other

    def fail_after(self, *, writes: int = 0, syncs: int = 0, error: type[apsw.Error] = apsw.IOError) -> None:
        """Let the n-th write from now raise `error`, or the n-th sync fail, once; 0 or a crash takes it back.

        Like a kernel's, a failed sync forgets: its writes still read back, but no later sync saves them.
        """
        self._disk.writes_until_failure = writes
        self._disk.write_error = error
        self._disk.syncs_until_failure = syncs

    def lose_power_after(self, operations: int) -> None:
        """Let the power go at the n-th write, sync, truncation or deletion from now: that one and all after it fail.

        What survives is settled by the `power_loss` that must follow. 0 or any crash takes it back.
        """
        self._disk.operations_until_dark = operations

    def is_dark(self) -> bool:
        """Whether the power has gone, as `lose_power_after` said: nothing can be read or written any more."""
        return self._disk.is_dark

    def _begin_life(self, disk: "_Disk") -> None:
        self.close()
        disk.is_dark = False
        disk.operations_until_dark = 0
        self._disk = disk
        self._disk.release_locks()
        self.fail_after()
        self._life = _Life(self.name, disk, self._rng)

    def _seed_sqlite(self) -> None:
        """Make SQLite draw its process-wide seed from this file system, then put the default one back."""
        default = apsw.vfs_names()[0]
        apsw.set_default_vfs(self.name)
        apsw.randomness(0)
        apsw.randomness(1)
        apsw.set_default_vfs(default)


class _Disk:
    """The files by name, as programs see them and as the disk holds them, and the faults to inject."""

    def __init__(self, contents: Mapping[str, bytes], total_bytes_max: int) -> None:
        self.visible = {name: _StoredFile(content) for name, content in contents.items()}
        self.durable = dict(self.visible)
        self.total_bytes_max = total_bytes_max
        self.bytes_at_most = sum(map(len, contents.values()))
        self.writes = 0
        self.is_dark = False
        self.operations_until_dark = 0
        self.writes_until_failure = 0
        self.write_error: type[apsw.Error] = apsw.IOError
        self.syncs_until_failure = 0

    def create(self, name: str) -> "_StoredFile":
        file = self.visible[name] = _StoredFile()
        return file

    def delete(self, name: str, *, directory_is_synced: bool) -> None:
        self.before_operation()
        if self.visible.pop(name, None) is None:
            raise _DiskError(f"{name}: no such file", apsw.SQLITE_IOERR_DELETE_NOENT)
        if directory_is_synced:
            self.durable = dict(self.visible)

    def before_operation(self) -> None:
        self.operations_until_dark -= 1
        if self.operations_until_dark == 0 or self.is_dark:
            self._go_dark()

    def _go_dark(self) -> NoReturn:
        self.is_dark = True
        raise _DiskError("injected: the power has gone", apsw.SQLITE_IOERR)

    def before_write(self) -> None:
        self.operations_until_dark -= 1
        if self.operations_until_dark == 0 or self.is_dark:
            self._go_dark()
        self.writes += 1
        self.writes_until_failure -= 1
        if self.writes_until_failure == 0:
            raise self.write_error("injected: this write fails")

    def before_growth(self, growth_bytes: int) -> None:
        self.bytes_at_most += growth_bytes
        if self.bytes_at_most <= self.total_bytes_max:
            return  # to count what is there is only worth it when it could be too much
        total_bytes = self.bytes_at_most = sum(len(file.content) for file in self.visible.values())
        if total_bytes + growth_bytes > self.total_bytes_max:
            raise apsw.FullError(f"total_bytes_max: {self.total_bytes_max} bytes, {total_bytes} in use")

    def sync(self, name: str, file: "_StoredFile", *, with_directory: bool) -> None:
        self.before_operation()
        self.syncs_until_failure -= 1
        if self.syncs_until_failure == 0:
            file.forget_pending()
            raise _DiskError("injected: this sync fails", apsw.SQLITE_IOERR_FSYNC)
        file.sync()
        if with_directory:
            self.durable = dict(self.visible)
        elif self.durable.get(name) is not file and self.visible.get(name) is file:
            self.durable[name] = file

    def release_locks(self) -> None:
        for file in self.visible.values():
            file.locks.clear()

    def after_power_loss(self, rng: random.Random) -> dict[str, bytes]:
        survivors: dict[str, bytes] = {}
        for name in sorted(self.visible.keys() | self.durable.keys()):
            visible, durable = self.visible.get(name), self.durable.get(name)
            survivor = visible if visible is durable else rng.choice([visible, durable])
            if survivor is not None:
                survivors[name] = survivor.after_power_loss(rng)
        return survivors


class _StoredFile:
    """One file: what reads see, and the operations since the last sync, with what takes them back.

    What the disk holds is the content with those operations taken back. Only once a sync has failed is it kept as an image
    of its own, because then there is something in the content that no later sync saves.
    """

    __slots__ = ("content", "durable", "locks", "pending", "undoing")

    def __init__(self, durable: bytes = b"") -> None:
        self.content = bytearray(durable)
        self.durable: bytearray | None = None
        self.pending: list[Operation] = []
        self.undoing: list[Undo] = []
        self.locks: dict[_OpenFile, int] = {}

    def write(self, offset: int, written: bytes) -> None:
        content = self.content
        size = len(content)
        if offset == size:
            self.undoing.append((size, size, b""))
            content += written
        else:
            self.undoing.append((size, offset, content[offset : offset + len(written)]))
            if offset > size:
                content.extend(bytes(offset - size))
            content[offset : offset + len(written)] = written
        self.pending.append((offset, written))
        if len(self.pending) > PENDING_OPERATIONS_MAX:
            self.sync()

    def truncate(self, new_size: int) -> None:
        self.undoing.append((len(self.content), new_size, self.content[new_size:]))
        _apply(self.content, (new_size, None))
        self.pending.append((new_size, None))
        if len(self.pending) > PENDING_OPERATIONS_MAX:
            self.sync()

    def sync(self) -> None:
        if self.durable is not None:
            for operation in self.pending:
                _apply(self.durable, operation)
        self.pending.clear()
        self.undoing.clear()

    def forget_pending(self) -> None:
        self.durable = self._durable_image()
        self.pending.clear()
        self.undoing.clear()

    def after_power_loss(self, rng: random.Random) -> bytes:
        image = self._durable_image()
        for operation in _surviving_operations(self.pending, rng):
            _apply(image, operation)
        return bytes(image)

    def _durable_image(self) -> bytearray:
        if self.durable is not None:
            return bytearray(self.durable)
        image = bytearray(self.content)
        for size, offset, replaced in reversed(self.undoing):
            image[offset : offset + len(replaced)] = replaced
            if len(image) > size:
                del image[size:]
        return image


def _apply(image: bytearray, operation: Operation) -> None:
    offset, written = operation
    if offset > len(image):
        image.extend(bytes(offset - len(image)))
    if written is None:
        del image[offset:]
    else:
        image[offset : offset + len(written)] = written


def _surviving_operations(pending: list[Operation], rng: random.Random) -> list[Operation]:
    """Choose what the disk had written when the power went: nothing, a prefix, or a scattered, torn part."""
    match rng.randrange(3):
        case 0:
            return []
        case 1:
            return pending[: rng.randint(0, len(pending))]
        case _:
            kept = [operation for operation in pending if rng.random() < 0.5]
            if kept and rng.random() < 0.5:
                torn = rng.randrange(len(kept))
                kept[torn] = _torn(kept[torn], rng)
            return kept


def _torn(operation: Operation, rng: random.Random) -> Operation:
    """Cut a write at one of the sector boundaries inside it; what lies within one sector is whole."""
    offset, written = operation
    if written is None:
        return operation
    first_boundary = offset - offset % SECTOR_BYTES + SECTOR_BYTES
    boundaries = range(first_boundary, offset + len(written), SECTOR_BYTES)
    return (offset, written[: rng.choice(boundaries) - offset]) if boundaries else operation


class _Life(apsw.VFS):
    """The file system as one life of the program knows it; a new one is registered after each crash."""

    def __init__(self, name: str, disk: _Disk, rng: random.Random) -> None:
        super().__init__(name, base="")
        self.disk = disk
        self.rng = rng
        self.ended = False

    def end(self) -> None:
        """Forbid everything first, so that what SQLite does as it closes the connections fails."""
        self.ended = True
        for connection in apsw.connections():
            with suppress(apsw.Error):
                if connection.file_control("main", _IS_OF_LIFE, id(self)):
                    connection.close(force=True)
        self.unregister()

    def require_alive(self) -> None:
        if self.ended or self.disk.is_dark:
            raise _ended_life_error()

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        self.require_alive()
        flags[1] = flags[0]
        if name is None:
            return cast(apsw.VFSFile, _OpenFile(self, "", _StoredFile(), flags[0]))
        path = name if isinstance(name, str) else name.filename()
        file = self.disk.visible.get(path)
        if file is None and not flags[0] & apsw.SQLITE_OPEN_CREATE:
            raise apsw.CantOpenError(f"{path}: no such file")
        return cast(apsw.VFSFile, _OpenFile(self, path, file or self.disk.create(path), flags[0]))

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.require_alive()
        self.disk.delete(filename, directory_is_synced=syncdir)

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802
        file = self.disk.visible.get(pathname)
        return file is not None and (flags != apsw.SQLITE_ACCESS_EXISTS or len(file.content) > 0)

    def xFullPathname(self, name: str) -> str:  # noqa: N802
        return name

    def xRandomness(self, numbytes: int) -> bytes:  # noqa: N802
        return self.rng.randbytes(numbytes)

    def xSleep(self, microseconds: int) -> int:  # noqa: N802
        return microseconds

    def xCurrentTime(self) -> float:  # noqa: N802
        return FIXED_TIME_JULIAN_MS / 86_400_000

    def xCurrentTimeInt64(self) -> int:  # noqa: N802
        return FIXED_TIME_JULIAN_MS

    def xGetLastError(self) -> tuple[int, str | None]:  # noqa: N802
        return 0, None


class _OpenFile:
    """A file as a connection holds it; no more than what SQLite calls."""

    __slots__ = ("_disk", "_file", "_is_temporary", "_life", "_name", "_syncs_directory")

    def __init__(self, life: _Life, name: str, file: _StoredFile, flags: int) -> None:
        self._life = life
        self._disk = life.disk
        self._name = name
        self._file = file
        self._is_temporary = bool(flags & apsw.SQLITE_OPEN_DELETEONCLOSE)
        # As SQLite's own unix files do: the first sync of a new journal makes the directory durable too, and
        # with it the deletion of an earlier journal, which would otherwise come back and roll the database back.
        self._syncs_directory = bool(flags & apsw.SQLITE_OPEN_CREATE and flags & _ANY_JOURNAL)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        if self._life.ended or self._disk.is_dark:
            raise _ended_life_error()
        return bytes(self._file.content[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._life.ended:
            raise _ended_life_error()
        self._disk.before_write()
        growth_bytes = offset + len(data) - len(self._file.content)
        if growth_bytes > 0:
            self._disk.before_growth(growth_bytes)
        self._file.write(offset, data)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._life.require_alive()
        self._disk.before_operation()
        self._file.truncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._life.require_alive()
        self._disk.sync(self._name, self._file, with_directory=self._syncs_directory)
        self._syncs_directory = False

    def xFileSize(self) -> int:  # noqa: N802
        self._life.require_alive()
        return len(self._file.content)

    def xLock(self, level: int) -> None:  # noqa: N802
        self._life.require_alive()
        locks = self._file.locks
        strongest_other = max((held for owner, held in locks.items() if owner is not self), default=0)
        if strongest_other < _FIRST_LOCK_IN_THE_WAY[level]:
            locks[self] = level
            return
        if level == apsw.SQLITE_LOCK_EXCLUSIVE and strongest_other < apsw.SQLITE_LOCK_RESERVED:
            locks[self] = apsw.SQLITE_LOCK_PENDING
        raise apsw.BusyError(f"{self._name}: another connection holds a lock")

    def xUnlock(self, level: int) -> None:  # noqa: N802
        if level == apsw.SQLITE_LOCK_NONE:
            self._file.locks.pop(self, None)
        else:
            self._file.locks[self] = level

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return any(held >= apsw.SQLITE_LOCK_RESERVED for held in self._file.locks.values())

    def xSectorSize(self) -> int:  # noqa: N802
        return SECTOR_BYTES

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE

    def xFileControl(self, op: int, ptr: int) -> bool:  # noqa: N802
        return op == _IS_OF_LIFE and ptr == id(self._life)

    def xClose(self) -> None:  # noqa: N802
        self._file.locks.pop(self, None)
        is_alive = not self._life.ended and not self._disk.is_dark
        if self._is_temporary and is_alive and self._disk.visible.get(self._name) is self._file:
            self._disk.delete(self._name, directory_is_synced=False)


class _DiskError(apsw.IOError):
    def __init__(self, message: str, extendedresult: int) -> None:
        super().__init__(message)
        self.extendedresult = extendedresult


def _ended_life_error() -> apsw.IOError:
    return apsw.IOError("this connection was open when the machine crashed; open a new one")
