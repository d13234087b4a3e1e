"""How long a save on one device takes to reach another's `changes()`, with everything flushed to the disk on the way.

The server and the two devices are three processes, as in life.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Figure
from benchmarks.server_process import RunningServer, running_server
from solidb_sync import HttpClient, LocalStore, SyncConfig, SyncManager

SAVES = 200
PAUSE_SECONDS = 0.02


async def reader(url: str, key: str, path: str) -> None:
    """Print the time at which each change arrives, one JSON line each; run as a process of its own."""
    with LocalStore.open(path, "device-reader") as store:
        async with SyncManager(store, HttpClient(url, database="doorbell", api_key=key), SyncConfig()) as manager:
            events = manager.changes("notes", source="remote")
            async for event in events:
                arrived = time.time()
                sys.stdout.write(json.dumps([event.key, arrived]) + "\n")
                sys.stdout.flush()


async def measure_latency(server: RunningServer, directory: Path) -> list[float]:
    """Return the milliseconds from each save's call to its arrival in the other process."""
    command = [sys.executable, "-m", "benchmarks.doorbell", server.url, server.key, str(directory / "reader.db")]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    latencies = []
    try:
        with LocalStore.open(directory / "writer.db", "device-writer") as store:
            async with SyncManager(store, server.client("doorbell"), SyncConfig()) as manager:
                await _until_listening(manager, process.stdout)
                for number in range(SAVES):
                    begun = time.time()
                    await manager.save_document("notes", f"note-{number}", {"number": number, "text": "hello"})
                    key, arrived = json.loads(await asyncio.wait_for(process.stdout.readline(), 10))
                    assert key == f"note-{number}"
                    latencies.append((arrived - begun) * 1000)
                    await asyncio.sleep(PAUSE_SECONDS)
    finally:
        process.terminate()
        await process.wait()
    return latencies


async def _until_listening(manager: SyncManager, arrivals: asyncio.StreamReader) -> None:
    """Save until the other process reports a change: then it listens."""
    await manager.save_document("notes", "first", {"number": -1})
    await asyncio.wait_for(arrivals.readline(), 20)


def measure() -> list[Figure]:
    """Return the middle and the tail of the latencies."""
    with running_server() as server, tempfile.TemporaryDirectory() as name:
        latencies = sorted(asyncio.run(measure_latency(server, Path(name))))
    return [
        Figure("save to another device's changes(), p50", statistics.median(latencies), "ms", most=8),
        Figure("save to another device's changes(), p95", latencies[int(len(latencies) * 0.95)], "ms"),
    ]


if __name__ == "__main__":
    asyncio.run(reader(*sys.argv[1:4]))
