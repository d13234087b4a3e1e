"""How long a save takes to reach 200 live devices, each with a store and a socket of its own.

The server is a process, the author another, and the 200 devices share two more: their times are those of an application that
listens to `changes()`. Stores are in memory, because 200 files on one disk would measure the disk; the server flushes.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time

from benchmarks.report import Figure
from benchmarks.server_process import RunningServer, running_server
from solidb_sync import HttpClient, LocalStore, SyncManager

DEVICES = 200
PROCESSES = 2
SAVES = 30
PAUSE_SECONDS = 0.25
START_SECONDS_MAX = 120.0
ARRIVAL_SECONDS_MAX = 20.0


async def listen(url: str, key: str, process: str, count: str) -> None:
    """Run devices that note when each change arrives; print one JSON line for each save, when all of them have it."""
    devices = range(int(count))
    stores = [LocalStore.open(":memory:", f"device-{process}-{number}", engine="memory") for number in devices]
    managers = [SyncManager(store, HttpClient(url, 60_000, database="crowd", api_key=key)) for store in stores]
    arrivals: dict[str, list[float]] = {}
    complete: asyncio.Queue[str] = asyncio.Queue()

    async def note(manager: SyncManager) -> None:
        async for event in manager.changes("notes", source="remote"):
            known = arrivals.setdefault(event.key, [])
            known.append(time.time())
            if len(known) == len(managers):
                complete.put_nowait(event.key)

    listening = [asyncio.create_task(note(manager)) for manager in managers]
    for manager in managers:
        await manager.start()
    while True:
        saved = await complete.get()
        sys.stdout.write(json.dumps([saved, arrivals.pop(saved)]) + "\n")
        sys.stdout.flush()
        assert not any(task.done() for task in listening)


async def measure_crowd(server: RunningServer) -> list[list[float]]:
    """Return, for each save, the milliseconds after which each device had it."""
    share = str(DEVICES // PROCESSES)
    command = [sys.executable, "-m", "benchmarks.crowd", server.url, server.key]
    crowd = [
        await asyncio.create_subprocess_exec(*command, str(number), share, stdout=subprocess.PIPE, limit=1024 * 1024)
        for number in range(PROCESSES)
    ]
    try:
        with LocalStore.open(":memory:", "device-author", engine="memory") as store:
            async with SyncManager(store, server.client("crowd")) as author:
                await author.save_document("notes", "first", {"number": -1})
                await _arrived(crowd, "first", START_SECONDS_MAX)
                await asyncio.sleep(2)  # the streams of the last devices open
                latencies = []
                for number in range(SAVES):
                    begun = time.time()
                    await author.save_document("notes", f"note-{number}", {"number": number, "text": "hello"})
                    arrived = await _arrived(crowd, f"note-{number}", ARRIVAL_SECONDS_MAX)
                    latencies.append(sorted((moment - begun) * 1000 for moment in arrived))
                    await asyncio.sleep(PAUSE_SECONDS)
                return latencies
    finally:
        for process in crowd:
            process.terminate()
            await process.wait()


async def _arrived(crowd: list[asyncio.subprocess.Process], key: str, seconds_max: float) -> list[float]:
    """Return when each device of every process had a document."""
    moments: list[float] = []
    for process in crowd:
        assert process.stdout is not None
        saved, arrivals = json.loads(await asyncio.wait_for(process.stdout.readline(), seconds_max))
        assert saved == key
        moments.extend(arrivals)
    return moments


def measure() -> list[Figure]:
    """Return when half of the devices had a save, and when all of them had, each as the median of the saves."""
    with running_server() as server:
        latencies = asyncio.run(measure_crowd(server))
    middle = [save[len(save) // 2] for save in latencies]
    last = [save[-1] for save in latencies]
    return [
        Figure(f"save to changes() of half of {DEVICES} devices, p50", statistics.median(middle), "ms"),
        Figure(f"save to changes() of all {DEVICES} devices, p50", statistics.median(last), "ms", most=60),
        Figure(f"save to changes() of all {DEVICES} devices, worst of {SAVES}", max(last), "ms"),
    ]


if __name__ == "__main__":
    asyncio.run(listen(*sys.argv[1:5]))
