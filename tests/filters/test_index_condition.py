"""The part of a filter that is looked up never says no where the filter says yes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from solidb_sync.filters.index_condition import Between, OneOf
from solidb_sync.filters.row_filter import row_filter

VALUES: list[Any] = [
    None, True, False, 0, 1, 1.0, -1, 2, 0.5, 2**53, 2**53 + 1, float(2**53), "", "a", "b", "1", [], [1], [True], {},
]  # fmt: skip
values = st.sampled_from(VALUES)
documents = st.dictionaries(st.sampled_from(["a", "b", "n"]), st.one_of(values, st.fixed_dictionaries({"a": values})))
fields = st.sampled_from(["a", "doc.a", "b", "n.a", "doc.n.a", "_key", "a.b.c"])


@st.composite
def comparisons(draw: st.DrawFn, binds: dict[str, Any]) -> str:
    field, name = draw(fields), f"v{len(binds)}"
    operator = draw(st.sampled_from(["==", "<", "<=", ">", ">=", "IN", "!="]))
    binds[name] = draw(st.lists(values, max_size=3)) if operator == "IN" else draw(values)
    if operator != "IN" and draw(st.booleans()):
        return f"@{name} {operator} {field}"
    return f"{field} {operator} @{name}"


@st.composite
def filters(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    binds: dict[str, Any] = {}
    parts = [draw(comparisons(binds)) for _ in range(draw(st.integers(1, 4)))]
    text = parts[0]
    for part in parts[1:]:
        text = f"({text}) {draw(st.sampled_from(['AND', 'AND', 'OR']))} {part}"
    return text, binds


@given(filters(), st.lists(documents, min_size=1, max_size=8))
def test_the_index_never_says_no_where_the_filter_says_yes(
    made: tuple[str, dict[str, Any]], rows: list[dict[str, Any]]
) -> None:
    made_filter = row_filter(*made, collection="c")
    for key, document in zip("abcdefgh", rows, strict=False):
        if made_filter.matches(key, document) and made_filter.index is not None:
            assert made_filter.index.allows({**document, "_key": key, "_id": f"c/{key}"})


def index_of(text: str, **binds: Any) -> Any:
    return row_filter(text, binds, collection="c").index


def test_a_field_that_equals_is_one_of_or_lies_between_can_be_looked_up() -> None:
    assert index_of("status == 'active'") == OneOf(("status",), ("active",))
    assert index_of("'active' == doc.a.status") == OneOf(("a", "status"), ("active",))
    assert index_of("owner IN @who", who=["ann", "bo", "ann"]) == OneOf(("owner",), ("ann", "bo"))
    assert index_of("owner IN ['ann', @me]", me="bo") == OneOf(("owner",), ("ann", "bo"))
    assert index_of("5 <= n AND n < 9 AND n > 6") == Between(("n",), (2, 6), (2, 9))
    assert index_of("n > 6 AND UPPER(x) == 'A' AND (y == 1 OR z == 2)") == Between(("n",), (2, 6), None)
    assert index_of("n > 6 AND owner IN ['a', 'b'] AND owner == 'a'") == OneOf(("owner",), ("a",))


def test_anything_else_can_not() -> None:
    for text in (
        "a == b",
        "a == 1 OR b == 2",
        "NOT a",
        "UPPER(a) == 'A'",
        "a LIKE 'x%'",
        "a != 1",
        "a IN b",
        "a[0] == 1",
        "true",
    ):
        assert index_of(text) is None, text
    assert index_of("a IN @many", many=list(range(1_001))) is None
    assert index_of("a IN @one", one={"x": 1}) is None
