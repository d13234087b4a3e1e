"""docs/conflicts.md: its tables name every strategy. Its examples are run in `test_guides`."""

from __future__ import annotations

import re
from pathlib import Path

from solidb_sync import ConflictStatus, ConflictStrategy
from solidb_sync.client.conflict_handling import CALL_SECONDS_MAX

TEXT = (Path(__file__).parents[2] / "docs/conflicts.md").read_text("utf-8")


def test_the_guide_names_every_way_to_decide_every_status_and_the_bound() -> None:
    rows = re.findall(r"^\| `(\w+)", TEXT, re.MULTILINE)
    ways = {name for name in vars(ConflictStrategy) if name.isupper()} | {"last_write_wins", "merge_fields", "custom"}
    assert set(rows) == ways
    assert all(f"`{status.name}`" in TEXT for status in ConflictStatus)
    assert CALL_SECONDS_MAX == 10
    assert "at most ten\nseconds" in TEXT
