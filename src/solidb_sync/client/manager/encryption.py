"""The store's encryption, changed while the manager runs."""

from __future__ import annotations

import asyncio

from solidb_sync.client.manager.parts import ManagerParts


class EncryptionMethods(ManagerParts):
    """What `LocalStore` has of the same names, without blocking the event loop; whoever reads or writes waits."""

    async def enable_encryption(self, key: str | bytes) -> None:
        """Encrypt the store; afterwards only `key` opens it, a passphrase of any length or 32 bytes."""
        await asyncio.to_thread(self._store.enable_encryption, key)

    async def rotate_encryption_key(self, key: str | bytes, *, reencrypt: bool = False) -> None:
        """Let only `key` open the store from now on; with `reencrypt`, encrypt every page again as well."""
        await asyncio.to_thread(self._store.rotate_encryption_key, key, reencrypt=reencrypt)

    async def disable_encryption(self) -> None:
        """Make the store readable without a key."""
        await asyncio.to_thread(self._store.disable_encryption)
