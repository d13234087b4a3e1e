"""A device as a process that edits by itself: its background sync runs, and nothing here ever asks for a round.

A request a line on standard input, an answer a line on standard output. `{"call": "edit", "count": 200, "seconds": 5}`
begins a seeded stream of edits, spread over the seconds, and is answered at once; `{"call": "report"}` says how far it
has come; `{"call": "documents", "collection": "boards"}` shows what the device holds. The end of the input ends it all.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from solidb_sync.cli.output import answer_line
from solidb_sync.client.config import SyncConfig
from solidb_sync.client.sync_manager import SyncManager
from solidb_sync.client.transport.http_transport import HttpClient
from solidb_sync.json_value import decode
from solidb_sync.storage.local_store import LocalStore

BOARDS, NOTES, COUNTS = "boards", "notes", "counts"
COLLECTIONS = (BOARDS, NOTES, COUNTS)
COUNTER = ("total", "clicks")
"""The key and the field of the one counter that all devices count with."""

BOARDS_COUNT = 5
NOTES_COUNT = 30
DOCUMENTS_MAX = 1_000


class EditingDevice:
    """Makes edits of all kinds, and remembers what it counted and the fields only it writes: what must be everywhere."""

    def __init__(self, manager: SyncManager, device_id: str) -> None:
        self._manager = manager
        self._device_id = device_id
        self._rng = random.Random(device_id)
        self._edits_left = 0
        self._made = 0
        self._counted = 0
        self._own_fields: dict[str, dict[str, int]] = {}
        self._editing: asyncio.Task[None] | None = None

    async def edit(self, request: dict[str, Any]) -> str:
        """Begin a stream of edits."""
        assert self._edits_left == 0, "one stream at a time"
        self._edits_left = request["count"]
        self._editing = asyncio.create_task(self._edit(request["seconds"] / request["count"]))
        return "begun"

    async def report(self, _: dict[str, Any]) -> dict[str, Any]:
        """Say what is left to do, what was promised to survive, and what the documents come to."""
        if self._editing is not None and self._editing.done():
            self._editing.result()
        status = await self._manager.status()
        shown = [await self._documents(collection) for collection in COLLECTIONS]
        return {
            "edits_left": self._edits_left,
            "pending": status.pending + status.held,
            "rejected": status.rejected,
            "requests": status.requests,
            "failed_rounds": status.failed_rounds,
            "own_fields": self._own_fields,
            "counted": self._counted,
            "digest": hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest(),
        }

    async def documents(self, request: dict[str, Any]) -> dict[str, Any]:
        """Show a collection with its versions."""
        return await self._documents(request["collection"])

    async def _documents(self, collection: str) -> dict[str, Any]:
        keys = [key for key, _ in await self._manager.query_documents(collection)][:DOCUMENTS_MAX]
        found = {}
        for key in keys:
            document = await self._manager.get_document(collection, key, meta=True)
            if document is not None:
                del document["_timestamp"]  # its author has the time of the edit, everybody else that of its arrival
                found[key] = document
        return found

    async def _edit(self, pause_seconds: float) -> None:
        while self._edits_left:
            await self._rng.choices([self._write_board, self._write_note, self._delete_note, self._count], [4, 3, 1, 2])[0]()
            self._made += 1
            self._edits_left -= 1
            await asyncio.sleep(pause_seconds)

    async def _write_board(self) -> None:
        board, name = f"board-{self._rng.randrange(BOARDS_COUNT)}", f"{self._device_id}_{self._made}"
        await self._manager.save_document(BOARDS, board, {name: self._made})
        self._own_fields.setdefault(board, {})[name] = self._made

    async def _write_note(self) -> None:
        note = {self._rng.choice(["title", "text", "colour"]): f"{self._device_id} {self._made}"}
        await self._manager.save_document(NOTES, self._some_note(), note)

    async def _delete_note(self) -> None:
        await self._manager.delete_document(NOTES, self._some_note())

    async def _count(self) -> None:
        amount = self._rng.randrange(1, 10)
        await self._manager.crdt_increment(COUNTS, *COUNTER, amount)
        self._counted += amount

    def _some_note(self) -> str:
        return f"note-{self._rng.randrange(NOTES_COUNT)}"


async def answer_requests(store_path: str, device_id: str, address: str, *settings: str) -> None:
    """Answer until the input ends; the API key comes in SOLIDB_API_KEY."""
    timeout_ms, interval_seconds = settings
    client = HttpClient(address, int(timeout_ms), database="flaky", api_key=os.environ["SOLIDB_API_KEY"])
    config = SyncConfig(sync_interval_secs=float(interval_seconds))
    with LocalStore.open(store_path, device_id) as store:
        async with SyncManager(store, client, config) as manager:
            device = EditingDevice(manager, device_id)
            calls: dict[str, Callable[[dict[str, Any]], Awaitable[Any]]] = {
                "edit": device.edit,
                "report": device.report,
                "documents": device.documents,
            }
            answer_line({"result": "ready"})
            while line := await asyncio.to_thread(sys.stdin.readline):
                request = decode(line)
                answer_line({"result": await calls[request["call"]](request)})


if __name__ == "__main__":
    asyncio.run(answer_requests(*sys.argv[1:]))
