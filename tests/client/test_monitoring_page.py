"""The page on notifications and numbers: its examples run, and its tables name what there is."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from device_types import DeviceMaker
from solidb_sync import SyncEventKind

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[2] / "docs/MONITORING.md").read_text("utf-8")
EXAMPLES = re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?```python\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("title", "example"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
async def test_the_example_runs(device: DeviceMaker, title: str, example: str) -> None:
    manager = device("phone")
    await manager.start()
    names: dict[str, Any] = {}
    exec(f"async def example(manager):\n{textwrap.indent(example, '    ')}", names)
    await names["example"](manager)


def test_every_section_with_code_is_run_and_every_kind_of_event_is_described() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") == 7
    table = PAGE.partition("| kind | told when")[2].partition("\n\n")[0]
    described = set(re.findall(r"`([a-z_]+)`", "\n".join(row.split("|")[1] for row in table.splitlines()[2:])))
    assert described == {kind.value for kind in SyncEventKind}
