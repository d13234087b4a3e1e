"""Thousands of random texts: each gives rows or a `QueryError` that can be shown, within its limits, and does so again."""

from random import Random
from typing import Any

import pytest
from random_text import Writer

import sdbql
from sdbql.python_source import WORTHWHILE

SEEDS = range(40)
QUERIES_OF_A_SEED = 15
LIMITS = sdbql.Limits(
    rows_held_max=5_000, steps_max=30_000, text_length_max=10_000, array_length_max=5_000, result_bytes_max=1_000_000
)
BINDS = {"b": [1, "a"], "c": "users", "list": [1, 2, None, {"n": 1}]}
SOURCE: dict[str, list[dict[str, Any]]] = {
    "users": [{"_key": "1", "n": 1, "tags": ["a"], "a b": 1}, {"_key": "2", "n": None}, {"_key": "3", "n": "x"}],
    "orders": [{"u": "1", "n": 2.0}, {"u": "3"}, {"u": "1", "n": [1]}],
}
LONG = {"users": SOURCE["users"] * (WORTHWHILE // 2), "orders": SOURCE["orders"]}
PREFIXES = ("Parse error: ", "Execution error: ", "Collection not found: ", "Operation not supported: ")


def outcome(text: str, source: Any = SOURCE) -> str:
    """Return the rows or the error as text; anything raised but a QueryError goes through."""
    try:
        return repr(sdbql.run(text, BINDS, source, limits=LIMITS, now_ms=0, random_number=lambda: 0.5))
    except sdbql.QueryError as raised:
        error = raised
    assert str(error).startswith(error.message)
    assert error.message.startswith(PREFIXES)
    assert error.span is None or 0 <= error.span.start <= error.span.end <= len(text)
    return str(error)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_query_gives_rows_or_a_query_error(seed: int) -> None:
    """From the grammar, then with words changed; and once more with the same outcome."""
    writer = Writer(seed)
    for _ in range(QUERIES_OF_A_SEED):
        text = writer.query()
        assert outcome(text) == outcome(text), text
        outcome(writer.mutated(text))
        outcome(writer.mutated(writer.mutated(text)))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_query_over_many_rows_gives_rows_or_a_query_error(seed: int) -> None:
    """Its loops and lambdas are compiled then."""
    writer = Writer(-1 - seed)
    for _ in range(5):
        outcome(writer.query(), LONG)


@pytest.mark.parametrize("seed", range(20))
def test_random_characters_give_a_query_error(seed: int) -> None:
    """Of any kind: bytes, halves of surrogate pairs, text that is nearly a query."""
    random = Random(seed)
    for _ in range(50):
        content = random.randbytes(random.randrange(80))
        outcome(content.decode("latin-1"))
        outcome("RETURN " + content.decode("utf-8", "surrogateescape"))
        outcome("RETURN " + "".join(random.choices("()[]{}\"'`$\\ \n,.:?|-><=!*/@a1é\ud800", k=random.randrange(60))))


@pytest.mark.parametrize("seed", range(20))
def test_a_random_filter_gives_an_answer_or_a_query_error(seed: int) -> None:
    """Bare conditions too."""
    writer = Writer(1_000 + seed)
    for _ in range(30):
        text = writer.expression()
        try:
            answer = sdbql.parse_filter(text).matches({"n": 1, "tags": [1]}, BINDS, limits=LIMITS, now_ms=0)
        except sdbql.QueryError:
            continue
        assert type(answer) is bool, text
