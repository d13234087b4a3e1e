"""A client process for tests: fetches everything into its store, and prints the cursor it has stored as it goes."""

from __future__ import annotations

import asyncio
import sys

from solidb_sync import HttpClient, LocalStore, SyncConfig, SyncManager


async def main(store_path: str, address: str, key: str) -> None:
    """Run one round, in small pages."""
    with LocalStore.open(store_path, "device-1") as store:
        client = HttpClient(address, 10_000, database="first", api_key=key)
        manager = SyncManager(store, client, SyncConfig(auto_sync=False, batch_size=25))
        pulling = asyncio.create_task(manager.sync_now())
        while not pulling.done():
            sys.stdout.write(f"{(await manager.status()).cursor}\n")
            sys.stdout.flush()
            await asyncio.sleep(0.001)
        await manager.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
