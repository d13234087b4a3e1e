"""The store's encryption, changed while the manager runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from solidb_sync.client.manager.parts import ManagerParts

Progress = Callable[[int, int], None]


class EncryptionMethods(ManagerParts):
    """What `LocalStore` has of the same names, without blocking the event loop; whoever reads or writes waits."""

    async def enable_encryption(self, key: str | bytes, *, progress: Progress | None = None) -> None:
        """Encrypt everything the store holds, and what comes; afterwards only `key` opens it.

        `key` is a passphrase of any length or 32 bytes; whoever loses it loses the store. `progress` is called on another
        thread, with the pages (RocksDB: entries) done and how many there are, from (0, n) to (n, n). Nothing was changed
        after `ConfigError` (that can't be a key), `EncryptionError` (the store is encrypted already, or in memory) and
        `StoreLockedError` (another process reads it, or it was opened to be read only). After any other error or a crash
        open the store again: `key` opens it and that finishes the change, or it is plain as it was.
        """
        await asyncio.to_thread(partial(self._store.enable_encryption, key, progress=progress))

    async def rotate_encryption_key(
        self, key: str | bytes, *, reencrypt: bool = False, progress: Progress | None = None
    ) -> None:
        """Let only `key` open the store from now on, at once; with `reencrypt`, encrypt every page again as well.

        Without `reencrypt` the pages stay encrypted under the same inner key: someone who knows the earlier passphrase *and*
        has a copy of the file from that time could read today's file too. Raises `EncryptionError` when the store is not
        encrypted; otherwise as `enable_encryption`, and after a crash the old key opens the store, or the new one.
        """
        await asyncio.to_thread(partial(self._store.rotate_encryption_key, key, reencrypt=reencrypt, progress=progress))

    async def disable_encryption(self, *, progress: Progress | None = None) -> None:
        """Make the store readable without a key.

        Raises `EncryptionError` when the store is not encrypted; otherwise as `enable_encryption`. After a crash the key it
        had opens the store, which finishes the change, or it is plain already.
        """
        await asyncio.to_thread(partial(self._store.disable_encryption, progress=progress))
