"""Runs every case of `cases/*.case`; adding one needs no Python."""

import json
from pathlib import Path
from typing import Any

import case_files
import pytest

import sdbql

HERE = Path(__file__).parent
NOW_MS = 1_705_314_600_123  # 2024-01-15T10:30:00.123Z


CASES = [
    pytest.param(case, id=f"{path.stem}: {case.title}")
    for path in sorted((HERE / "cases").glob("*.case"))
    for case in case_files.read_cases(path)
]


def as_json(value: Any) -> str:
    """Return JSON text in which 1, 1.0 and true differ only as SDBQL has it."""
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value == int(value) and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [_plain(element) for element in value]
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    return value


def run(case: Any) -> list[Any]:
    """Run a case at a fixed time, and with 0.5 for every random number."""
    return sdbql.run(case.query, case.binds, case.source, now_ms=NOW_MS, random_number=lambda: 0.5)


@pytest.mark.parametrize("case", CASES)
def test_case(case: Any) -> None:
    """The query of a case gives its rows, keys in order, or its error."""
    if case.error is None:
        assert as_json(run(case)) == as_json(case.rows)
        return
    with pytest.raises(sdbql.QueryError) as caught:
        run(case)
    assert caught.value.message == case.error
    assert caught.value.line is not None, "an error shows its place"
