"""One device of the demo, as a process: a request a line on standard input, an answer a line on standard output.

`{"call": "save", "collection": "notes", "key": "shopping", "document": {...}}` is answered with `{"result": ...}`, or
`{"error": message}`. The end of the input ends the process. The API key comes in SOLIDB_API_KEY.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from solidb_sync.cli.conflicts import conflict_value
from solidb_sync.cli.output import answer_line
from solidb_sync.cli.sync import result_value
from solidb_sync.client.config import SyncConfig
from solidb_sync.client.sync_manager import SyncManager
from solidb_sync.client.transport.http_transport import HttpClient
from solidb_sync.errors import SoliDBError
from solidb_sync.json_value import decode
from solidb_sync.storage.local_store import LocalStore

Request = dict[str, Any]


async def _save(manager: SyncManager, request: Request) -> None:
    await manager.save_document(request["collection"], request["key"], request["document"])


async def _save_together(manager: SyncManager, request: Request) -> None:
    async with manager.transaction() as transaction:
        for key, document in request["documents"].items():
            await transaction.save_document(request["collection"], key, document)


async def _delete(manager: SyncManager, request: Request) -> None:
    await manager.delete_document(request["collection"], request["key"])


async def _documents(manager: SyncManager, request: Request) -> dict[str, Any]:
    return dict(await manager.query_documents(request["collection"]))


async def _set_online(manager: SyncManager, request: Request) -> None:
    await manager.set_online(request["online"])


async def _sync(manager: SyncManager, request: Request) -> dict[str, Any]:
    return result_value(await manager.sync_now())


async def _pending(manager: SyncManager, request: Request) -> list[dict[str, Any]]:
    return [
        {"operation": change.operation, "collection": change.collection, "key": change.key, "data": change.data}
        for change in await manager.pending_changes()
    ]


async def _conflicts(manager: SyncManager, request: Request) -> list[dict[str, Any]]:
    return [conflict_value(conflict) for conflict in await manager.conflict_log()]


CALLS: dict[str, Callable[[SyncManager, Request], Awaitable[Any]]] = {
    "save": _save,
    "save_together": _save_together,
    "delete": _delete,
    "documents": _documents,
    "set_online": _set_online,
    "sync": _sync,
    "pending": _pending,
    "conflicts": _conflicts,
}


async def answer_requests(store_path: str, device_id: str, url: str, database: str) -> None:
    """Answer until the input ends."""
    client = HttpClient(url, database=database, api_key=os.environ["SOLIDB_API_KEY"])
    with LocalStore.open(store_path, device_id) as store:
        manager = SyncManager(store, client, SyncConfig(auto_sync=False))
        answer_line({"result": "ready"})
        while line := await asyncio.to_thread(sys.stdin.readline):
            request = decode(line)
            try:
                answer_line({"result": await CALLS[request["call"]](manager, request)})
            except SoliDBError as problem:
                answer_line({"error": f"{type(problem).__name__}: {problem}"})
        await manager.stop()


if __name__ == "__main__":
    asyncio.run(answer_requests(*sys.argv[1:]))
