"""What every `DataSource` must do, as tests: the other half of `data_source.py`.

Subclass `DataSourceConformance` in a test module, say in `open` how a source with given
documents is made, and pytest collects the laws:

    class TestMySource(DataSourceConformance):
        def open(self, collections: Collections) -> DataSource:
            return MySource(collections)

A source may add attributes of its own whose names start with `_`. Nothing here needs pytest
itself.
"""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from sdbql.data_source import DataSource, DictSource, Document, KeyedDataSource
from sdbql.engine import run
from sdbql.errors import QueryError
from sdbql.values import INTEGER_MAX, INTEGER_MIN, hash_key

Collections = dict[str, list[Document]]
"""Documents by collection; each has a `_key`, a string that no other of its collection has."""

KEYS = ["1", "01", "1.0", "10", "a", "A", "a b", "ä", "a\u0308", "null", "😀", "x" * 200]

VALUES: list[Any] = [
    *[None, True, False, 0, 1, -1, 2**53 + 1, INTEGER_MAX, INTEGER_MIN, 0.1, 1e300, -2.5],
    *["", "1", "true", "null", "a\x00b", "line\nline", "é", "\u2028", "😀", '"\\/'],
    *[[], [[]], [1, [2, [3]]], {}, {"": {"": []}}, {"a.b": 1, "a": {"b": 2}, "$": 3}],
]

EXAMPLE: Collections = {
    "users": [
        {"_key": key, "value": VALUES[number], "number": number, "city": ["Paris", "Rome", None][number % 3]}
        for number, key in enumerate(KEYS)
    ],
    "values": [{"_key": f"v{number}", "value": value} for number, value in enumerate(VALUES)],
    "orders": [{"_key": f"o{number}", "user": KEYS[number % 5], "total": number * 10} for number in range(40)],
    "empty": [],
}

QUERIES = [
    "FOR u IN users RETURN u.number",
    "FOR u IN users FILTER u.number >= 3 AND u.city == 'Paris' RETURN {n: u.number, v: u.value}",
    "FOR v IN values FILTER v.value == true OR v.value == 1 RETURN v._key",
    "FOR v IN values FILTER v.value < 'b' RETURN v.value",
    "FOR v IN values FILTER v.value RETURN v._key",
    "FOR v IN values SORT v.value, v._key RETURN [v._key, TYPENAME(v.value)]",
    "FOR u IN users SORT u.city DESC, u.number LIMIT 2, 3 RETURN u.number",
    "FOR u IN users COLLECT city = u.city WITH COUNT INTO n RETURN [city, n]",
    "FOR u IN users FILTER u._key == '1' RETURN u.number",
    "FOR u IN users FILTER u._key == 1 RETURN u.number",
    "FOR o IN orders FOR u IN users FILTER u._key == o.user SORT o.total RETURN [u.number, o.total]",
    "FOR u IN users LEFT JOIN orders ON orders.user == u._key SORT u.number RETURN SUM(orders[*].total)",
    "FOR e IN empty RETURN e",
    "RETURN [LENGTH(users), LENGTH(empty), LENGTH(FILTER(orders, o -> o.total > 100))]",
    "FOR o IN orders FILTER o.total / (o.total - 1000) > 0 RETURN o",
]


class DataSourceConformance:
    """The laws. Each test begins with a new source."""

    def open(self, collections: Collections) -> DataSource:
        """Return a source with these collections and no others."""
        raise NotImplementedError("say in a subclass how a source is made")

    def test_it_satisfies_the_protocol(self) -> None:
        """The methods are there."""
        assert isinstance(self.open(EXAMPLE), DataSource)

    def test_every_collection_is_named_once_also_an_empty_one(self) -> None:
        """A collection that nothing is in is a collection."""
        assert sorted(self.open(EXAMPLE).collections()) == sorted(EXAMPLE)
        assert list(self.open({}).collections()) == []

    def test_it_has_the_collections_it_names_and_no_others(self) -> None:
        """Whatever is asked for."""
        source = self.open(EXAMPLE)
        assert all(source.has_collection(name) for name in EXAMPLE)
        for name in ("", "user", "Users", "users ", "no such", "users'; --", "ü", "sqlite_master"):
            assert not source.has_collection(name), name

    def test_a_scan_gives_every_document_once(self) -> None:
        """With everything that is in it."""
        source = self.open(EXAMPLE)
        for name, documents in EXAMPLE.items():
            found = {document["_key"]: _public(document) for document in source.scan(name)}
            assert sorted([document["_key"] for document in source.scan(name)]) == sorted(found), "a key came twice"
            expected = {document["_key"]: _public(document) for document in documents}
            assert sorted(found) == sorted(expected)
            for key, document in expected.items():
                assert hash_key(found[key]) == hash_key(document), (name, key)

    def test_documents_are_plain_json(self) -> None:
        """Objects, arrays, strings, numbers of 64 bits, bools and null, and nothing derived from them."""
        source = self.open(EXAMPLE)
        for name in EXAMPLE:
            for document in source.scan(name):
                assert type(document) is dict
                assert type(document["_key"]) is str
                for value in _everything_in(document):
                    assert type(value) in (dict, list, str, int, float, bool, type(None)), type(value)
                    assert type(value) is not int or INTEGER_MIN <= value <= INTEGER_MAX
                    assert type(value) is not dict or all(type(key) is str for key in value)
                json.dumps(document, allow_nan=False)

    def test_every_scan_has_the_same_order(self) -> None:
        """Also when another one is under way, or was left in the middle."""
        source = self.open(EXAMPLE)
        for name in EXAMPLE:
            order = [document["_key"] for document in source.scan(name)]
            list(islice(source.scan(name), 2))
            first, second = iter(source.scan(name)), iter(source.scan(name))
            together = [(one["_key"], other["_key"]) for one, other in zip(first, second, strict=True)]
            assert together == list(zip(order, order, strict=True))

    def test_a_document_is_found_by_its_key_exactly(self) -> None:
        """If the source finds documents by key: the one of a scan, for a key in this very spelling."""
        source = self.open(EXAMPLE)
        if not isinstance(source, KeyedDataSource):
            return
        for name in EXAMPLE:
            for document in source.scan(name):
                found = source.get(name, document["_key"])
                assert found is not None
                assert hash_key(found) == hash_key(document)
        for key in ("", "2", "001", "1 ", "B", "b", "A B", "NULL", "%", "_", "x" * 199, "v0", "o0"):
            assert source.get("users", key) is None, key
        assert source.get("empty", "1") is None

    def test_queries_mean_what_they_mean_over_a_dict(self) -> None:
        """The same results as over the same documents in plain lists, in the order of the scans, or the same error."""
        source = self.open(EXAMPLE)
        plain = DictSource({name: [_public(document) for document in source.scan(name)] for name in EXAMPLE})
        for text in QUERIES:
            assert _outcome(text, source) == _outcome(text, plain), text


def _public(document: Document) -> Document:
    return {name: value for name, value in document.items() if name == "_key" or not name.startswith("_")}


def _everything_in(value: Any) -> Iterator[Any]:
    yield value
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _everything_in(member)


def _outcome(text: str, source: DataSource) -> object:
    try:
        return hash_key(run(text, None, source))
    except QueryError as error:
        return error.message
