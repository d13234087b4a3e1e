"""A plan as text: one line for each step, in the order in which rows pass through.

Expressions are shown as they stand in the query. Of a plan whose first steps run in SQLite, those come first, with what
SQLite says of how it finds the rows.
"""

from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Any, cast

from sdbql import plan
from sdbql.data_source import Path
from sdbql.index_lookup import conditions_on, path_of_element, usable_paths
from sdbql.source_text import Span
from sdbql.sqlite_plan import StoredGroup, StoredLookup, StoredRead
from sdbql.sqlite_select import Select
from sdbql.syntax_tree import Expression, Node, Variable, children

INDENT = "  "
Indexed = Callable[[Expression], frozenset[Path]]
"""The paths with an index in what a loop is over."""


def no_indexes(source: Expression) -> frozenset[Path]:
    """Know of none."""
    return frozenset()


def explain(whole: plan.Plan, text: str, indexed: Indexed = no_indexes) -> str:
    """Return the plan of the query `text`, a subquery indented under the step that needs it."""
    return "\n".join(_plan_lines(whole, text, indexed))


def explain_split(split: plan.Plan, original: plan.Plan, text: str, search: Callable[[Select], list[str]]) -> str:
    """Return a split plan of the query `text`; `search` tells how SQLite finds the rows of a SELECT."""
    return "\n".join(_split_lines(split, original, text, search))


def _split_lines(split: plan.Plan, original: plan.Plan, text: str, search: Callable[[Select], list[str]]) -> Iterator[str]:
    rest: list[plan.Step] = []
    stored: list[plan.Step] = []
    step = split.rows
    while True:
        (stored if isinstance(step, StoredRead | StoredGroup | StoredLookup) else rest).append(step)
        if not isinstance(step, plan.Following):
            break
        step = step.before
    yield "in SQLite"
    for each in reversed(stored):
        assert isinstance(each, StoredRead | StoredGroup | StoredLookup)
        for replaced in each.replaced:
            yield f"{INDENT}{_describe(replaced, text)}"
        for select in _selects(each):
            yield from [f"{INDENT * 2}{line}" for line in search(select)]
    distinct = "distinct " if original.distinct else ""
    returned = f"return {distinct}{_source(original.value.span, text)}"
    if (
        isinstance(split.rows, StoredRead)
        and isinstance(split.value, Variable)
        and (split.value.name,) == split.rows.outputs
    ):
        yield f"{INDENT}{returned}"
        return
    yield "in the interpreter"
    for each in reversed(rest):
        yield f"{INDENT}{_describe(each, text)}"
        yield from [f"{INDENT}{line}" for line in _subquery_lines(each, text)]
    yield f"{INDENT}{returned}"
    yield from [f"{INDENT}{line}" for line in _subquery_lines(split.value, text)]


def _selects(step: StoredRead | StoredGroup | StoredLookup) -> list[Select]:
    match step:
        case StoredRead():
            return [step.rows.select]
        case StoredGroup():
            return [step.select]
        case StoredLookup(fetch=fetch):
            return [*([] if fetch.scan is None else [fetch.scan]), fetch.rows.select]


def _plan_lines(whole: plan.Plan, text: str, indexed: Indexed) -> Iterator[str]:
    chain: list[plan.Step] = []
    step = whole.rows
    while isinstance(step, plan.Following):
        chain.append(step)
        step = step.before
    chain.reverse()
    for place, each in enumerate(chain):
        yield _describe(each, text)
        yield from _index_lines(each, chain[place + 1 :], text, indexed)
        yield from _subquery_lines(each, text, indexed)
    distinct = "distinct " if whole.distinct else ""
    yield f"return {distinct}{_source(whole.value.span, text)}"
    yield from _subquery_lines(whole.value, text, indexed)


def _index_lines(step: plan.Step, later: list[plan.Step], text: str, indexed: Indexed) -> Iterator[str]:
    """Yield through which index a step finds its documents, where it can."""
    match step:
        case plan.Iterate():
            stages = takewhile(lambda each: isinstance(each, plan.Keep | plan.Assign), later)
            paths = usable_paths(conditions_on(step.variable, cast(Any, stages)))
        case plan.HashJoin(element_key=key, variable=variable):
            paths = [path_of_element(key, variable)]
        case plan.GroupJoin(element_key=Expression() as key, candidate=variable):
            paths = [path_of_element(key, variable)]
        case _:
            return
    known = indexed(step.source)
    for path in [path for path in paths if path in known][:1]:
        yield f"{INDENT}using the index on {_source(step.source.span, text)}.{'.'.join(path)}"


def _subquery_lines(node: Node, text: str, indexed: Indexed = no_indexes) -> Iterator[str]:
    """Yield the plans of the subqueries in a node, but not those of the steps before it."""
    if isinstance(node, plan.PlannedSubquery):
        yield f"{INDENT}subquery"
        for line in _plan_lines(node.plan, text, indexed):
            yield f"{INDENT * 2}{line}"
        return
    for child in children(node):
        if not isinstance(child, plan.Step):
            yield from _subquery_lines(child, text, indexed)


def _describe(step: plan.Step, text: str) -> str:
    match step:
        case plan.Iterate():
            return f"for each {step.variable} in {_source(step.source.span, text)}"
        case plan.HashJoin():
            source = _source(step.source.span, text)
            return f"look up {step.variable} in {source} by hash: {_keys(step, text)}"
        case plan.GroupJoin():
            kind = "left join" if step.keeps_unmatched else "join"
            how = "" if step.element_key is None else f" by hash: {_keys(step, text)}"
            also = "" if step.condition is None else f" where {_source(step.condition.span, text)}"
            return f"{kind} {step.variable}{how}{also}"
        case plan.OuterJoin():
            how = "" if step.element_key is None else f" by hash: {_keys(step, text)}"
            also = "" if step.condition is None else f" where {_source(step.condition.span, text)}"
            return f"{step.kind.lower()} join {step.variable}{how}{also}"
        case plan.Keep():
            return f"filter {_source(step.condition.span, text)}"
        case plan.Assign():
            return f"let {step.variable} = {_source(step.value.span, text)}"
        case plan.Order():
            return f"sort by {_sort_keys(step, text)}"
        case plan.TopRows():
            return f"sort by {_sort_keys(step, text)}, keeping only {_extent(step, text)}"
        case plan.Slice():
            return f"limit {_extent(step, text)}"
        case plan.Group():
            parts = [_source(part.span, text) for part in (*step.keys, *step.aggregates)]
            return f"group into {', '.join(step.variables)}: {'; '.join(dict.fromkeys(parts))}"
        case _:
            raise AssertionError(step)


def _keys(step: plan.HashJoin | plan.GroupJoin | plan.OuterJoin, text: str) -> str:
    assert step.element_key is not None
    assert step.row_key is not None
    return f"{_source(step.element_key.span, text)} == {_source(step.row_key.span, text)}"


def _sort_keys(step: plan.Order | plan.TopRows, text: str) -> str:
    return ", ".join([_source(key.span, text) for key in step.keys])


def _extent(step: plan.Slice | plan.TopRows, text: str) -> str:
    count = _source(step.count.span, text)
    return count if step.offset.span == Span(0, 0) else f"{_source(step.offset.span, text)}, {count}"


def _source(span: Span, text: str) -> str:
    return " ".join(text[span.start : span.end].split())
