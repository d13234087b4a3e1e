"""kill -9 of the server while clients push."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from server_process import ServerProcess
from solidb_sync import LocalStore, SyncConfig, SyncManager

KILLS = 20
SAVES_BETWEEN_KILLS = 40
RECOVERY_SECONDS_MAX = 60


@pytest.mark.anyio
async def test_a_server_killed_twenty_times_during_push_loses_and_doubles_nothing(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "server")
    chance = random.Random(7)
    config = SyncConfig(sync_interval_secs=0.2, batch_size=7)
    try:
        with (
            LocalStore.open(tmp_path / "a.db", "device-a") as first,
            LocalStore.open(tmp_path / "b.db", "device-b") as second,
        ):
            async with (
                SyncManager(first, server.client("kill", 2000), config, random_source=random.Random(1)) as author,
                SyncManager(second, server.client("kill", 2000), config, random_source=random.Random(2)) as other,
            ):
                saved = 0
                for _ in range(KILLS):
                    for _ in range(SAVES_BETWEEN_KILLS):
                        await author.save_document("notes", f"note-{saved:05d}", {"number": saved})
                        await other.save_document("counts", f"count-{saved % 10}", {f"field_{saved}": saved})
                        saved += 1
                    await asyncio.sleep(chance.uniform(0, 0.05))  # the moment of the kill is what varies
                    await asyncio.to_thread(server.kill)
                    await asyncio.to_thread(server.start)
                await asyncio.wait_for(_until_drained(author, other), RECOVERY_SECONDS_MAX)
                assert (await author.sync_now()).success
                assert (await other.sync_now()).success
                assert (await author.sync_now()).success
                for manager in (author, other):
                    notes = dict(await manager.query_documents("notes"))
                    assert [note["number"] for note in notes.values()] == list(range(saved))
                    counts = dict(await manager.query_documents("counts"))
                    fields = {name: value for doc in counts.values() for name, value in doc.items() if name[0] == "f"}
                    assert fields == {f"field_{number}": number for number in range(saved)}
                    versions = [await manager.get_document("notes", key, meta=True) for key in notes]
                    assert {tuple(found["_version"].items()) for found in versions if found} == {
                        (("device-a", number + 1),) for number in range(saved)
                    }
    finally:
        server.stop()


async def _until_drained(*managers: SyncManager) -> None:
    """Return when every change is answered for, without any call that starts a round: recovery is the loop's own work."""
    while any([(await manager.status()).pending for manager in managers]):
        await asyncio.sleep(0.05)
