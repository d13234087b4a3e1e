"""What is said to leave the result of a query as it is, leaves it as it is."""

from __future__ import annotations

import random
from typing import Any

import pytest

import sdbql

QUERIES = [
    "FOR u IN users FILTER u.age >= @least RETURN u.name",
    "FOR u IN users FILTER u.age >= @least AND u.city == 'Oslo' SORT u.name LIMIT 2 RETURN u",
    "FOR u IN users FILTER u.city IN ['Oslo', null] RETURN u.age",
    "FOR u IN users FILTER NOT (u.age < @least) COLLECT city = u.city WITH COUNT INTO n RETURN {city, n}",
    "LET least = @least FOR u IN users FILTER u.age >= least FILTER u.name != 'Bo' RETURN u.name",
    "FOR u IN users FILTER u.city == 'Oslo' FOR o IN orders FILTER o.user == u._key RETURN [u.name, o.n]",
    "FOR u IN users FILTER u.city == 'Oslo' RETURN (FOR v IN users FILTER v.age == u.age RETURN v._key)",
    "FOR o IN orders FILTER o.n > 1 JOIN users ON users._key == o.user RETURN [o.n, users]",
    "RETURN LENGTH(FOR u IN users FILTER u.age > @least RETURN 1)",
    "RETURN COUNT(users)",
    "FOR u IN @@col FILTER u.age == @least RETURN u._key",
]
BINDS = {"least": 18, "@col": "users"}


def _document(rng: random.Random, key: str) -> dict[str, Any]:
    document = {
        "_key": key,
        "name": rng.choice(["Ann", "Bo", "Cy"]),
        "city": rng.choice(["Oslo", "Rome", None]),
        "age": rng.choice([3, 17, 18, 19, "x"]),
        "user": rng.choice(["1", "2", "3"]),
        "n": rng.randint(0, 3),
    }
    return {name: value for name, value in document.items() if name == "_key" or rng.random() < 0.9}


def _run(query: sdbql.Query, collections: dict[str, dict[str, dict[str, Any]]]) -> Any:
    source = {name: [documents[key] for key in sorted(documents)] for name, documents in collections.items()}
    binds = {name: BINDS[name] for name in query.bind_names}
    try:
        return query.run(binds, source)
    except sdbql.ExecutionError as error:
        return str(error)


@pytest.mark.parametrize("text", QUERIES)
def test_a_change_that_cannot_alter_the_result_does_not(text: str) -> None:
    query = sdbql.parse(text)
    relevance = query.relevance(BINDS)
    rng = random.Random(text)
    altered = passed_over = 0
    for _ in range(300):
        collections = {name: {key: _document(rng, key) for key in "123"} for name in ("users", "orders")}
        before = _run(query, collections)
        name, key = rng.choice(["users", "orders"]), rng.choice("1234")
        old = collections[name].get(key)
        new = None if rng.random() < 0.2 else _document(rng, key)
        if new is None:
            collections[name].pop(key, None)
        else:
            collections[name][key] = new
        can_alter = relevance.can_alter(name, (old, new))
        has_altered = _run(query, collections) != before
        assert can_alter or not has_altered
        altered += has_altered
        passed_over += not can_alter
    assert altered
    assert passed_over


def test_only_collections_that_are_read_matter() -> None:
    relevance = sdbql.parse("FOR u IN users RETURN u").relevance()
    assert relevance.collections == {"users"}
    assert relevance.can_alter("users", (None, {"_key": "1"}))
    assert not relevance.can_alter("orders", (None, {"_key": "1"}))


@pytest.mark.parametrize(
    "condition", ["u.at < NOW()", "RAND() < 0.5", "1 / u.age > 2", "LENGTH(users) > 1", "u.age IN (FOR o IN o2 RETURN o.n)"]
)
def test_a_condition_that_depends_on_more_than_the_document_rules_nothing_out(condition: str) -> None:
    relevance = sdbql.parse(f"FOR u IN users FILTER {condition} RETURN u").relevance()
    assert relevance.can_alter("users", ({"_key": "1", "age": 1, "at": 0}, None))
    assert relevance.can_alter("users", (None, {"_key": "1", "age": 0, "at": 10**18}))


def test_a_missing_bind_is_an_error_at_once() -> None:
    with pytest.raises(sdbql.ExecutionError, match="@least"):
        sdbql.parse(QUERIES[0]).relevance({})
