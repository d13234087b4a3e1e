"""The floors there were when this device began to fetch from nothing: it has missed no deletion below them.

The server collects old tombstones, and refuses a cursor below the newest of those. That would hit a device too that is on
its way from nothing, and needs none of them; so it says where the floor was when it began. Kept for the ordinary cursor
(under an empty name) and for every collection that catches up by itself.
"""

from __future__ import annotations

import msgspec

from solidb_sync.storage.engine import EngineReader, StorageEngine

FLOORS_SETTING = "floors"

_floors = msgspec.json.Decoder(dict[str, int])


def known_floors(reader: EngineReader) -> dict[str, int]:
    """Return the floors, by collection."""
    text = reader.setting(FLOORS_SETTING)
    return _floors.decode(text) if text else {}


def note_floor(engine: StorageEngine, collection: str | None, floor: int) -> None:
    """Remember the floor there is as a cursor leaves the beginning; 0 when there is none."""
    floors = known_floors(engine)
    name = collection or ""
    if floors.get(name, 0) == floor:
        return
    floors[name] = floor
    engine.put_setting(FLOORS_SETTING, msgspec.json.encode(floors, order="deterministic").decode())
