"""What every storage engine must do with indexes, as tests; to be subclassed like `engine_conformance.EngineConformance`.

Whether an engine really finds faster by an index is its own affair: these laws are about what is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sdbql.values import equal
from solidb_sync.json_value import encode
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.field_path import parse_field
from solidb_sync.storage.records import IndexDefinition, StoredRow
from solidb_sync.testing.engine_samples import document_row, live, tombstone, transaction
from solidb_sync.testing.store_conformance import error_of

CITY = IndexDefinition("users", "city")
VALUES: list[Any] = [
    0, 1, 1.0, -0.0, 0.1, 2**53, 2**53 + 1, float(2**53), 2**63 - 1, -(2**63), 1e308, 1e22, 10**22 * 1.0, True, False,
    "", "0", "1", "true", "[1]", "{}", "a", "A", "é", "😀", "\uffff", "nul \x00 inside", "nul \x00 other", "quote \" '",
    [], [1], [1.0], [True], [[1]], ["1"], {}, {"a": 1}, {"a": 1.0}, {"a": None}, {"b": [1]},
]  # fmt: skip
FIELDS = [
    "city", "address.city", "`a.b`.c", "`it's`", "`$[0]`", "`'); --`", "größe", "`😀`",
]  # fmt: skip


def document_with(field: str, value: Any) -> dict[str, Any]:
    """Return a document in which a field has a value."""
    document: dict[str, Any] = {"other": 1}
    path = parse_field(field)
    inner = document
    for part in path[:-1]:
        inner = inner.setdefault(part, {})
    inner[path[-1]] = value
    return document


def row_with(field: str, value: Any) -> StoredRow:
    """Return a row with that document."""
    return live(encode(document_with(field, value)).decode())


class IndexConformance:
    """The laws of the indexes of an engine; every test is one."""

    def open(self) -> StorageEngine:
        """Return an empty engine of the device `phone`; the test closes it."""
        raise NotImplementedError

    @contextmanager
    def with_users(self, *indexes: IndexDefinition) -> Iterator[StorageEngine]:
        """Open an engine with a few users and these indexes."""
        engine = self.open()
        try:
            with transaction(engine):
                for key, city in (("u1", "Oslo"), ("u2", "Rome"), ("u3", "Oslo"), ("u4", None)):
                    engine.put_row("users", key, row_with("city", city))
                engine.put_row("users", "u5", live())
                engine.put_row("users", "u6", tombstone())
                for index in indexes:
                    engine.put_index(index)
            yield engine
        finally:
            engine.close()

    def test_indexes_are_listed_by_collection_and_field(self) -> None:
        """Of one collection or of all; of a collection nobody knows there are none."""
        unique = IndexDefinition("users", "address.zip", unique=True)
        orders = IndexDefinition("orders", "total")
        with self.with_users(CITY, unique, orders) as engine:
            for reader in (engine, engine.reader()):
                assert reader.indexes() == [orders, unique, CITY]
                assert reader.indexes("users") == [unique, CITY]
                assert reader.indexes("nobody") == []
            assert engine.collections() == ["orders", "users"]

    def test_an_index_is_dropped_once(self) -> None:
        """And can be made again."""
        with self.with_users(CITY) as engine:
            with transaction(engine):
                assert engine.drop_index("users", "city")
                assert not engine.drop_index("users", "city")
                assert not engine.drop_index("nobody", "city")
            assert engine.indexes() == engine.reader().indexes() == []
            with transaction(engine):
                engine.put_index(CITY)
            assert engine.keys_with(CITY, "Oslo") == ["u1", "u3"]

    def test_documents_are_found_by_a_value_without_tombstones_nulls_and_missing_ones(self) -> None:
        """By key; the same before, in and after the transaction that makes the index."""
        with self.with_users(CITY) as engine:
            assert engine.keys_with(CITY, "Oslo") == ["u1", "u3"]
            assert engine.keys_with(CITY, "oslo") == []
            assert engine.keys_with(IndexDefinition("nobody", "city"), "Oslo") == []
            values = [("u1", "Oslo"), ("u2", "Rome"), ("u3", "Oslo")]
            assert list(engine.reader().field_values("users", ("city",))) == values
            assert list(engine.field_values("nobody", ("city",))) == []

    def test_what_is_written_later_is_found_too(self) -> None:
        """Every way of writing a row: one, many, a tombstone in its place, none at all, and a document again."""
        with self.with_users(CITY) as engine:
            with transaction(engine):
                engine.put_documents(
                    "users", [document_row("u7", row_with("city", "Oslo")), document_row("u1", row_with("city", "Rome"))]
                )
                engine.put_row("users", "u3", tombstone())
                engine.drop_row("users", "u2")
                engine.put_row("users", "u6", row_with("city", "Rome"))
                assert engine.keys_with(CITY, "Oslo") == ["u7"]
            assert engine.keys_with(CITY, "Rome") == ["u1", "u6"]

    def test_values_are_found_by_equality_as_sdbql_has_it(self) -> None:
        """Every kind of value against every other: 1 is 1.0 and not true, "[1]" is no array, NUL ends no string."""
        with self.with_users(CITY) as engine:
            with transaction(engine):
                for number, value in enumerate(VALUES):
                    engine.put_row("users", f"v{number:02}", row_with("city", value))
            for value in VALUES:
                wanted = [f"v{number:02}" for number, other in enumerate(VALUES) if equal(value, other)]
                assert [key for key in engine.keys_with(CITY, value) if key.startswith("v")] == wanted, repr(value)

    def test_a_field_may_have_any_name_and_be_at_any_depth(self) -> None:
        """Also names that mean something to SQL or to a path of SQLite."""
        indexes = [IndexDefinition("users", field) for field in FIELDS]
        with self.with_users(*indexes) as engine:
            with transaction(engine):
                engine.put_row("users", "above", live('{"address":[{"city":"x"}],"a":{"b":{"c":"x"}}}'))
                for number, field in enumerate(FIELDS):
                    engine.put_row("users", f"x{number}", row_with(field, "x"))
            for number, index in enumerate(indexes):
                assert engine.keys_with(index, "x") == [f"x{number}"], index.field
                found = dict(engine.field_values("users", parse_field(index.field)))
                assert found.get(f"x{number}") == "x"
            assert engine.damage() == []

    def test_a_rollback_takes_indexes_back(self) -> None:
        """A made one and a dropped one, of a whole transaction and of a savepoint."""
        other = IndexDefinition("users", "name")
        with self.with_users(CITY) as engine:
            engine.begin()
            engine.put_index(other)
            engine.drop_index("users", "city")
            assert engine.indexes() == [other]
            engine.rollback()
            assert engine.indexes() == [CITY]
            with transaction(engine):
                engine.savepoint()
                engine.put_index(other)
                engine.drop_index("users", "city")
                assert engine.rollback_to_savepoint()
                engine.release()
            assert engine.indexes() == engine.reader().indexes() == [CITY]
            with transaction(engine):
                engine.put_index(other)
            assert engine.indexes() == [CITY, other]

    def test_progress_goes_from_nothing_to_all_documents_and_never_back(self) -> None:
        """Also over a collection with nothing in it."""
        with self.with_users() as engine:
            for count in (0, 1, 5_000):
                told: list[tuple[int, int]] = []
                name = f"many{count}"
                with transaction(engine):
                    engine.put_documents(name, [document_row(f"k{number}", live()) for number in range(count)])
                    engine.put_index(IndexDefinition(name, "a"), lambda done, of, told=told: told.append((done, of)))  # type: ignore[misc]
                assert (told[0], told[-1]) == ((0, count), (count, count))
                assert told == sorted(told)
                assert {of for _, of in told} == {count}

    def test_what_progress_raises_is_raised_and_the_engine_goes_on(self) -> None:
        """The caller takes its transaction back, as with any work that raises."""

        def give_up(done: int, count: int) -> None:
            raise KeyError(f"{done} of {count}")

        with self.with_users() as engine:
            engine.begin()
            engine.savepoint()
            problem = error_of(lambda: engine.put_index(CITY, give_up))
            assert isinstance(problem, KeyError)
            assert problem.args == ("0 of 5",)
            assert engine.rollback_to_savepoint()
            engine.release()
            engine.put_row("users", "u9", live())
            engine.commit()
            assert engine.indexes() == []
            assert engine.row("users", "u9") == live()
