"""What an engine that keeps files can do about its encryption; one for each, chosen by what the engine is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from solidb_sync.errors import EncryptionError
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.memory import MemoryEngine
from solidb_sync.storage.rocksdb import change_keys
from solidb_sync.storage.rocksdb.following_engine import FollowingEngine
from solidb_sync.storage.rocksdb.rocksdb_engine import RocksdbEngine
from solidb_sync.storage.sqlite import change_seals
from solidb_sync.storage.sqlite.reading_engine import ReadingEngine
from solidb_sync.storage.sqlite.sealed.renewal import Progress
from solidb_sync.storage.sqlite.sqlite_engine import SqliteEngine
from solidb_sync.storage.text_forms import RandomBytes

Key = str | bytes


class EngineEncryption(Protocol):
    """Called between transactions; all but `wrap_anew` with all readers closed."""

    @property
    def is_encrypted(self) -> bool:
        """True when what is kept can't be read without a key."""

    @property
    def is_in_use(self) -> bool:
        """False after a change that failed half way: the store has to be opened again."""

    def encrypt(self, key: Key, random_bytes: RandomBytes, progress: Progress | None) -> None:
        """Encrypt everything."""

    def encrypt_anew(self, key: Key, progress: Progress | None) -> None:
        """Encrypt everything again, under a new inner key."""

    def decrypt(self, progress: Progress | None) -> None:
        """Make everything plain."""

    def wrap_anew(self, key: Key) -> None:
        """Let another key open the store."""


class SqliteEncryption:
    """Changes the closed file and opens it again."""

    def __init__(self, engine: SqliteEngine) -> None:
        self._engine = engine

    @property
    def is_encrypted(self) -> bool:
        """True when the file can't be read without a key."""
        sealing = self._engine.location.sealing
        return sealing is not None and sealing.is_encrypted

    @property
    def is_in_use(self) -> bool:
        """True while the file is open."""
        return self._engine.is_open

    def encrypt(self, key: Key, random_bytes: RandomBytes, progress: Progress | None) -> None:
        """Encrypt every page."""
        self._engine.open_again(lambda at: change_seals.encrypt(at, key, random_bytes=random_bytes, progress=progress))

    def encrypt_anew(self, key: Key, progress: Progress | None) -> None:
        """Encrypt every page again."""
        self._engine.open_again(lambda at: change_seals.encrypt_anew(at, key, progress=progress))

    def decrypt(self, progress: Progress | None) -> None:
        """Seal every page with a checksum."""
        self._engine.open_again(lambda at: change_seals.decrypt(at, progress=progress))

    def wrap_anew(self, key: Key) -> None:
        """Replace the header."""
        change_seals.wrap_anew(self._engine.location, key)


class RocksdbEncryption:
    """Writes all entries anew beside the old ones."""

    def __init__(self, engine: RocksdbEngine) -> None:
        self._engine = engine

    @property
    def is_encrypted(self) -> bool:
        """True when the entries can't be read without a key."""
        return self._engine.label.is_encrypted

    @property
    def is_in_use(self) -> bool:
        """True: what fails leaves the old entries in use."""
        return True

    def encrypt(self, key: Key, random_bytes: RandomBytes, progress: Progress | None) -> None:
        """Encrypt every entry."""
        change_keys.encrypt(self._engine, key, random_bytes, progress)

    def encrypt_anew(self, key: Key, progress: Progress | None) -> None:
        """Encrypt every entry again."""
        change_keys.encrypt_anew(self._engine, key, progress)

    def decrypt(self, progress: Progress | None) -> None:
        """Write every entry plain."""
        change_keys.decrypt(self._engine, progress)

    def wrap_anew(self, key: Key) -> None:
        """Replace the label."""
        change_keys.wrap_anew(self._engine, key)


class NoEncryption:
    """Of a store in memory, or one that is only read."""

    def __init__(self, *, is_encrypted: bool = False) -> None:
        self._is_encrypted = is_encrypted

    @property
    def is_encrypted(self) -> bool:
        """True when it is read with a key."""
        return self._is_encrypted

    @property
    def is_in_use(self) -> bool:
        """True: nothing ever fails half way."""
        return True

    def encrypt(self, key: Key, random_bytes: RandomBytes, progress: Progress | None) -> None:
        """Refuse."""
        raise _no_files()

    def encrypt_anew(self, key: Key, progress: Progress | None) -> None:
        """Refuse."""
        raise _no_files()

    def decrypt(self, progress: Progress | None) -> None:
        """Refuse."""
        raise _no_files()

    def wrap_anew(self, key: Key) -> None:
        """Refuse."""
        raise _no_files()


def _no_files() -> EncryptionError:
    return EncryptionError("a store in memory keeps nothing that could be encrypted")


def encryption_of(engine: EngineReader) -> EngineEncryption:
    """Return what an engine can do about its encryption."""
    return _ENCRYPTIONS[type(engine)](engine)


_ENCRYPTIONS: dict[type, Callable[[Any], EngineEncryption]] = {
    SqliteEngine: SqliteEncryption,
    RocksdbEngine: RocksdbEncryption,
    ReadingEngine: lambda engine: NoEncryption(is_encrypted=engine.is_encrypted),
    FollowingEngine: lambda engine: NoEncryption(is_encrypted=engine.is_encrypted),
    MemoryEngine: lambda engine: NoEncryption(),
}
