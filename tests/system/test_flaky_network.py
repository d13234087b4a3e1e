"""Five device processes behind faulty proxies: the short form of the story that `make soak` tells at full length."""

from __future__ import annotations

from pathlib import Path

import pytest

from server_process import ADMIN_KEY, ServerProcess
from solidb_sync.testing.faulty_proxy import Partition, ProxyFaults
from solidb_sync.testing.flaky_world import Story, tell

FAULTS = ProxyFaults(drop_request=0.1, drop_answer=0.1, truncate=0.1, silent=0.2, delay_seconds=0.01)
SHORT = Story(
    edits=60,
    edit_seconds=3,
    partition=Partition.REFUSING,
    partition_seconds=4,
    edits_in_partition=20,
    timeout_ms=500,
    interval_seconds=1,
    faults=FAULTS,
)
ATTEMPTS_MAX = 40
"""Of one device in the partition, rounds and doorbell: six retries of each at ever longer delays, then every 3 s."""
REQUESTS_AFTER_MAX = 25
"""Of one device until all have converged: a few to push, and one for each push of the four others."""


@pytest.mark.anyio
async def test_devices_converge_by_themselves_after_faults_and_after_a_partition(tmp_path: Path) -> None:
    """No field that a device wrote alone is lost, nothing stays pending, and recovery is no storm of requests."""
    server = ServerProcess(tmp_path / "server")
    try:
        outcome = await tell(SHORT, server=server.address, api_key=ADMIN_KEY, directory=tmp_path)
    finally:
        server.stop()
    assert outcome.differences == []
    assert outcome.requests_hit > 10
    assert outcome.converge_seconds < SHORT.patience_seconds
    assert outcome.drain_seconds < SHORT.patience_seconds
    assert outcome.attempts_in_partition <= ATTEMPTS_MAX
    assert outcome.requests_after <= REQUESTS_AFTER_MAX
