"""The methods of `LocalStore` that encrypt a store, give it another key, and make it plain again."""

from __future__ import annotations

import threading
from collections.abc import Callable

import apsw

from solidb_sync.errors import StorageError
from solidb_sync.storage.committer import Committer
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.engine_encryption import EngineEncryption, encryption_of
from solidb_sync.storage.process_guard import ProcessGuard
from solidb_sync.storage.sqlite.connection import storage_error
from solidb_sync.storage.sqlite.sealed.renewal import Progress
from solidb_sync.storage.sqlite.sealed_location import check_encryption_key
from solidb_sync.storage.text_forms import RandomBytes

SCANS_AT_ONCE_MAX = 4


class StoreEncryption:
    """What a store can do about its encryption; the store gives the attributes."""

    path: str
    _half_changed: str = ""
    _engine: StorageEngine
    _committer: Committer
    _reader: EngineReader
    _reading: threading.Lock
    _scanning: threading.BoundedSemaphore
    _key_randomness: RandomBytes
    _guard: ProcessGuard

    @property
    def is_encrypted(self) -> bool:
        """True when the store's files can't be read without its key."""
        return encryption_of(self._engine).is_encrypted

    def enable_encryption(self, key: str | bytes, *, progress: Progress | None = None) -> None:
        """Encrypt everything the store holds, and what comes; afterwards only `key` opens it.

        `key` is a passphrase of any length or 32 bytes; whoever loses it loses the store. Reads and writes wait meanwhile.
        Raises `EncryptionError` when the store is encrypted already, `StoreLockedError` when another process reads it; then
        nothing was changed. After any other error or a crash, open the store again: `key` opens it and that finishes the
        change, or it is plain as it was. `progress` is called with the pages (RocksDB: entries) done and how many there
        are, from (0, n) to (n, n).
        """
        check_encryption_key(key)
        self._change(lambda encryption: encryption.encrypt(key, self._key_randomness, progress))

    def rotate_encryption_key(self, key: str | bytes, *, reencrypt: bool = False, progress: Progress | None = None) -> None:
        """Let only `key` open the store from now on, at once; with `reencrypt`, encrypt every page again as well.

        Without `reencrypt` the pages stay encrypted under the same inner key: someone who knows the earlier passphrase *and*
        has a copy of the file from that time could read today's file too. Otherwise as `enable_encryption`.
        """
        check_encryption_key(key)
        if reencrypt:
            self._change(lambda encryption: encryption.encrypt_anew(key, progress))
        else:
            self._run_alone(lambda: encryption_of(self._engine).wrap_anew(key))

    def disable_encryption(self, *, progress: Progress | None = None) -> None:
        """Make the store readable without a key; otherwise as `enable_encryption`, and the key it had finishes it."""
        self._change(lambda encryption: encryption.decrypt(progress))

    def _change(self, change: Callable[[EngineEncryption], None]) -> None:
        """Change what the files are sealed with, and go on with them; whoever reads or writes waits."""
        self._run_alone(lambda: self._change_unread(change))

    def _run_alone(self, work: Callable[[], None]) -> None:
        self._guard.check()
        self._check_whole()
        try:
            self._committer.run_alone(work)
        except apsw.Error as problem:
            raise storage_error(problem, self.path) from problem

    def _change_unread(self, change: Callable[[EngineEncryption], None]) -> None:
        for _ in range(SCANS_AT_ONCE_MAX):
            self._scanning.acquire()
        try:
            with self._reading:
                self._close_readers()
                self._change_closed(change)
        finally:
            self._scanning.release(SCANS_AT_ONCE_MAX)

    def _change_closed(self, change: Callable[[EngineEncryption], None]) -> None:
        encryption = encryption_of(self._engine)
        try:
            change(encryption)
        except BaseException as problem:
            if encryption.is_in_use:
                self._reader = self._engine.reader()
            else:
                self._half_changed = str(problem) or type(problem).__name__
            raise
        self._reader = self._engine.reader()

    def _check_whole(self) -> None:
        """Raise `StorageError` after a change of the encryption that failed half way."""
        if self._half_changed:
            raise StorageError(
                f"{self.path}: a change of its encryption failed ({self._half_changed}); close the store and open it again, "
                "with the key it had or the one it was to get"
            )

    def _close_readers(self) -> None:
        raise NotImplementedError
