"""A client process for tests: puts, sends or fetches one attachment, and prints a line for every step it has taken.

`put` reads a file and prints each piece; `send` and `fetch` print every piece that has gone over the wire. In the end it
prints `done`, and the most memory it had in use, in KiB, beyond what it had before it began.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from solidb_sync import HttpClient, LocalStore, SyncConfig, SyncManager
from solidb_sync.client.transport.transport import TransportAnswer
from solidb_sync.model.attachment import CHUNK_BYTES


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


class TellingClient(HttpClient):
    """Says when a piece has gone over the wire."""

    async def exchange(self, method, path, *, query=None, body=None) -> TransportAnswer:  # type: ignore[no-untyped-def]
        answer = await super().exchange(method, path, query=query, body=body)
        if "/attachments/" in path and method != "HEAD":
            say(f"piece {query['offset']}")
        return answer


async def pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            yield piece
            say("piece")


async def main(task: str, store_path: str, address: str, key: str, file: str) -> None:
    client = TellingClient(address, 10_000, database="attached", api_key=key)
    with LocalStore.open(store_path, Path(store_path).stem) as store:
        manager = SyncManager(store, client, SyncConfig(auto_sync=False))
        await manager.collect_attachments()
        if task == "put":
            await manager.save_document("notes", "n1", {"title": "Oslo"})
        await manager.sync_now()
        say("ready")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        match task:
            case "put":
                await manager.put_attachment("notes", "n1", "a", pieces(Path(file)))
            case "send":
                assert (await manager.sync_attachments()).success
            case "fetch":
                async with await manager.open_attachment("notes", "n1", "a") as reader:
                    await reader.save_to(file)
        say(f"done {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before}")
        await manager.sync_now()
        await manager.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
