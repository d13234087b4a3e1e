"""The hybrid clock of this device: its last stamp is kept in the store, so that no restart sets it back."""

from __future__ import annotations

from solidb_sync.json_value import decode, encode
from solidb_sync.model.hybrid_clock import is_stamp, next_stamp
from solidb_sync.storage.engine import StorageEngine

CLOCK_SETTING = "hybrid_clock"


def next_device_stamp(engine: StorageEngine, *, now_ms: int) -> str:
    """Return a stamp later than all this device has given out or seen."""
    last = engine.setting(CLOCK_SETTING)
    stamp = next_stamp(now_ms=now_ms, seen="" if last is None else decode(last))
    engine.put_setting(CLOCK_SETTING, encode(stamp).decode())
    return stamp


def note_seen_stamp(engine: StorageEngine, stamp: str) -> None:
    """Let the next stamp be later than this one, which the server has taken from somebody."""
    last = engine.setting(CLOCK_SETTING)
    if is_stamp(stamp) and (last is None or decode(last) < stamp):
        engine.put_setting(CLOCK_SETTING, encode(stamp).decode())
