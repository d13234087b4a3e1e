"""A client process for tests: saves documents as fast as it can and prints each key once its save has returned."""

from __future__ import annotations

import asyncio
import sys

from solidb_sync import HttpClient, LocalStore, SyncConfig, SyncManager


async def main(store_path: str, address: str, key: str, first: int, count: int) -> None:
    """Save `count` documents, with the background sync running."""
    with LocalStore.open(store_path, "device-1") as store:
        client = HttpClient(address, 2000, database="kill", api_key=key)
        async with SyncManager(store, client, SyncConfig(sync_interval_secs=1)) as manager:
            for number in range(first, first + count):
                await manager.save_document("notes", f"note-{number:05d}", {"number": number, "text": "x" * 100})
                sys.stdout.write(f"note-{number:05d}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
