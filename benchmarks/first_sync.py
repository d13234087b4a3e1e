"""100,000 documents into an empty device: the memory of both processes and the time; then one change on top of them all.

The device is a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from benchmarks.documents import documents, json_rows
from benchmarks.memory_use import peak_mb, reset_peak, resident_mb
from benchmarks.report import Figure
from benchmarks.server_process import RunningServer, running_server
from solidb_sync import HttpClient, LocalStore, SyncConfig, SyncManager

MANY, FEW = 100_000, 1_000
BATCH = 1_000
TURNS = 41


async def seed(server: RunningServer, database: str, count: int) -> None:
    """Give the server so many documents, by requests made by hand."""
    client = server.client(database)
    rows = json_rows(documents(count))
    for begin in range(0, count, BATCH):
        changes = ",".join(
            f'{{"collection":"users","key":"{key}","operation":"insert","id":"{uuid.uuid4()}",'
            f'"counter":{begin + at + 1},"document":{text}}}'
            for at, (key, text) in enumerate(rows[begin : begin + BATCH])
        )
        head = f'{{"client_id":"seeder","protocol":1,"last_counter":{begin + BATCH},"changes":['
        answer = await client.exchange("POST", f"/_api/sync/push/{database}", body=f"{head}{changes}]}}".encode())
        assert answer.status == 200, answer.body
    await client.close()


async def device(path: str, url: str, database: str) -> None:
    """Fetch everything into an empty store and print what that took; run as a process of its own."""
    client = HttpClient(url, 60_000, database=database, api_key=os.environ["SOLIDB_API_KEY"])
    with LocalStore.open(path, "device-reader") as store:
        manager = SyncManager(store, client, SyncConfig(auto_sync=False))
        await manager.ping()
        pid = os.getpid()
        before = resident_mb(pid)
        reset_peak(pid)
        begun = time.perf_counter()
        result = await manager.sync_now()
        taken = time.perf_counter() - begun
        sys.stdout.write(json.dumps([result.success, result.pulled, before, peak_mb(pid), taken]) + "\n")
        await manager.stop()


def pull_by_another_process(server: RunningServer, path: Path, database: str) -> tuple[float, float, float]:
    """Return what the device's memory grew by at most, what the server's did, and the seconds."""
    server_before = resident_mb(server.pid)
    reset_peak(server.pid)
    command = [sys.executable, "-m", "benchmarks.first_sync", str(path), server.url, database]
    environment = {**os.environ, "SOLIDB_API_KEY": server.key}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=300)
    success, pulled, before, peak, taken = json.loads(done.stdout)
    assert success
    assert pulled == MANY
    return peak - before, peak_mb(server.pid) - server_before, taken


async def one_change_ms(server: RunningServer, directory: Path, databases: dict[str, int]) -> dict[str, float]:
    """Return how long one change takes from one device to another, on top of so many documents; in turns."""
    config = SyncConfig(auto_sync=False, batch_size=BATCH)
    taken: dict[str, list[float]] = {database: [] for database in databases}
    pairs = {}
    for database, count in databases.items():
        stores = [LocalStore.open(directory / f"{database}-{n}.db", f"{database}-device-{n}") for n in range(2)]
        pairs[database] = [(store, SyncManager(store, server.client(database), config)) for store in stores]
        for _, manager in pairs[database]:
            result = await manager.sync_now()
            assert (result.success, result.pulled) == (True, count)
    for turn in range(TURNS):
        for database, ((_, author), (_, reader)) in pairs.items():
            begun = time.perf_counter()
            await author.save_document("users", "user-0000500", {"score": turn})
            assert (await author.sync_now()).pushed == 1
            assert (await reader.sync_now()).pulled == 1
            taken[database].append((time.perf_counter() - begun) * 1000)
    for two in pairs.values():
        for store, manager in two:
            await manager.stop()
            store.close()
    return {database: statistics.median(times) for database, times in taken.items()}


def measure() -> Iterator[Figure]:
    """Yield memory, time, and the ratio."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with running_server(directory / "server") as server:
            asyncio.run(seed(server, "many", MANY))
            asyncio.run(seed(server, "few", FEW))
        # a fresh server over the same files, whose memory has nothing of the seeding in it
        with running_server(directory / "server") as server:
            grown, server_grown, taken = pull_by_another_process(server, directory / "pulled.db", "many")
            yield Figure("100,000 documents, empty device: seconds", taken, "s")
            yield Figure("the device's memory grows by", grown, "MB", most=80)
            yield Figure("the server's memory grows by", server_grown, "MB", most=80)
            medians = asyncio.run(one_change_ms(server, directory, {"few": FEW, "many": MANY}))
            yield Figure("one change on top of 1,000 documents", medians["few"], "ms")
            yield Figure("one change on top of 100,000 / of 1,000", medians["many"] / medians["few"], "x", most=1.5)


if __name__ == "__main__":
    asyncio.run(device(*sys.argv[1:]))
