"""The runs of the server that this device knows of.

By the newest of them that a restored server still knows, the two find up to where their histories are the same one.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from solidb_sync.protocol.limits import RUNS_KEPT
from solidb_sync.storage.engine import EngineReader, StorageEngine

RUNS_SETTING = "runs"

_runs = msgspec.json.Decoder(list[str])


def seen_runs(reader: EngineReader) -> list[str]:
    """Return the runs, the newest last."""
    text = reader.setting(RUNS_SETTING)
    return _runs.decode(text) if text else []


def note_runs(engine: StorageEngine, runs: Sequence[str]) -> None:
    """Remember the runs of a server, of which an answer told."""
    earlier = [known for known in seen_runs(engine) if known not in runs]
    engine.put_setting(RUNS_SETTING, msgspec.json.encode([*earlier, *runs][-RUNS_KEPT:]).decode())
