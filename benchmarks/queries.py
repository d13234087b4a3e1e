"""Queries of the language against SQL written by hand over the same table, on 100,000 documents in a store's file.

Both sides build the same Python objects from the same connection in the same snapshot, in turns; a figure is the ratio of
the best times of several turns. Times are those of the processor, since nothing waits for a disk here and other programs may
share the machine. The SQL is what a good engineer would write over JSONB for documents known to be regular: no
test of types, no order where none is asked for.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import msgspec

import sdbql
from benchmarks import shop
from benchmarks.report import Figure
from sdbql.analyser import analyse
from sdbql.parser import parse_query
from sdbql.planner import make_plan
from solidb_sync import LocalStore
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.records import StoredRow
from solidb_sync.storage.sqlite.sqlite_data_source import data_source
from solidb_sync.storage.sqlite.sqlite_reads import SqliteReads

USERS, ORDERS = 100_000, 1_000
TURNS = 9
VECTOR, STAMP = '{"bench":1}', "2024-01-01T00:00:00.000Z"
decode = msgspec.json.Decoder().decode

SEED_QUERY = """FOR u IN users FILTER u.age >= @min_age AND u.status == @status
SORT u.created_at DESC LIMIT 50
RETURN { name: u.name, email: u.email }"""

ByHand = Callable[[apsw.Connection], list[Any]]


@dataclass(frozen=True)
class Pair:
    """One question, asked in the language and in SQL; `most` bounds the ratio of their times."""

    name: str
    query: str
    binds: dict[str, Any]
    by_hand: ByHand
    most: float | None
    is_ordered: bool = False


def documents(connection: apsw.Connection, condition: str, *parameters: Any) -> list[Any]:
    """Return whole users."""
    found = []
    rows = connection.execute(f"SELECT k, json(body) FROM c_1 WHERE body IS NOT NULL AND {condition}", parameters)
    for key, body in rows:
        document = decode(body)
        document["_key"] = key
        document["_id"] = f"users/{key}"
        found.append(document)
    return found


def projected(connection: apsw.Connection, rest: str, *parameters: Any) -> list[Any]:
    """Return name and email of users."""
    select = f"SELECT body ->> '$.name', body ->> '$.email' FROM c_1 WHERE body IS NOT NULL AND {rest}"
    return [{"name": name, "email": email} for name, email in connection.execute(select, parameters)]


def grouped(connection: apsw.Connection) -> list[Any]:
    """Return how many users have each status."""
    select = "SELECT body ->> '$.status', count(*) FROM c_1 WHERE body IS NOT NULL GROUP BY 1 ORDER BY 1"
    return [{"status": status, "count": count} for status, count in connection.execute(select)]


def joined(connection: apsw.Connection, condition: str) -> list[Any]:
    """Return orders with the names of their users."""
    select = f"""
        SELECT o.k, json(o.body), u.body ->> '$.name'
        FROM c_2 AS o CROSS JOIN c_1 AS u ON {condition}
        WHERE o.body IS NOT NULL AND u.body IS NOT NULL
    """
    found = []
    for key, body, name in connection.execute(select):
        order = decode(body)
        order["_key"] = key
        order["_id"] = f"orders/{key}"
        found.append({"order": order, "customer": name})
    return found


def grouped_join(connection: apsw.Connection, condition: str) -> list[Any]:
    """Return totals of orders with the array of their users."""
    select = f"""
        SELECT o.body ->> '$.total', u.k, json(u.body)
        FROM c_2 AS o CROSS JOIN c_1 AS u ON {condition}
        WHERE o.body IS NOT NULL AND u.body IS NOT NULL
    """
    found = []
    for total, key, body in connection.execute(select):
        user = decode(body)
        user["_key"] = key
        user["_id"] = f"users/{key}"
        found.append({"total": total, "users": [user]})
    return found


def hashed_join(connection: apsw.Connection) -> list[Any]:
    """Return orders with the names of their users by email, without an index: one pass into a dict."""
    names: dict[str, list[str]] = {}
    for email, name in connection.execute("SELECT body ->> '$.email', body ->> '$.name' FROM c_1 WHERE body IS NOT NULL"):
        names.setdefault(email, []).append(name)
    found = []
    for key, body in connection.execute("SELECT k, json(body) FROM c_2 WHERE body IS NOT NULL"):
        order = decode(body)
        order["_key"] = key
        order["_id"] = f"orders/{key}"
        found += [{"order": order, "customer": name} for name in names.get(order["email"], [])]
    return found


BY_KEY, BY_EMAIL = "u.k = o.body ->> '$.user_id'", "u.body ->> '$.email' = o.body ->> '$.email'"
JOINED = "RETURN {order: o, customer: u.name}"
LATEST = "body ->> '$.age' >= ? AND body ->> '$.status' = ? ORDER BY body ->> '$.created_at' DESC LIMIT 50"
PLAIN = [
    Pair(
        "equality filter, 10,000 documents",
        "FOR u IN users FILTER u.status == @status RETURN u",
        {"status": "premium"},
        lambda connection: documents(connection, "body ->> '$.status' = ?", "premium"),
        1.5,
    ),
    Pair(
        "range + sort + limit 50",
        SEED_QUERY,
        {"min_age": 18, "status": "active"},
        lambda connection: projected(connection, LATEST, 18, "active"),
        1.5,
        is_ordered=True,
    ),
    Pair(
        "two values of 50,000 documents",
        "FOR u IN users FILTER u._key < @end RETURN {name: u.name, email: u.email}",
        {"end": "user-0050000"},
        lambda connection: projected(connection, "k < ?", "user-0050000"),
        1.5,
    ),
    Pair(
        "20,000 whole documents",
        "FOR u IN users FILTER u._key < @end RETURN u",
        {"end": "user-0020000"},
        lambda connection: documents(connection, "k < ?", "user-0020000"),
        1.5,
    ),
    Pair(
        "COLLECT status WITH COUNT",
        "FOR u IN users COLLECT status = u.status WITH COUNT INTO count RETURN {status, count}",
        {},
        grouped,
        2,
        is_ordered=True,
    ),
    Pair(
        "FOR/FOR join by key",
        f"FOR o IN orders FOR u IN users FILTER u._key == o.user_id {JOINED}",
        {},
        lambda connection: joined(connection, BY_KEY),
        2,
    ),
    Pair(
        "JOIN by key",
        "FOR o IN orders JOIN users ON users._key == o.user_id RETURN {total: o.total, users}",
        {},
        lambda connection: grouped_join(connection, BY_KEY),
        2,
    ),
    Pair(
        "FOR/FOR join on a field without index",
        f"FOR o IN orders FOR u IN users FILTER u.email == o.email {JOINED}",
        {},
        hashed_join,
        None,
    ),
]
INDEXED = [
    Pair(
        "FOR/FOR join on an indexed field",
        f"FOR o IN orders FOR u IN users FILTER u.email == o.email {JOINED}",
        {},
        lambda connection: joined(connection, BY_EMAIL),
        2,
    ),
    Pair(
        "JOIN on an indexed field",
        "FOR o IN orders JOIN users ON users.email == o.email RETURN {total: o.total, users}",
        {},
        lambda connection: grouped_join(connection, BY_EMAIL),
        2,
    ),
    Pair(
        "one document by an indexed field",
        "FOR u IN users FILTER u.email == @email RETURN u",
        {"email": shop.email(77_777)},
        lambda connection: documents(connection, "body ->> '$.email' = ?", shop.email(77_777)),
        None,
    ),
    Pair(
        "newest 50 by an indexed field",
        "FOR u IN users SORT u.created_at DESC LIMIT 50 RETURN {name: u.name, email: u.email}",
        {},
        lambda connection: projected(connection, "TRUE ORDER BY body ->> '$.created_at' DESC LIMIT 50"),
        None,
        is_ordered=True,
    ),
]


def fill(engine: StorageEngine) -> None:
    """Write users and orders."""
    for name, pairs in (("users", shop.users(USERS)), ("orders", shop.orders(ORDERS, USERS))):
        for key, document in pairs:
            engine.put_row(name, key, StoredRow(msgspec.json.encode(document).decode(), VECTOR, STAMP))


def seconds(call: Callable[[], list[Any]]) -> tuple[float, list[Any]]:
    """Return how long a call takes, and its result."""
    begun = time.thread_time()
    found = call()
    return time.thread_time() - begun, found


def compare(reader: EngineReader, pair: Pair) -> Figure:
    """Return the ratio of the two sides, having checked that they answer the same."""
    assert isinstance(reader, SqliteReads)
    connection, source = reader.connection, data_source(reader)
    by_hand, by_query = [], []
    for _ in range(TURNS):
        hand, expected = seconds(lambda: pair.by_hand(connection))
        ours, found = seconds(lambda: sdbql.run(pair.query, pair.binds, source))
        _check(pair, expected, found)
        by_hand.append(hand)
        by_query.append(ours)
    return Figure(f"{pair.name} / by hand", min(by_query) / min(by_hand), "x", most=pair.most)


def _check(pair: Pair, expected: list[Any], found: list[Any]) -> None:
    if not pair.is_ordered:
        expected, found = sorted(expected, key=repr), sorted(found, key=repr)
    assert found == expected, pair.name


def reading() -> Iterator[Figure]:
    """Yield how long a query takes until it can run."""
    rounds = 200
    first = []
    for _ in range(rounds):
        begun = time.thread_time()
        make_plan(analyse(parse_query(SEED_QUERY)).body)
        first.append((time.thread_time() - begun) * 1_000)
    yield Figure("parse + plan of the three-line query", min(first), "ms", most=0.5)
    sdbql.parse(SEED_QUERY)
    begun = time.perf_counter()
    for _ in range(rounds):
        sdbql.parse(SEED_QUERY)
    yield Figure("the same text again", (time.perf_counter() - begun) * 1_000_000 / rounds, "µs")


def measure() -> Iterator[Figure]:
    """Yield all figures."""
    yield from reading()
    with tempfile.TemporaryDirectory() as name, LocalStore.open(Path(name) / "store.db", "bench-device") as store:
        store.transact(fill)
        for pair in PLAIN:
            yield store.scan(lambda reader, pair=pair: compare(reader, pair))
        for field in ("email", "created_at"):
            store.create_index("users", field)
        store.transact(_index_by_hand)
        for pair in INDEXED:
            yield store.scan(lambda reader, pair=pair: compare(reader, pair))


def _index_by_hand(engine: StorageEngine) -> None:
    """Make the indexes that go with the SQL written by hand."""
    assert isinstance(engine, SqliteReads)
    engine.connection.execute("CREATE INDEX h_email ON c_1 (body ->> '$.email')").fetchall()
    engine.connection.execute("CREATE INDEX h_created ON c_1 (body ->> '$.created_at')").fetchall()
