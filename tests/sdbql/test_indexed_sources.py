"""Indexes of stores whose queries run in the interpreter: they leave documents unread, and change nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from random_queries import KEYS, Generator
from test_cases import as_json

import sdbql
from sdbql.execution_context import LOOKED_UP_MAX
from solidb_sync import LocalStore
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.field_path import field_text
from solidb_sync.storage.indexed_source import IndexedDocumentSource
from solidb_sync.storage.sqlite.sqlite_data_source import data_source

SEEDS, QUERIES, EDITS = 25, 80, 8
COUNT = 400


class Recorder(IndexedDocumentSource):
    """A source that counts the documents it hands out, and how."""

    def __init__(self, reader: Any) -> None:
        super().__init__(reader)
        self.counts: Counter[str] = Counter()

    def scan(self, name: str) -> Iterator[dict[str, Any]]:
        """Count what a scan reads."""
        for document in super().scan(name):
            self.counts["scanned"] += 1
            yield document

    def candidates(self, name: str, path: Any, ranges: Sequence[Any], most: int) -> list[dict[str, Any]] | None:
        """Count what an index finds."""
        found = super().candidates(name, path, ranges, most)
        self.counts["looked up"] += len(found or ())
        self.counts["answers"] += found is not None
        return found


class UndoneError(Exception):
    """Ends a transaction that is to be taken back."""


@pytest.fixture(params=["rocksdb", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore.open(tmp_path / "store", "phone", engine=request.param, durability="normal") as opened:
        yield opened


def without_key(document: dict[str, Any]) -> dict[str, Any]:
    """Return what is stored of a document."""
    return {name: value for name, value in document.items() if name != "_key"}


def outcome(query: str, binds: Any, source: Any) -> str:
    """Return the rows of a query in their order, or its error."""
    try:
        return as_json(sdbql.run(query, binds, source, now_ms=0, random_number=lambda: 0.5))
    except sdbql.QueryError as problem:
        return f"{type(problem).__name__}: {problem.message}"


def differences(store: LocalStore, generator: Generator, answers: Counter[str]) -> list[Any]:
    """Return the queries that give something else with indexes than over the same documents in lists."""

    def compare(reader: Any) -> list[Any]:
        plain = {name: list(data_source(reader).scan(name)) for name in reader.collections()}
        found = []
        for _ in range(QUERIES):
            case, source = generator.case(), Recorder(reader)
            ours, expected = outcome(case.text, case.binds, source), outcome(case.text, case.binds, plain)
            answers.update(source.counts)
            if ours != expected:
                found.append((case, ours, expected))
        return found

    return store.scan(compare)


def edit(store: LocalStore, generator: Generator) -> None:
    """Save and delete some documents, half of it in transactions that are taken back after a look through the index."""
    for number in range(EDITS):
        key, fresh = KEYS[(number * 5) % len(KEYS)], generator.documents()["users"][0]

        def work(engine: StorageEngine, key: str = key, fresh: Any = fresh, undone: bool = number % 2 == 0) -> None:
            if key < "a":
                engine.drop_row("users", key)
            else:
                row = engine.row("users", key) or next(row for _, row in engine.live_rows("users"))
                body = as_json(without_key(fresh)) if key < "z" else None
                engine.put_row("users", key, type(row)(body, row.vector, row.stamp))
            if undone:
                for index in engine.indexes("users"):
                    engine.keys_between(index, False, None, COUNT)  # type: ignore[attr-defined]
                raise UndoneError

        try:
            store.transact(work)
        except UndoneError:
            assert number % 2 == 0


@pytest.mark.parametrize("engine", ["rocksdb", "memory"])
def test_results_are_the_same_with_and_without_indexes(engine: str, tmp_path: Path) -> None:
    """Random documents of all types, indexes, queries and edits, some taken back: the same rows in the same order."""
    answers: Counter[str] = Counter()
    for seed in range(SEEDS):
        generator = Generator(seed)
        with LocalStore.open(tmp_path / str(seed), "phone", engine=engine, durability="normal") as store:
            for name, documents in generator.documents().items():
                store.transact(lambda engine, name=name: engine.add_collection(name))
                for document in documents:
                    store.put_document(name, document["_key"], without_key(document), {})
            for name, paths in generator.indexes().items():
                for path in paths:
                    store.create_index(name, field_text(path))
            assert differences(store, generator, answers) == [], seed
            edit(store, generator)
            assert differences(store, generator, answers) == [], seed
    assert answers["answers"] > SEEDS * 10
    assert answers["looked up"] > SEEDS * 20


def fill(store: LocalStore, count: int = COUNT) -> None:
    """Put users of 40 cities, and an order of each tenth."""

    def work(engine: StorageEngine) -> None:
        users = [(f"u{n:05}", b'{"n":%d,"m":%d,"city":"c%d"}' % (n, 400 - n, n % 40), b"{}", "") for n in range(count)]
        orders = [
            (f"o{n:05}", b'{"user":"users/u%05d","buyer":%d}' % (n * 10, n * 10), b"{}", "") for n in range(count // 10)
        ]
        engine.put_documents("users", users)
        engine.put_documents("orders", orders)

    store.transact(work)
    store.create_index("users", "city")
    store.create_index("users", "n")
    store.create_index("orders", "user")


def counted(store: LocalStore, query: str, binds: dict[str, Any]) -> tuple[list[Any], Counter[str]]:
    """Return the rows of a query, and how many documents were read for it."""

    def run(reader: Any) -> tuple[list[Any], Counter[str]]:
        source = Recorder(reader)
        return sdbql.run(query, binds, source), source.counts

    return store.scan(run)


@pytest.mark.parametrize(
    ("query", "binds", "rows", "looked_up"),
    [
        ("FOR u IN users FILTER u.city == @c RETURN u.n", {"c": "c7"}, [n for n in range(COUNT) if n % 40 == 7], 10),
        ("FOR u IN users FILTER u.city == 'Oslo' RETURN u", {}, [], 0),
        ("FOR u IN users FILTER 'c7' == u.city AND u.n < 100 RETURN u.n", {}, [7, 47, 87], 10),
        ("FOR u IN users FILTER u.n IN [3.0, 5, 'x', true, 3] RETURN u.n", {}, [3, 5], 2),
        ("FOR u IN users FILTER u.n > 1.5 AND 5 >= u.n RETURN u.n", {}, [2, 3, 4, 5], 4),
        ("FOR u IN users FILTER u.n >= 3 LET m = u.n + 1 FILTER u.n < 5 RETURN m", {}, [4, 5], COUNT - 3),
        ("FOR u IN users FILTER u.n >= 5 AND u.n < 2 RETURN u", {}, [], 0),
        ("FOR u IN users FILTER u.n > 0 AND u.n > 2 AND u.n < 300 AND u.n < 5 RETURN u.n", {}, [3, 4], 4),
        ("FOR k IN [395, 195] FOR u IN users FILTER u.n >= k AND u.n <= u.m RETURN u.n", {}, [*range(195, 201)], 210),
        ("LET c = 'c7' FOR u IN @@u FILTER u.city == c AND u.n > 300 RETURN u.n", {"@u": "users"}, [327, 367], 10),
        ("FOR u IN users FILTER u._key >= @a AND u._key < @b RETURN u.n", {"a": "u00003", "b": "u00006"}, [3, 4, 5], 4),
        ("FOR u IN users FILTER STARTS_WITH(u._key, @p) RETURN u.n", {"p": "u0001"}, [*range(10, 20)], 11),
        ("FOR u IN users FILTER starts_with(u._key, 'u0001') AND u.n > 17 RETURN u.n", {}, [18, 19], 11),
        ("FOR u IN users FILTER u._key LIKE 'u0001%' RETURN u.n", {}, [*range(10, 20)], 11),
        ("FOR u IN users FILTER u._key LIKE 'u0_0_7' RETURN u.n", {}, [*range(7, 100, 10)], 400),
        ("FOR u IN users FILTER u._key LIKE 'u00012' RETURN u.n", {}, [12], 2),
        ("FOR p IN ['u0001', 'u39'] FOR u IN users FILTER STARTS_WITH(u._key, p) RETURN u.n", {}, [*range(10, 20)], 11),
        ("FOR u IN users FILTER u._key IN @keys RETURN u.n", {"keys": ["u00009", "nobody", "u00002"]}, [2, 9], 2),
        ("FOR n IN [3, 4] FOR u IN users FILTER u.n == n RETURN u._key", {}, ["u00003", "u00004"], 2),
        ("FOR u IN users FILTER u.n == 20 FOR o IN orders FILTER o.user == u._id RETURN o._key", {}, ["o00002"], 2),
        ("FOR u IN users FILTER u.n == 20 JOIN orders ON orders.user == u._id RETURN orders[*]._key", {}, [["o00002"]], 2),
        ("RETURN (FOR u IN users FILTER u.n == 3 RETURN u.n)", {}, [[3]], 1),
    ],
)  # fmt: skip
def test_only_what_an_index_finds_is_read(
    store: LocalStore, query: str, binds: dict[str, Any], rows: list[Any], looked_up: int
) -> None:
    fill(store)
    found, counts = counted(store, query, binds)
    assert found == rows
    assert counts["scanned"] == 0
    assert counts["looked up"] <= looked_up


@pytest.mark.parametrize(
    "query",
    [
        "FOR u IN users FILTER u.city == null RETURN u.n",
        "FOR u IN users FILTER u.n < 3 RETURN u.n",
        "FOR u IN users FILTER u.city IN ['c1', null] RETURN u.n",
        "FOR u IN users FILTER u.city == ['c1'] RETURN u.n",
        "FOR u IN users FILTER u.city == 'c1' OR u.n == 2 RETURN u.n",
        "FOR u IN users FILTER u.city != 'c1' RETURN u.n",
        "FOR u IN users FILTER u.other == 'c1' RETURN u.n",
        "FOR u IN users FILTER u.city == u.other RETURN u.n",
        "FOR u IN users FILTER STARTS_WITH(u._key, '') RETURN u.n",
        "FOR u IN users FILTER STARTS_WITH(u._key, 5) RETURN u.n",
        "FOR u IN users FILTER STARTS_WITH(u.n, '1') RETURN u.n",
        "FOR u IN users FILTER u.n LIKE '1%' RETURN u.n",
        "FOR u IN users FILTER u._key LIKE '%1' RETURN u.n",
        "FOR u IN users FILTER u._key NOT LIKE 'u%' RETURN u.n",
        "FOR u IN users FILTER STARTS_WITH(u._key, u.city) RETURN u.n",
        "FOR u IN users FILTER 1 / (u.n + 1) > 2 AND u.city == 'c1' RETURN u.n",
        "FOR u IN users LET x = 1 / (u.n + 1) FILTER u.city == 'c1' RETURN u.n",
    ],
)
def test_what_no_index_can_tell_is_scanned(store: LocalStore, query: str) -> None:
    """Null is in no index, and a condition after one that can fail must not leave its errors out."""
    fill(store, 40)
    _, counts = counted(store, query, {})
    assert counts == {"scanned": 40}


def test_an_error_of_a_condition_that_comes_first_is_not_lost(store: LocalStore) -> None:
    fill(store, 40)
    with pytest.raises(sdbql.ExecutionError, match="Division by zero"):
        counted(store, "FOR u IN users FILTER 1 / u.n > 2 AND u.city == 'Oslo' RETURN u", {})


def test_a_scan_is_made_when_too_many_would_be_looked_up(store: LocalStore) -> None:
    """In one lookup, or one after the other: reading them one by one takes longer than all of them in a row."""
    fill(store, LOOKED_UP_MAX + 1)
    rows, counts = counted(store, "FOR u IN users FILTER u.n >= 0 RETURN u.n", {})
    assert (len(rows), counts["scanned"]) == (LOOKED_UP_MAX + 1, LOOKED_UP_MAX + 1)
    rows, counts = counted(store, "FOR n IN 0..1999 FOR u IN users FILTER u.n == n RETURN u.n", {})
    assert rows == list(range(2_000))
    assert counts["scanned"] == LOOKED_UP_MAX + 1
    assert 0 < counts["looked up"] < LOOKED_UP_MAX


def test_a_query_sees_the_edits_of_its_own_transaction_and_none_that_was_taken_back(store: LocalStore) -> None:
    fill(store)
    query = "FOR u IN users FILTER u.city == 'c7' AND u.n > 300 RETURN u.n"

    def move(engine: StorageEngine) -> None:
        row = engine.row("users", "u00327")
        assert row is not None
        engine.put_row("users", "u00327", type(row)('{"n":328.5,"city":"c7"}', row.vector, row.stamp))
        engine.drop_row("users", "u00367")
        source = Recorder(engine)
        assert sdbql.run(query, {}, source) == [328.5]
        assert source.counts["scanned"] == 0
        raise UndoneError

    for _ in range(2):
        with pytest.raises(UndoneError):
            store.transact(move)
        assert counted(store, query, {})[0] == [327, 367]


def test_a_document_that_has_another_value_is_no_longer_looked_up(store: LocalStore) -> None:
    """Nor one that is deleted: by a few edits, and by many at once."""
    fill(store)
    query = "FOR u IN users FILTER u.city == @c RETURN u.n"
    assert counted(store, query, {"c": "c7"})[1]["looked up"] == 10
    for number in range(7, 207, 40):
        store.put_document("users", f"u{number:05}", {"n": number, "city": "Oslo"}, {})
    store.delete_document("users", "u00207", {"server": 1})
    for city, count in (("c7", 4), ("Oslo", 5)):
        rows, counts = counted(store, query, {"c": city})
        assert (len(rows), counts["looked up"], counts["scanned"]) == (count, count, 0)
    fill(store)
    assert [counted(store, query, {"c": city})[1]["looked up"] for city in ("c7", "Oslo")] == [10, 0]


def test_explain_names_the_index(store: LocalStore) -> None:
    fill(store, 40)

    def explained(query: str, binds: dict[str, Any] | None = None) -> list[str]:
        return store.scan(lambda reader: sdbql.parse(query).explain(binds, data_source(reader))).split("\n")

    assert explained("FOR u IN users FILTER u.n > 3 AND u.city == @c RETURN u", {"c": "c7"}) == [
        "for each u in users",
        "  using the index on users.city",
        "filter u.n > 3 AND u.city == @c",
        "return u",
    ]
    assert explained("FOR u IN users FILTER u.n < 3 FOR o IN orders FILTER o.user == u._id RETURN o") == [
        "for each u in users",
        "filter u.n < 3",
        "look up o in orders by hash: o.user == u._id",
        "  using the index on orders.user",
        "return o",
    ]
