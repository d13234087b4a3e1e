"""One field changed in 1 % of 10,000 documents, from one device to another: the time, and every byte on the wire.

The bytes are counted by a proxy between the devices and the server, HTTP heads and answers included; the time is measured
without it.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.documents import documents
from benchmarks.report import Figure
from benchmarks.server_process import RunningServer, running_server
from solidb_sync import HttpClient, LocalStore, SyncConfig, SyncManager
from solidb_sync.testing.faulty_proxy import FaultyProxy

COUNT = 10_000
STEP = 100
TURNS = 15
PAIRS = documents(COUNT)
DEVICES = ("7b0e6f0c-6d5c-4b7e-9a55-0d3f3f6a1c01", "e3a1d3a4-52d8-4a0e-8b57-9f2a5b7c9d02")


@dataclass(frozen=True)
class Pair:
    """The device that edits and the one that reads."""

    author: SyncManager
    reader: SyncManager

    async def carry(self, turn: int) -> float:
        """Change a field of every hundredth document and carry the changes over; returns the milliseconds of both rounds."""
        keys = [f"user-{number:07d}" for number in range(turn % STEP, COUNT, STEP)]
        await asyncio.gather(
            *(self.author.save_document("users", key, {"score": turn + at / 7}) for at, key in enumerate(keys))
        )
        begun = time.perf_counter()
        pushed, pulled = await self.author.sync_now(), await self.reader.sync_now()
        taken = (time.perf_counter() - begun) * 1000
        assert (pushed.pushed, pulled.pulled) == (len(keys), len(keys))
        return taken


def pair_of(stores: list[LocalStore], address: str, key: str) -> Pair:
    """Return the devices, at an address."""
    config = SyncConfig(auto_sync=False, batch_size=1_000)
    clients = [HttpClient(address, 60_000, database="percent", api_key=key) for _ in stores]
    author, reader = [SyncManager(store, client, config) for store, client in zip(stores, clients, strict=True)]
    return Pair(author, reader)


async def measured(server: RunningServer, directory: Path) -> tuple[float, int, int]:
    """Return the median milliseconds, and the bytes of one turn, to the server and from it."""
    stores = [LocalStore.open(directory / f"{name}.db", name) for name in DEVICES]
    pair = pair_of(stores, server.url, server.key)
    for start in range(0, COUNT, 500):
        saves = [pair.author.save_document("users", key, document) for key, document in PAIRS[start : start + 500]]
        await asyncio.gather(*saves)
    await pair.author.sync_now()
    await pair.reader.sync_now()
    taken = [await pair.carry(turn) for turn in range(TURNS)]
    await pair.author.stop()
    await pair.reader.stop()
    async with FaultyProxy(server.url.removeprefix("http://"), random.Random(1)) as proxy:
        through = pair_of(stores, proxy.address, server.key)
        await through.carry(TURNS)
        await through.author.stop()
        await through.reader.stop()
        traffic = proxy.traffic
    for store in stores:
        store.close()
    return statistics.median(taken), traffic.bytes_up, traffic.bytes_down


def measure() -> Iterator[Figure]:
    """Yield time and bytes."""
    with running_server() as server, tempfile.TemporaryDirectory() as name:
        taken, up, down = asyncio.run(measured(server, Path(name)))
    yield Figure("a field in 1 % of 10,000: both rounds", taken, "ms", most=40)
    yield Figure("a field in 1 % of 10,000: to the server", up, "bytes")
    yield Figure("a field in 1 % of 10,000: from the server", down, "bytes")
    yield Figure("a field in 1 % of 10,000: on the wire", (up + down) / 1024, "KiB", most=12)
