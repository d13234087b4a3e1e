"""The guides are run as a reader would: blocks are pasted into `python -m asyncio`, against a real server; scripts are run.

Of their text only the name of the database is another here, so that each has one of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from server_process import ADMIN_KEY, ServerProcess

DOCS = Path(__file__).parents[2] / "docs"
SECONDS_MAX = 60
END = "that was the last line"


@pytest.mark.parametrize("page", ["conflicts.md", "crdts.md", "selective-sync.md", "space.md", "INDEXES.md"])
def test_the_blocks_of_a_guide_run_one_after_the_other_with_nothing_prepared(
    page: str, server: ServerProcess, database: str, tmp_path: Path
) -> None:
    text = (DOCS / page).read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert sum(block.count('database="guide"') for block in blocks) == 1
    pasted = "\n\n".join([*blocks, f"print({END!r})", ""]).replace('database="guide"', f"database={database!r}")
    told = subprocess.run(
        [sys.executable, "-m", "asyncio"],
        input=pasted,
        cwd=tmp_path,
        env={**os.environ, "SOLIDB_URL": server.address, "SOLIDB_API_KEY": ADMIN_KEY},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=True,
    )
    assert "Error" not in told.stderr, told.stderr
    assert END in told.stdout


@pytest.mark.parametrize("page", ["attachments.md", "encryption.md"])
def test_the_script_of_a_guide_runs_as_it_is_and_without_a_network(page: str, tmp_path: Path) -> None:
    text = (DOCS / page).read_text("utf-8")
    (script,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{script}\nprint({END!r})"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=True,
    )
    assert told.stderr == ""
    assert END in told.stdout
