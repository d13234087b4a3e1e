"""What goes over the wire: a one-field edit of a 10 KB document, and a round with nothing to do."""

from __future__ import annotations

import asyncio
import random
import tempfile
from pathlib import Path

from benchmarks.report import Figure
from benchmarks.server_process import RunningServer, running_server
from solidb_sync import LocalStore, SyncConfig, SyncManager

DEVICE_A = "7b0e6f0c-6d5c-4b7e-9a55-0d3f3f6a1c01"
DEVICE_B = "e3a1d3a4-52d8-4a0e-8b57-9f2a5b7c9d02"


async def _measured(server: RunningServer, directory: Path) -> list[Figure]:
    rng = random.Random(1)
    large = {f"field_{number}": f"{rng.getrandbits(400):0100x}" for number in range(90)}
    config = SyncConfig(auto_sync=False)
    with LocalStore.open(directory / "a.db", DEVICE_A) as first, LocalStore.open(directory / "b.db", DEVICE_B) as second:
        author = SyncManager(first, server.client("wire"), config)
        reader = SyncManager(second, server.client("wire"), config)
        await author.save_document("notes", "large", large)
        await author.sync_now()
        await reader.sync_now()
        await author.save_document("notes", "large", {"field_7": "changed"})
        sent = await _bytes_of_round(author)
        received = await _bytes_of_round(reader)
        idle = await _bytes_of_round(reader)
        document = await reader.get_document("notes", "large")
        assert document is not None
        assert document["field_7"] == "changed"
        for manager in (author, reader):
            await manager.stop()
    return [
        Figure("one-field edit of 10 KB: request body", sent[1], "bytes", most=500),
        Figure("one-field edit of 10 KB: its answer", sent[2], "bytes", most=500),
        Figure("one-field edit of 10 KB: the other's request", received[1], "bytes", most=500),
        Figure("one-field edit of 10 KB: the other's answer", received[2], "bytes", most=500),
        Figure("requests of a round with nothing to do", idle[0], "requests", most=1),
    ]


async def _bytes_of_round(manager: SyncManager) -> tuple[int, int, int]:
    before = await manager.status()
    result = await manager.sync_now()
    assert result.success, result.errors
    after = await manager.status()
    return (
        after.requests - before.requests,
        after.bytes_sent - before.bytes_sent,
        after.bytes_received - before.bytes_received,
    )


def measure() -> list[Figure]:
    """Return bytes and requests."""
    with running_server() as server, tempfile.TemporaryDirectory() as name:
        return asyncio.run(_measured(server, Path(name)))
