"""`python -m sdbql`: rows as JSON lines, errors on the other stream."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import sdbql
from sdbql.__main__ import main


@pytest.fixture
def users(tmp_path: Path) -> str:
    """A file that is the collection `users`."""
    path = tmp_path / "users.json"
    path.write_text('[{"name": "Zoë", "age": 30}, {"name": "Bo", "age": 12}]', encoding="utf-8")
    return str(path)


def test_rows_are_printed_as_json_lines(users: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One row, one line."""
    assert main(["FOR u IN users FILTER u.age > @min RETURN u", users, "--bind", "min=18"]) == 0
    assert capsys.readouterr().out == '{"name": "Zoë", "age": 30}\n'


def test_a_file_may_hold_a_document_per_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As exports often do."""
    path = tmp_path / "orders.jsonl"
    path.write_text('{"n": 1}\n\n{"n": 2}\n', encoding="utf-8")
    assert main(["FOR o IN orders RETURN o.n + LENGTH(@word)", str(path), "--bind", "word=ab"]) == 0
    assert capsys.readouterr().out == "3\n4\n"


def test_a_wrong_query_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """The error is the one of the library."""
    assert main(["RETURN 1 +"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Parse error: expected an expression after +, found the end of the query\n  line 1")


@pytest.mark.parametrize("content", ["[1]", "{", "[{}"])
def test_a_wrong_file_is_named(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong with it, and which it is."""
    path = tmp_path / "users.json"
    path.write_text(content, encoding="utf-8")
    assert main(["RETURN 1", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_a_missing_file_and_a_wrong_bind(capsys: pytest.CaptureFixture[str]) -> None:
    """Both are mistakes in the command, not in the query."""
    assert main(["RETURN 1", "nowhere.json"]) == 2
    assert main(["RETURN 1", "--bind", "x"]) == 2
    assert "expected NAME=VALUE" in capsys.readouterr().err


def test_explain_prints_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """Without running anything."""
    assert main(["--explain", "FOR o IN orders FOR u IN users FILTER u._key == o.user RETURN u"]) == 0
    assert capsys.readouterr().out == ("for each o in orders\nlook up u in users by hash: u._key == o.user\nreturn u\n")


def test_the_examples_in_the_docstrings_hold() -> None:
    """Every module's examples run, and there are some."""
    names = [module.name for module in pkgutil.walk_packages(sdbql.__path__, "sdbql.")]
    results = [doctest.testmod(importlib.import_module(name)) for name in names if not name.endswith("__main__")]
    assert sum(result.attempted for result in results) >= 5
    assert sum(result.failed for result in results) == 0


def test_the_public_names_are_sorted_and_there() -> None:
    """`__all__` is the contract."""
    assert list(sdbql.__all__) == sorted(sdbql.__all__)
    assert all(hasattr(sdbql, name) for name in sdbql.__all__)
