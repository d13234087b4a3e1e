"""What tests about conflicts share: devices that hold the same document, and edits of it that do not know each other."""

from __future__ import annotations

import asyncio
from typing import Any

from device_types import DeviceMaker
from solidb_sync import ConflictStrategy, SyncManager

LWW, HLC = ConflictStrategy.LAST_WRITE_WINS, ConflictStrategy.last_write_wins("hlc")
FWW, MANUAL = ConflictStrategy.FIRST_WRITE_WINS, ConflictStrategy.MANUAL
MERGE, MERGE_MANUAL = ConflictStrategy.MERGE_FIELDS, ConflictStrategy.merge_fields("manual")
START = {"title": "start", "body": "start", "tag": "start"}


async def shown(manager: SyncManager, key: str = "a") -> dict[str, Any] | None:
    """Return a document without the fields that reads add."""
    found = await manager.get_document("notes", key)
    return found and {name: value for name, value in found.items() if not name.startswith("_")}


async def settled(*managers: SyncManager) -> None:
    """Sync until nobody has anything to send or to fetch."""
    for _ in range(2):
        for manager in managers:
            result = await manager.sync_now()
            assert result.success, result.errors


async def pair(device: DeviceMaker, strategy: ConflictStrategy, **settings: Any) -> tuple[SyncManager, SyncManager]:
    """Return two devices that hold the same document."""
    phone, laptop = (device(name, conflict_strategy=strategy, **settings) for name in ("phone", "laptop"))
    await phone.save_document("notes", "a", START)
    await settled(phone, laptop)
    return phone, laptop


async def clash(phone: SyncManager, laptop: SyncManager) -> None:
    """Both write the title, each another field besides; the phone arrives first."""
    await phone.save_document("notes", "a", {"title": "phone", "body": "phone"})
    await asyncio.sleep(0.002)  # a millisecond of the wall clock is between the stamps
    await laptop.save_document("notes", "a", {"title": "laptop", "tag": "laptop"})
    await settled(phone, laptop, phone)


def document(title: str, body: str, tag: str) -> dict[str, str]:
    """Return a document of these tests."""
    return {"title": title, "body": body, "tag": tag}
