"""kill -9 of a device in the middle of its first sync."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from server_process import ADMIN_KEY, ServerProcess
from solidb_sync import LocalStore, SyncConfig, SyncManager

DOCUMENTS = 6_000
KILLS = 2


async def seed(server: ServerProcess) -> None:
    """Give the server its documents."""
    client = server.client("first")
    for begin in range(0, DOCUMENTS, 1_000):
        changes = [
            {
                "collection": "notes",
                "key": f"note-{at:06d}",
                "operation": "insert",
                "id": str(uuid.uuid4()),
                "counter": at + 1,
            }
            | {"document": {"number": at, "text": "x" * 300}}
            for at in range(begin, begin + 1_000)
        ]
        body = {"client_id": "seeder", "protocol": 1, "last_counter": begin + 1_000, "changes": changes}
        answer = await client.exchange("POST", "/_api/sync/push/first", body=json.dumps(body).encode())
        assert answer.status == 200, answer.body
    await client.close()


def pull_until_killed(store: Path, address: str, *, beyond: int) -> None:
    """Run a pulling process and kill it once it has stored a cursor beyond a number."""
    command = [sys.executable, str(Path(__file__).with_name("pulling_process.py")), str(store), address, ADMIN_KEY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) > beyond:
            break
    process.kill()
    process.stdout.close()
    process.wait(30)


@pytest.mark.anyio
async def test_a_first_sync_killed_in_the_middle_goes_on_from_where_it_was(tmp_path: Path) -> None:
    """What is on the disk is what the cursor says, and nothing of it is fetched again."""
    server = ServerProcess(tmp_path / "server")
    path, held = tmp_path / "device.db", 0
    try:
        await seed(server)
        for _ in range(KILLS):
            pull_until_killed(path, server.address, beyond=held + DOCUMENTS // 5)
            with LocalStore.open(path, "device-1") as store:
                cursor = store.view(lambda reader: reader.replica().cursor)
                keys = [key for key, _, _ in store.list_documents("notes")]
                assert keys == [f"note-{at:06d}" for at in range(cursor)]
                assert held < cursor < DOCUMENTS
                held = cursor
        with LocalStore.open(path, "device-1") as store:
            manager = SyncManager(store, server.client("first"), SyncConfig(auto_sync=False))
            result = await manager.sync_now()
            await manager.stop()
            assert (result.success, result.pulled) == (True, DOCUMENTS - held)
            numbers = [document["number"] for _, document, _ in store.list_documents("notes")]
            assert numbers == list(range(DOCUMENTS))
    finally:
        server.stop()
