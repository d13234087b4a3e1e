"""What a query asks of a data source, and no more than that."""

from collections.abc import Iterable
from typing import Any

import pytest

import sdbql

USERS = {str(n): {"_key": str(n), "n": n} for n in range(5)}


class Recorder:
    """A keyed source that notes how it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def collections(self) -> Iterable[str]:
        """Return the one collection."""
        return ["users"]

    def has_collection(self, name: str) -> bool:
        """Tell whether it is that one."""
        return name == "users"

    def scan(self, name: str) -> Iterable[dict[str, Any]]:
        """Note the scan and yield the users."""
        self.asked.append(f"scan {name}")
        yield from USERS.values()

    def get(self, name: str, key: str) -> dict[str, Any] | None:
        """Note the key and return its user."""
        self.asked.append(f"get {name}/{key}")
        return USERS.get(key)


@pytest.mark.parametrize(
    ("text", "rows", "asked"),
    [
        ("FOR u IN users FILTER u._key == @k RETURN u.n", [3], ["get users/3"]),
        ("FOR u IN @@c FILTER 3 == u.n AND u._key == @k RETURN u.n", [3], ["get users/3"]),
        ("FOR k IN ['1', '9', '2'] FOR u IN users FILTER u._key == k RETURN u.n", [1, 2], None),
        ("FOR k IN ['1', '9'] LEFT JOIN users ON users._key == k RETURN LENGTH(users)", [1, 0], None),
        ("FOR u IN users FILTER u._key == 3 RETURN u.n", [], ["scan users"]),
        ("FOR u IN users FOR v IN users FILTER v.n == u.n + 1 RETURN v.n", [1, 2, 3, 4], ["scan users"]),
        ("RETURN (FOR u IN users RETURN LENGTH(users))", [[5] * 5], ["scan users"]),
        ("RETURN 1", [1], []),
    ],
)
def test_documents_are_found_by_key_and_scanned_once(text: str, rows: list[Any], asked: list[str] | None) -> None:
    """A key is looked up where the source can do that; a collection is read once per run."""
    source = Recorder()
    assert sdbql.run(text, {"k": "3", "c": "users"}, source) == rows
    if asked is None:
        assert all(request.startswith("get ") for request in source.asked)
    else:
        assert source.asked == asked


def test_both_sources_satisfy_the_protocols() -> None:
    """The protocols can be asked at run time."""
    assert isinstance(sdbql.DictSource({}), sdbql.DataSource)
    assert not isinstance(sdbql.DictSource({}), sdbql.KeyedDataSource)
    assert isinstance(Recorder(), sdbql.KeyedDataSource)


def test_a_query_knows_what_it_reads() -> None:
    """Its collections and its binds, subqueries included."""
    query = sdbql.parse("FOR u IN users FILTER u.a == @a RETURN (FOR o IN @@c RETURN LENGTH(reviews))")
    assert query.collections == {"users", "reviews"}
    assert query.bind_names == {"a", "@c"}


def test_documents_are_not_changed_by_a_query() -> None:
    """No builtin works in place."""
    source = {"users": [{"xs": [2, 1], "o": {"a": 1}}]}
    sdbql.run("FOR u IN users RETURN [PUSH(u.xs, 1), SORTED(u.xs), MERGE(u.o, {b: 1}), UNSET(u.o, 'a')]", None, source)
    assert source == {"users": [{"xs": [2, 1], "o": {"a": 1}}]}


@pytest.mark.parametrize(
    ("condition", "document", "expected"),
    [
        ("status == 'active'", {"status": "active"}, True),
        ("status == 'active'", {}, False),
        ("missing == null AND NOT other", {}, True),
        ("age >= @min && 'x' IN tags", {"age": 20, "tags": ["x"]}, True),
        ("address.city LIKE 'P%' AND document == null", {"address": {"city": "Paris"}}, True),
        ("ANY t IN tags SATISFIES t == status", {"tags": ["a", "b"], "status": "b"}, True),
        ("LENGTH(MAP(tags, status -> status)) > 1", {"tags": [1, 2]}, True),
        ("NOW() > 0", {}, True),
    ],
)
def test_a_filter_reads_attributes_as_variables(condition: str, document: dict[str, Any], expected: bool) -> None:
    """A bare condition sees the document's attributes; unknown names are null."""
    assert sdbql.parse_filter(condition).matches(document, {"min": 18}) is expected


@pytest.mark.parametrize("text", ["", "a ==", "RETURN 1", "a b", "NOPE(a)", "FULLTEXT(a)"])
def test_a_wrong_filter_is_refused_when_it_is_read(text: str) -> None:
    """Before any document is tested."""
    with pytest.raises(sdbql.QueryError):
        sdbql.parse_filter(text)


def test_a_filter_that_fails_on_a_document_says_so() -> None:
    """It is the caller who decides what a failure means."""
    with pytest.raises(sdbql.ExecutionError, match="Division by zero"):
        sdbql.parse_filter("1 / n > 0").matches({"n": 0})
