"""A plan as text: one line for each step, in the order in which rows pass through.

Expressions are shown as they stand in the query.
"""

from collections.abc import Iterator

from sdbql import plan
from sdbql.source_text import Span
from sdbql.syntax_tree import Node, children

INDENT = "  "


def explain(whole: plan.Plan, text: str) -> str:
    """Return the plan of the query `text`, a subquery indented under the step that needs it."""
    return "\n".join(_plan_lines(whole, text))


def _plan_lines(whole: plan.Plan, text: str) -> Iterator[str]:
    chain: list[plan.Step] = []
    step = whole.rows
    while isinstance(step, plan.Following):
        chain.append(step)
        step = step.before
    for each in reversed(chain):
        yield _describe(each, text)
        yield from _subquery_lines(each, text)
    distinct = "distinct " if whole.distinct else ""
    yield f"return {distinct}{_source(whole.value.span, text)}"
    yield from _subquery_lines(whole.value, text)


def _subquery_lines(node: Node, text: str) -> Iterator[str]:
    """Yield the plans of the subqueries in a node, but not those of the steps before it."""
    if isinstance(node, plan.PlannedSubquery):
        yield f"{INDENT}subquery"
        for line in _plan_lines(node.plan, text):
            yield f"{INDENT * 2}{line}"
        return
    for child in children(node):
        if not isinstance(child, plan.Step):
            yield from _subquery_lines(child, text)


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
            return f"{step.kind.lower()} join {step.variable} where {_source(step.condition.span, text)}"
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


def _keys(step: plan.HashJoin | plan.GroupJoin, text: str) -> str:
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
