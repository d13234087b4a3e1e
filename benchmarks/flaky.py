"""How soon five device processes with 200 edits each agree after a bad network, and after one that was cut for 30 s."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import Figure
from benchmarks.server_process import running_server
from solidb_sync.testing.faulty_proxy import Partition
from solidb_sync.testing.flaky_world import Outcome, Story, tell


def outcome_of(story: Story) -> Outcome:
    """Tell a story over a server of its own; nothing may be lost in it."""
    with running_server() as server, tempfile.TemporaryDirectory() as name:
        address = server.url.removeprefix("http://")
        outcome = asyncio.run(tell(story, server=address, api_key=server.key, directory=Path(name)))
    assert not outcome.differences, outcome.differences
    return outcome


def measure() -> Iterator[Figure]:
    """Yield the figures of both kinds of partition: silent, and refusing connections."""
    for partition in (Partition.SILENT, Partition.REFUSING):
        name = f"{partition.value} partition of 30 s"
        outcome = outcome_of(Story(partition=partition))
        yield Figure("5 devices converge after the faults end", outcome.converge_seconds, "s", most=60)
        yield Figure(f"{name}: queues drained after", outcome.drain_seconds, "s", most=30)
        yield Figure(f"{name}: attempts of the busiest device", outcome.attempts_in_partition, "attempts", most=40)
        yield Figure(f"{name}: its requests until all agree", outcome.requests_after, "requests", most=25)
        yield Figure("requests dropped or cut while all edited", outcome.requests_hit, "requests")
