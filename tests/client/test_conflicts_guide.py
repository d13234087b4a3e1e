"""docs/conflicts.md: its examples run, and its tables name every strategy."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from device_types import DeviceMaker
from solidb_sync import ConflictResolution, ConflictStatus, ConflictStrategy
from solidb_sync.client.conflict_handling import CALL_SECONDS_MAX

pytestmark = pytest.mark.anyio
TEXT = (Path(__file__).parents[2] / "docs/conflicts.md").read_text("utf-8")


async def test_the_examples_of_the_guide_run(device: DeviceMaker) -> None:
    """From top to bottom, on two devices."""
    example = "\n".join(re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
    known = {
        "phone": device("phone"),
        "laptop": device("laptop"),
        "ConflictResolution": ConflictResolution,
        "ConflictStatus": ConflictStatus,
        "ConflictStrategy": ConflictStrategy,
    }
    await eval(compile(example, "docs/conflicts.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), known)


def test_the_guide_names_every_way_to_decide_every_status_and_the_bound() -> None:
    rows = re.findall(r"^\| `(\w+)", TEXT, re.MULTILINE)
    ways = {name for name in vars(ConflictStrategy) if name.isupper()} | {"last_write_wins", "merge_fields", "custom"}
    assert set(rows) == ways
    assert all(f"`{status.name}`" in TEXT for status in ConflictStatus)
    assert CALL_SECONDS_MAX == 10
    assert "at most ten\nseconds" in TEXT
