"""kill -9 of a client that saves while the server is down."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from server_process import ADMIN_KEY, ServerProcess
from solidb_sync import LocalStore, SyncConfig, SyncManager

SAVES = 1_000
KILLED_AFTER = 500


def save_until_killed(store: Path, address: str, *, first: int, count: int, killed_after: int | None) -> list[str]:
    """Run a saving process, kill it after so many acknowledged saves, and return the keys it acknowledged."""
    script = Path(__file__).with_name("saving_process.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(store), address, ADMIN_KEY, str(first), str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    acknowledged = []
    for line in process.stdout:
        acknowledged.append(line.strip())
        if len(acknowledged) == killed_after:
            process.send_signal(signal.SIGKILL)
    process.stdout.close()
    process.wait(30)
    return [key for key in acknowledged if len(key) == len("note-00000")]


@pytest.mark.anyio
async def test_every_save_that_returned_survives_a_kill_and_reaches_the_server_exactly_once(tmp_path: Path) -> None:
    data, store_path = tmp_path / "server", tmp_path / "device.db"
    server = ServerProcess(data)
    server.kill()
    acknowledged = save_until_killed(store_path, server.address, first=0, count=SAVES, killed_after=KILLED_AFTER)
    assert len(acknowledged) >= KILLED_AFTER
    acknowledged += save_until_killed(store_path, server.address, first=SAVES, count=SAVES - KILLED_AFTER, killed_after=None)
    with LocalStore.open(store_path, "device-1") as store:
        held = {key for key, _, _ in store.list_documents("notes")}
        pending = [change.key for change in store.get_pending_changes()]
        assert set(acknowledged) <= held
        assert sorted(pending) == sorted(held)
        server.start()
        try:
            manager = SyncManager(store, server.client("kill"), SyncConfig(auto_sync=False))
            result = await manager.sync_now()
            again = await manager.sync_now()
            await manager.stop()
        finally:
            server.stop()
    assert (result.success, result.pushed, again.pushed, again.pulled) == (True, len(held), 0, 0)
    assert sorted(accepted_keys(data)) == sorted(held)


def accepted_keys(data: Path) -> list[str]:
    """Return the keys of all change-log entries the server wrote: one for each accepted change."""
    connection = sqlite3.connect(next(data.glob("db-*.sqlite")))
    try:
        (outcomes,) = connection.execute("SELECT count(*) FROM outcomes").fetchone()
        (newest,) = connection.execute("SELECT max(seq) FROM latest").fetchone()
        keys = [key for (key,) in connection.execute("SELECT k FROM c_1")]
    finally:
        connection.close()
    assert outcomes == newest == len(keys)
    return keys
