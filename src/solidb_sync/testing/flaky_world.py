"""Real device processes, each behind a faulty proxy of its own, before one real server: do they converge by themselves?

The story: all devices edit while requests and answers are dropped, cut and late; the faults end, and all must come to
hold the same. Then the network is cut while all edit again; it heals, and the queues must drain. Nobody asks for a round
at any time, and the requests are counted, so that a recovery by storm is seen too.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from solidb_sync.cli.demo.processes import Child, child
from solidb_sync.cli.output import json_text
from solidb_sync.json_value import decode
from solidb_sync.testing.editing_process import BOARDS, COLLECTIONS, COUNTER, COUNTS
from solidb_sync.testing.faulty_proxy import FaultyProxy, Partition, ProxyFaults

POLL_SECONDS = 0.1
FAULTS = ProxyFaults(drop_request=0.1, drop_answer=0.1, truncate=0.1, silent=0.2, delay_seconds=0.05)


@dataclass(frozen=True, slots=True)
class Story:
    """How long the story is. `edit_seconds` is over how long the edits of each half are spread."""

    devices: int = 5
    edits: int = 200
    edit_seconds: float = 20
    partition: Partition = Partition.SILENT
    partition_seconds: float = 30
    edits_in_partition: int = 50
    timeout_ms: int = 5_000
    interval_seconds: float = 30
    patience_seconds: float = 90
    faults: ProxyFaults = FAULTS


@dataclass(slots=True)
class Outcome:
    """What came of it.

    `attempts_in_partition` and `requests_after` are those of the busiest device: connections and requests tried while the
    network was cut, and requests from its healing until all had converged again. `differences` is empty when all is well.
    """

    converge_seconds: float = 0
    drain_seconds: float = 0
    attempts_in_partition: int = 0
    requests_after: int = 0
    requests_hit: int = 0
    requests: int = 0
    differences: list[str] = field(default_factory=list)


class FlakyDevice:
    """One device's process and the proxy before it."""

    def __init__(self, name: str, process: Child, proxy: FaultyProxy) -> None:
        self.name = name
        self.proxy = proxy
        self._process = process

    async def call(self, name: str, **arguments: Any) -> Any:
        """Ask the process and return its result."""
        self._process.send_line(json_text({"call": name, **arguments}))
        return decode(await self._process.next_line())["result"]

    @property
    def attempts(self) -> int:
        """Connections and requests so far, whether anything came of them or not."""
        traffic = self.proxy.traffic
        return max(traffic.requests, traffic.connections) + traffic.refused


async def tell(story: Story, *, server: str, api_key: str, directory: Path, seed: int = 7) -> Outcome:
    """Run the story against a server (`host:port`) and return what came of it; the devices' files go into `directory`."""
    outcome = Outcome()
    async with AsyncExitStack() as stack:
        devices = [
            await stack.enter_async_context(_device(f"device{n}", story, server, api_key, directory, seed + n))
            for n in range(story.devices)
        ]
        await _edit(devices, story.edits, story.edit_seconds)
        for device in devices:
            outcome.requests_hit += sum(list(device.proxy.traffic.fates.values())[1:])
            device.proxy.faults = ProxyFaults()
        outcome.converge_seconds = await _seconds_until_converged(devices, story)
        before = [device.attempts for device in devices]
        for device in devices:
            await device.proxy.cut(story.partition)
        await _edit(devices, story.edits_in_partition, story.partition_seconds * 0.9)
        await asyncio.sleep(story.partition_seconds * 0.1)
        healed = [device.attempts for device in devices]
        outcome.attempts_in_partition = max(after - first for first, after in zip(before, healed, strict=True))
        for device in devices:
            device.proxy.heal()
        outcome.drain_seconds = await _seconds_until_converged(devices, story)
        outcome.requests_after = max(device.attempts - first for first, device in zip(healed, devices, strict=True))
        outcome.requests = sum(device.proxy.traffic.requests for device in devices)
        outcome.differences = await _differences(devices)
    return outcome


@asynccontextmanager
async def _device(
    name: str, story: Story, server: str, api_key: str, directory: Path, seed: int
) -> AsyncIterator[FlakyDevice]:
    rng = random.Random(seed)
    async with FaultyProxy(server, rng, story.faults) as proxy:
        settings = (str(story.timeout_ms), str(story.interval_seconds))
        arguments = (str(directory / f"{name}.db"), name, proxy.address, *settings)
        log = directory / f"{name}.log"
        async with child(name, log, "solidb_sync.testing.editing_process", *arguments, api_key=api_key) as process:
            await process.next_line()
            yield FlakyDevice(name, process, proxy)


async def _edit(devices: list[FlakyDevice], count: int, seconds: float) -> None:
    """Let all devices edit, and return when all have."""
    for device in devices:
        await device.call("edit", count=count, seconds=seconds)
    for device in devices:
        while (await device.call("report"))["edits_left"]:  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(POLL_SECONDS)


async def _seconds_until_converged(devices: list[FlakyDevice], story: Story) -> float:
    """Return how long it takes until nothing is pending and all hold the same; looks on, and touches nothing.

    Gives up after `patience_seconds`: the differences will tell.
    """
    begun = time.monotonic()
    while (taken := time.monotonic() - begun) < story.patience_seconds:
        reports = [await device.call("report") for device in devices]
        if not any(report["pending"] for report in reports) and len({report["digest"] for report in reports}) == 1:
            break
        await asyncio.sleep(POLL_SECONDS)
    return taken


async def _differences(devices: list[FlakyDevice]) -> list[str]:
    """Return what the devices do not agree on, and what one of them wrote that is missing anywhere."""
    reports = [await device.call("report") for device in devices]
    found = [
        f"{device.name}: {report['pending']} pending, {report['rejected']} rejected"
        for device, report in zip(devices, reports, strict=True)
        if report["pending"] or report["rejected"]
    ]
    for collection in COLLECTIONS:
        shown = [await device.call("documents", collection=collection) for device in devices]
        found += [
            f"{collection}: {device.name} and {devices[0].name} differ"
            for device, documents in zip(devices, shown, strict=True)
            if documents != shown[0]
        ]
        if collection == COUNTS:
            (key, field), counted = COUNTER, sum(report["counted"] for report in reports)
            value = shown[0].get(key, {}).get(field, 0)
            found += [f"{key}.{field}: {value} instead of {counted}"] if value != counted else []
        if collection == BOARDS:
            found += [
                f"{device.name}: {board}.{name} is lost"
                for device, report in zip(devices, reports, strict=True)
                for board, fields in report["own_fields"].items()
                for name, value in fields.items()
                if shown[0].get(board, {}).get(name) != value
            ]
    return found
