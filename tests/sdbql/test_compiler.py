"""Two executors, one meaning: what runs in SQLite gives exactly what the interpreter gives."""

import json
import os
from pathlib import Path
from typing import Any

import case_files
import pytest
import random_queries
import sql_store

import sdbql

HERE = Path(__file__).parent
NOW_MS = 1_705_314_600_123
SEEDS = range(int(os.environ.get("COMPILER_SEEDS", "100")))
CASES_OF_A_SEED = 200
DOCUMENTS_EVERY = 50


CASES = [
    pytest.param(case, id=f"{path.stem}: {case.title}")
    for path in sorted((HERE / "cases").glob("*.case"))
    for case in case_files.read_cases(path)
    if case.source
]


def outcome(text: str, binds: dict[str, Any], source: Any) -> str:
    """Return the results as text in which only equal values are alike, or the error with its place."""
    try:
        results = sdbql.run(text, binds, source, now_ms=NOW_MS, random_number=lambda: 0.5)
    except sdbql.QueryError as error:
        return str(error)
    return json.dumps([_plain(result) for result in results], ensure_ascii=True, sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value == int(value):
        return int(value)
    if isinstance(value, list):
        return [_plain(element) for element in value]
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    return value


@pytest.mark.parametrize("seed", SEEDS)
def test_random_queries_mean_the_same_in_both_executors(seed: int) -> None:
    """Rows, their order, and errors."""
    generator = random_queries.Generator(seed)
    for number in range(CASES_OF_A_SEED):
        if number % DOCUMENTS_EVERY == 0:
            store = sql_store.SqlStore(generator.documents(), generator.indexes())
            scanned = store.scanned()
        case = generator.case()
        expected, found = outcome(case.text, case.binds, scanned), outcome(case.text, case.binds, store)
        assert found == expected, (seed, number, case.text, case.binds, store.statements[-2:])


@pytest.mark.parametrize("case", CASES)
def test_every_case_means_the_same_in_both_executors(case: Any) -> None:
    """The queries of the case files, over their documents in SQLite."""
    store = sql_store.SqlStore(case.source)
    expected, found = outcome(case.query, case.binds, store.scanned()), outcome(case.query, case.binds, store)
    assert found == expected
