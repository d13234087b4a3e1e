"""Two devices and one server: offline edits that merge. Needs a running server and a key.

solidb-sync token create --data ./server --database example --name both > both.key
solidb-sync serve --data ./server
SOLIDB_API_KEY=$(cat both.key) python examples/two_devices.py
"""

import asyncio
import os
import tempfile
from pathlib import Path

from solidb_sync import HttpClient, SyncConfig, SyncManager


def device(name: str, directory: Path) -> SyncManager:
    """Return a device with a store of its own, which syncs when it is told to."""
    url = os.environ.get("SOLIDB_URL", "localhost:6745")
    client = HttpClient(url, database="example", api_key=os.environ["SOLIDB_API_KEY"])
    config = SyncConfig(auto_sync=False, local_storage_path=str(directory / f"{name}.db"))
    return SyncManager.open(config, client, device_id=name)


async def main() -> None:
    """Edit one note on both devices, then bring them together."""
    with tempfile.TemporaryDirectory() as name:
        phone, laptop = device("phone", Path(name)), device("laptop", Path(name))
        async with phone, laptop:
            await phone.save_document("notes", "trip", {"where": "Lisbon", "days": 3})
            await phone.sync_now()
            await laptop.sync_now()

            await phone.save_document("notes", "trip", {"days": 4})
            await laptop.save_document("notes", "trip", {"hotel": "by the river"})
            for one in (phone, laptop, phone):
                await one.sync_now()
            print(await phone.get_document("notes", "trip"))
            print(await laptop.get_document("notes", "trip"))


asyncio.run(main())
