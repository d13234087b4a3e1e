"""Everything local works while no server process runs, and outlives SIGKILL right after the call has returned."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from server_process import ADMIN_KEY, ServerProcess
from solidb_sync import LocalStore, SyncConfig, SyncManager

FIELDS = {
    "visits": 3,
    "name": "ann",
    "seen": ["x"],
    "tags": ["blue"],
    "places": {"home": "Paris"},
    "stock": 2,
}
NOTES = {"kept": {"n": 2, "text": "one"}, "t1": {"n": 4}, "t2": {"n": 5}, "last": {"n": 7}}


async def held(manager: SyncManager) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the notes and the fields a device shows, without the attributes that reads add."""
    notes, fields = [
        {
            key: {name: value for name, value in doc.items() if name[0] != "_"}
            for key, doc in await manager.query_documents(col)
        }
        for col in ("notes", "fields")
    ]
    return notes, fields


@pytest.mark.anyio
async def test_every_local_call_works_without_a_server_survives_a_kill_and_is_pushed_on_the_next_connection(
    tmp_path: Path,
) -> None:
    """O1: saves, deletions, a transaction, every replicated type, and the calls of the store itself."""
    server = ServerProcess(tmp_path / "server")
    server.kill()
    script = Path(__file__).with_name("working_process.py")
    command = [sys.executable, str(script), str(tmp_path / "device.db"), server.address]
    ended = subprocess.run(command, env={**os.environ, "SOLIDB_API_KEY": ADMIN_KEY}, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    server.start()
    try:
        with (
            LocalStore.open(tmp_path / "device.db", "device-1") as store,
            LocalStore.open(tmp_path / "empty.db", "device-2") as empty,
        ):
            assert store.get_document("cache", "c") == ({"from": "elsewhere"}, {"elsewhere": 1})
            assert [(known.collection, known.filter) for known in store.list_subscriptions()] == [("notes", "n > 0")]
            assert store.remove_subscription("notes")
            device, other = [
                SyncManager(each, server.client("work"), SyncConfig(auto_sync=False)) for each in (store, empty)
            ]
            assert await held(device) == (NOTES, {"f": FIELDS})
            waiting = len(await device.pending_changes())
            result = await device.sync_now()
            assert (result.success, result.pushed, await device.pending_changes()) == (True, waiting, [])
            assert (await other.sync_now()).success
            assert await held(other) == ({**NOTES, "byhand": {"n": 6}}, {"f": FIELDS})
            for manager in (device, other):
                await manager.stop()
    finally:
        server.stop()
