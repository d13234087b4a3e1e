"""The floors there were when this device began to fetch from nothing: it has missed no deletion below them.

The server collects old tombstones, and refuses a cursor below the newest of those. That would hit a device too that is on
its way from nothing, and needs none of them; so it says where the floor was when it began. Kept for the ordinary cursor
(under an empty name) and for every collection that catches up by itself.

A device that has sent something before it first fetches is not quite on its way from nothing: of what it sent, deletions
may be forgotten. Therefore it remembers from which sequence on the server has anything of it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from solidb_sync.protocol.messages import ChangeResult
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.records import ChangeState

BELOW_FLOOR = "below_floor"
"""The reason for which a device has to fetch everything again: it may have missed deletions."""
FLOORS_SETTING = "floors"
FIRST_SENT_SETTING = "first_sent"

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


def note_first_sent(engine: StorageEngine, results: Iterable[ChangeResult]) -> None:
    """Remember the lowest sequence of what the server took of a device that has not fetched anything yet."""
    text = engine.setting(FIRST_SENT_SETTING)
    taken = [result.seq for result in results if result.seq]
    if taken and (text is None or min(taken) < int(text)):
        engine.put_setting(FIRST_SENT_SETTING, str(min(taken)))


def has_sent_below(reader: EngineReader, floor: int) -> bool:
    """Return whether a deletion of something that this device sent before it first fetched may be forgotten."""
    text = reader.setting(FIRST_SENT_SETTING)
    held = (change.answered for change in reader.changes(state=ChangeState.HELD))
    return any(0 < seq <= floor for seq in (int(text or 0), *held))
