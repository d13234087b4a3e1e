"""A client process for tests: makes each kind of local call that writes, and is killed when the last has returned."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from solidb_sync import HttpClient, LocalStore, SyncConfig, SyncManager


async def main(store_path: str, address: str) -> None:
    """Work without a server, and die by SIGKILL, with nothing closed."""
    with LocalStore.open(store_path, "device-1") as store:
        client = HttpClient(address, 2000, database="work", api_key=os.environ["SOLIDB_API_KEY"])
        manager = SyncManager(store, client, SyncConfig(sync_interval_secs=1))
        await manager.start()
        await manager.save_document("notes", "kept", {"n": 1, "text": "one"})
        await manager.save_document("notes", "kept", {"n": 2})
        await manager.save_document("notes", "gone", {"n": 3})
        await manager.delete_document("notes", "gone")
        async with manager.transaction() as together:
            await together.save_document("notes", "t1", {"n": 4})
            await together.save_document("notes", "t2", {"n": 5})
        await manager.crdt_increment("fields", "f", "visits", 5)
        await manager.crdt_decrement("fields", "f", "visits", 2)
        await manager.crdt_set("fields", "f", "name", "ann")
        await manager.crdt_add_to_set("fields", "f", "seen", "x")
        await manager.crdt_orset_add("fields", "f", "tags", "red")
        await manager.crdt_orset_add("fields", "f", "tags", "blue")
        await manager.crdt_orset_remove("fields", "f", "tags", "red")
        await manager.crdt_map_put("fields", "f", "places", "home", "Paris")
        await manager.crdt_map_put("fields", "f", "places", "work", "Rome")
        await manager.crdt_map_remove("fields", "f", "places", "work")
        await manager.crdt_bounded_increment("fields", "f", "stock", 3)
        await manager.crdt_bounded_decrement("fields", "f", "stock", 1)
        store.put_document("cache", "c", {"from": "elsewhere"}, {"elsewhere": 1})
        store.add_pending_change("notes", "byhand", "insert", {"n": 6}, {})
        store.add_subscription("notes", "n > 0")
        assert await manager.query("FOR n IN notes SORT n.n RETURN n.n") == [2, 4, 5]
        assert not (await manager.sync_now()).success
        await manager.save_document("notes", "last", {"n": 7})
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
