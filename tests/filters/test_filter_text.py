"""What may be a sync filter, what may not, and why (J1, J3, C4)."""

from __future__ import annotations

from typing import Any

import pytest

from sdbql.functions import catalog
from solidb_sync.errors import FilterError
from solidb_sync.filters.filter_text import CHANGING
from solidb_sync.filters.row_filter import Verdict, row_filter

ANN = {"name": "Ann", "age": 30, "doc": {"age": 7}, "tags": ["a"]}


def matches(text: str, binds: dict[str, Any] | None = None, document: dict[str, Any] = ANN) -> bool:
    return row_filter(text, binds, collection="users").matches("k1", document)


@pytest.mark.parametrize(
    "text",
    [
        "age == 30",
        "doc.age == 30",
        "doc.doc.age == 7",
        "_key == 'k1' AND doc._id == 'users/k1'",
        "FOR u IN users FILTER u.age == 30 RETURN u",
        "FOR u IN users FILTER u.age > 1 FILTER u.name == 'Ann' RETURN u",
        "FOR doc IN users RETURN doc",
        "  FOR u IN users FILTER 'a' IN u.tags && LENGTH(u.name) == 3 RETURN u  ",
        "ANY t IN tags SATISFIES t == 'a'",
        "LENGTH(FILTER(tags, t -> t == 'a')) == 1",
    ],
)
def test_j3_c4_a_bare_predicate_and_a_query_both_pick_documents(text: str) -> None:
    assert matches(text)


def test_j1_a_query_names_its_collection_and_a_predicate_has_to_be_told_it() -> None:
    assert row_filter("FOR n IN notes RETURN n").collection == "notes"
    assert row_filter("a == 1", collection="notes").collection == "notes"
    with pytest.raises(FilterError, match="names no collection"):
        row_filter("a == 1")
    with pytest.raises(FilterError, match="reads 'notes', and is given for the collection 'users'"):
        row_filter("FOR n IN notes RETURN n", collection="users")


REFUSED = {
    "FOR u IN users FOR o IN orders RETURN u": "second FOR is a join",
    "FOR u IN users JOIN orders ON orders.u == u._key RETURN u": "JOIN needs other documents",
    "FOR u IN users COLLECT a = u.age RETURN a": "COLLECT makes groups",
    "FOR u IN users SORT u.age RETURN u": "SORT has no meaning",
    "FOR u IN users LIMIT 3 RETURN u": "with LIMIT it would depend on other documents",
    "FOR u IN users LET a = u.age FILTER a > 1 RETURN u": "LET is not read in a filter",
    "LET a = 1 FOR u IN users RETURN u": "must begin with FOR",
    "FOR u IN users FILTER LENGTH(FOR o IN orders RETURN o) > 0 RETURN u": "subquery needs other documents",
    "LENGTH((FOR o IN orders RETURN o)) > 0": "subquery needs other documents",
    "FOR u IN users RETURN u.age": "nothing made of them: end with RETURN u",
    "FOR u IN users RETURN DISTINCT u": "without DISTINCT",
    "FOR u IN users RETURN {u}": "nothing made of them",
    "FOR u IN users FILTER u.age IN orders RETURN u": "orders: not the document or a part of it",
    "FOR u IN users FILTER LENGTH(users) > 3 RETURN u": "users: not the document or a part of it",
    "FOR u IN @@c RETURN u": "write the name of the collection",
    "FOR u IN [1, 2] RETURN u": "must read a collection",
    "FOR u IN users FILTER LENGTH(@@c) > 0 RETURN u": "another collection",
    "age > NOW()": "changes by itself",
    "RANDOM() > 0.5": "changes by itself",
    "HUMAN_TIME(at) == 'just now'": "changes by itself",
    "age ==": "Parse error",
    "age == 1 RETURN 2": "Unexpected token",
    "NO_SUCH(age)": "Unknown function",
    "FOR u IN users": "RETURN",
    "age == @least": "@least not given",
    "": "a condition",
    "a == '" + "x" * 10_000 + "'": "at most 10000 characters",
}


@pytest.mark.parametrize("text", REFUSED)
def test_j3_what_is_no_condition_on_one_document_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(FilterError, match=r"(filter|bind_vars): ") as raised:
        row_filter(text, collection="users")
    assert REFUSED[text] in str(raised.value)


def test_j3_every_function_that_changes_by_itself_is_refused_under_all_its_names() -> None:
    names = [name for name in catalog.BUILTINS if catalog.BUILTINS[name].call in CHANGING]
    assert {"NOW", "DATE_NOW", "NOW_ISO", "RANDOM", "RAND", "RANDOM_INT"} <= set(names)
    for name in names:
        call = f"{name.lower()}({'1, 2' if name.endswith('INT') else ''}) > 0"
        with pytest.raises(FilterError, match="changes by itself"):
            row_filter(call, collection="users")


def test_binds_are_json_and_of_bounded_size() -> None:
    assert matches("age == @a", {"a": 30})
    with pytest.raises(FilterError, match="bind_vars"):
        row_filter("age == @a", {"a": {1, 2}}, collection="users")
    with pytest.raises(FilterError, match="at most 65536 bytes"):
        row_filter("age IN @a", {"a": ["x" * 70_000]}, collection="users")


def test_a_document_about_which_the_condition_fails_is_outside() -> None:
    strict = row_filter("age + 1 > 2", collection="users")
    assert strict.verdict("k", {"age": 30}) is Verdict.MATCHES
    assert strict.verdict("k", {"age": 0}) is Verdict.DIFFERS
    assert strict.verdict("k", {"age": [1]}) is Verdict.FAILED
    assert not strict.matches("k", {"age": [1]})


def test_the_work_on_one_document_is_bounded() -> None:
    heavy = row_filter("LENGTH(FILTER(1..1000000, x -> x % 2 == 0)) > 0", collection="users")
    assert heavy.verdict("k", {}) is Verdict.FAILED


def test_filters_with_the_same_text_and_binds_are_the_same_whatever_the_order_of_the_binds() -> None:
    one = row_filter("a IN @a AND b == @b", {"a": [1], "b": {"x": 1, "y": 2}}, collection="users")
    other = row_filter("  a IN @a AND b == @b ", {"b": {"y": 2, "x": 1}, "a": [1]}, collection="users")
    third = row_filter("a IN @a AND b == @b", {"a": [2], "b": {"x": 1, "y": 2}}, collection="users")
    assert one.identity == other.identity != third.identity
