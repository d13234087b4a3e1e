"""The table of promises in docs/checklist.md has each once, and every test it names is there."""

import ast
import re
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| ([A-Z]\d+) \| ([^|]+) \|$", re.MULTILINE)
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")
GROUPS = {"A": 12, "B": 14, "C": 9, "E": 7, "F": 7, "G": 9, "H": 8, "I": 4, "J": 5, "K": 8, "L": 4, "O": 14}
OTHERS = ("N9", "N10", "N11", "N14", "N15", "N16")
"""Promises of advice and troubleshooting, of which not all can be tested, that are tested as well."""


def _rows() -> list[tuple[str, str]]:
    return ROW.findall((ROOT / "docs" / "checklist.md").read_text("utf-8"))


@lru_cache
def _tests_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def test_the_table_has_every_promise_of_its_groups_once_in_order() -> None:
    promises = [promise for promise, _ in _rows()]
    assert len(promises) == len(set(promises))
    in_groups = [f"{group}{number}" for group, count in GROUPS.items() for number in range(1, count + 1)]
    assert [promise for promise in promises if promise[0] in GROUPS] == in_groups
    assert set(OTHERS) <= set(promises)


def test_every_promise_of_the_table_has_a_test_and_every_test_that_it_names_exists() -> None:
    for promise, tested_by in _rows():
        tests = TEST.findall(tested_by)
        assert tests, f"{promise}: {tested_by}"
        for path, name in tests:
            assert name in _tests_of(path), f"{promise}: {path} has no {name}"
