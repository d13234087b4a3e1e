"""The interpreter in memory: how it compares with Python written by hand, and how it grows with its input."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import sdbql
from benchmarks.documents import documents
from benchmarks.report import Figure
from sdbql.engine import Query
from sdbql.engine import parse as parse_once

DOCUMENTS = 100_000
ROUNDS = 9
RATIO_MOST = 4.0
GROWTH_MOST = 30.0
"""Ten times the input may take thrice ten times as long: caches get colder, and the garbage collector has more to look
through. A nested loop would take a hundred times as long."""

Rows = list[dict[str, Any]]

SEED_QUERY = """FOR u IN users
    FILTER u.age >= 18 AND u.status == 'active'
    SORT u.created_at DESC LIMIT 50 RETURN u"""

BY_HAND: list[tuple[str, str, Callable[[Rows], Any]]] = [
    (
        "filter",
        "FOR u IN users FILTER u.age >= 18 AND u.status == 'active' RETURN u",
        lambda users: [u for u in users if u["age"] >= 18 and u["status"] == "active"],
    ),
    (
        "projection",
        "FOR u IN users RETURN {name: u.name, email: u.email}",
        lambda users: [{"name": u["name"], "email": u["email"]} for u in users],
    ),
    (
        "filter and projection",
        "FOR u IN users FILTER u.age >= 18 AND u.status == 'active' RETURN {name: u.name, email: u.email}",
        lambda users: [
            {"name": u["name"], "email": u["email"]} for u in users if u["age"] >= 18 and u["status"] == "active"
        ],
    ),
    ("one attribute", "FOR u IN users RETURN u.name", lambda users: [u["name"] for u in users]),
    (
        "lambda filter",
        "RETURN FILTER(users, u -> u.age >= 18)",
        lambda users: [list(filter(lambda u: u["age"] >= 18, users))],
    ),
]

GROWING = {
    "join, FOR and FOR": "FOR o IN orders FOR u IN users FILTER u._key == o.user RETURN {n: u.name, t: o.total}",
    "LEFT JOIN": "FOR o IN orders LEFT JOIN users ON users._key == o.user RETURN users[0].name",
    "RIGHT JOIN": "FOR o IN orders RIGHT JOIN users ON users._key == o.user RETURN [o.total, users.name]",
    "FULL JOIN": "FOR o IN orders FULL JOIN users ON users._key == o.user RETURN [o.total, users]",
    "join in a subquery": "FOR o IN orders RETURN (FOR u IN users FILTER u._key == o.user RETURN u.name)",
    "lambda filter": "RETURN FILTER(users, u -> u.age >= 18 AND u.status == 'active')",
}


def measure() -> Iterator[Figure]:
    """Yield the figures. What is compared is measured in turn, in one process; the best of each counts."""
    source = _source(DOCUMENTS)
    users = source["users"]
    for name, text, by_hand in BY_HAND:
        query = sdbql.parse(text)
        assert query.run(None, source) == by_hand(users)
        ours, theirs = _best_in_turn(lambda query=query: query.run(None, source), lambda by_hand=by_hand: by_hand(users))
        yield Figure(f"SDBQL {name} against Python by hand", ours / theirs, "times", most=RATIO_MOST)
    small = _source(DOCUMENTS // 10)
    for name, text in GROWING.items():
        query = sdbql.parse(text)
        less, more = _best_in_turn(
            lambda query=query: query.run(None, small), lambda query=query: query.run(None, source), rounds=3
        )
        yield Figure(f"SDBQL {name}, 10,000", less * 1000, "ms")
        yield Figure(f"SDBQL {name}, 100,000 against 10,000", more / less, "times", most=GROWTH_MOST)
    yield from _parsing()


def _parsing() -> Iterator[Figure]:
    again = 1_000

    def parse_anew() -> Query:
        parse_once.cache_clear()
        return sdbql.parse(SEED_QUERY)

    def parse_again() -> None:
        for _ in range(again):
            sdbql.parse(SEED_QUERY)

    anew, repeated = _best_in_turn(parse_anew, parse_again, rounds=50)
    yield Figure("SDBQL parse and plan of a query of three lines", anew * 1000, "ms", most=0.5)
    yield Figure("SDBQL the same text again", repeated / again * 1_000_000, "µs", most=1.0)


def _source(count: int) -> dict[str, Rows]:
    users = [{"_key": key, **document} for key, document in documents(count)]
    orders = [
        {"_key": f"{number}", "user": users[number * 7919 % count]["_key"], "total": number % 500} for number in range(count)
    ]
    return {"users": users, "orders": orders}


def _best_in_turn(first: Callable[[], object], second: Callable[[], object], *, rounds: int = ROUNDS) -> tuple[float, float]:
    best = [float("inf"), float("inf")]
    for _ in range(rounds):
        for number, work in enumerate((first, second)):
            begun = time.perf_counter()
            work()
            best[number] = min(best[number], time.perf_counter() - begun)
    return best[0], best[1]
