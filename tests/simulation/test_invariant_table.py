"""The table of promises in docs/simulation.md is whole, and every check it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
CHECK = re.compile(r"`([\w/.]+)::(\w+)`")


def _rows() -> list[tuple[str, str, str]]:
    return ROW.findall((ROOT / "docs" / "simulation.md").read_text("utf-8"))


def test_the_table_has_every_promise_once_in_order() -> None:
    """Forty of them."""
    assert [int(number) for number, _, _ in _rows()] == list(range(1, 41))


def test_every_check_that_the_table_names_exists() -> None:
    """What is not checked says so, with the reason."""
    for number, promise, checked_by in _rows():
        checks = CHECK.findall(checked_by)
        assert checks or checked_by.startswith("not checked"), f"{number} {promise}: {checked_by}"
        for path, name in checks:
            file = ROOT / path if path.startswith("tests/") else ROOT / "src" / "solidb_sync" / path
            assert f"def {name}(" in file.read_text("utf-8"), f"{number} {promise}: {path} has no {name}"
