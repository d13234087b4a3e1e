"""Plan and data to rows: the definition of what SDBQL means.

Each step becomes a generator over one shared frame: it sets its slots and yields, and the
step after it runs with the frame as it is. So a row exists only while it is looked at,
LIMIT stops the steps before it, and an error is raised when its row is reached.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from sdbql import plan
from sdbql.conditions import reads_variables
from sdbql.errors import ExecutionError
from sdbql.extent import compile_extent
from sdbql.frame import Evaluate, Frame, Layout
from sdbql.grouping import compile_group
from sdbql.hash_lookup import Find, compile_find
from sdbql.index_lookup import compile_candidates
from sdbql.operators import compile_bounds
from sdbql.outer_join import compile_full_join, compile_right_join
from sdbql.result_size import ResultSize
from sdbql.row_order import compile_order, compile_top
from sdbql.segments import Segment, compile_results, compile_rows, find_segment
from sdbql.sqlite_rows import STORED_STEPS, compile_stored_results
from sdbql.syntax_tree import (
    Binary,
    CollectionBind,
    CollectionRead,
    Expression,
)
from sdbql.values import Value, type_name

Rows = Callable[[Frame], Iterator[None]]
"""A compiled step: yields once for each row, with the row's values set in the frame."""
Chunks = Callable[[Frame], Iterator[list[Value]]]
"""A compiled plan: yields its results, some at a time."""

FIRST_CHUNK, CHUNK = 512, 2_048
"""How many rows are counted at once; counting each would cost as much as a filter."""


def compile_plan(whole: plan.Plan, layout: Layout) -> Evaluate:
    """Return a plan as a function from a frame to the list of its results: a subquery."""
    chunks = _compile_chunks(whole, layout)

    def run(frame: Frame) -> Value:
        context = frame[0]
        results: list[Value] = []
        for chunk in chunks(frame):
            results += chunk
            context.hold(len(results))
        return results

    return run


def compile_query(whole: plan.Plan, layout: Layout) -> Evaluate:
    """Return the outermost plan as a function to its results, whose size is bounded too."""
    chunks = _compile_chunks(whole, layout)

    def run(frame: Frame) -> Value:
        context = frame[0]
        results: list[Value] = []
        size = ResultSize(context)
        for chunk in chunks(frame):
            results += chunk
            context.hold(len(results))
            size.add(chunk, results)
        return results

    return run


def _compile_chunks(whole: plan.Plan, layout: Layout) -> Chunks:
    if stored_results := compile_stored_results(whole, layout):
        return stored_results
    if whole.distinct:
        return _distinct(compile_step(whole.rows, layout), layout.expression(whole.value))
    if segment := find_segment(whole.rows):
        return _compile_segment(segment, compile_results(segment, whole.value, layout), layout)
    rows, value = compile_step(whole.rows, layout), layout.expression(whole.value)

    def chunks(frame: Frame) -> Iterator[list[Value]]:
        results = (value(frame) for _ in rows(frame))
        while chunk := list(islice(results, CHUNK)):
            yield chunk

    return chunks


def _distinct(rows: Rows, value: Evaluate) -> Chunks:
    def chunks(frame: Frame) -> Iterator[list[Value]]:
        first: dict[Any, Value] = {}
        for _ in rows(frame):
            result = value(frame)
            first.setdefault(frame[0].key(result), result)
            frame[0].hold(len(first))
        yield list(first.values())

    return chunks


def compile_step(step: plan.Step, layout: Layout) -> Rows:
    """Return a step as a function from a frame to an iterator over its rows."""
    return STEPS[type(step)](step, layout)


def _start(step: plan.Start, layout: Layout) -> Rows:
    def rows(frame: Frame) -> Iterator[None]:
        yield

    return rows


# --- iterating


def _compile_segment(segment: Segment, run: Callable[[Frame, list[Value]], Any], layout: Layout) -> Callable[[Frame], Any]:
    """Return what `run` makes of each chunk of the segment's elements, for every row before them."""
    elements, before = compile_source(segment.loop.source, layout), compile_step(segment.loop.before, layout)
    candidates = compile_candidates(segment.loop, segment.stages, layout)

    def chunks(frame: Frame) -> Iterator[Any]:
        spend = frame[0].spend
        for _ in before(frame):
            found: Sequence[Value] | None = None if candidates is None else candidates(frame)
            if found is None:
                found = elements(frame)
            start, size = 0, FIRST_CHUNK
            while chunk := list(found[start : start + size]):
                start, size = start + size, CHUNK
                spend(len(chunk))
                yield run(frame, chunk)

    return chunks


def _segment(step: plan.Iterate | plan.Keep | plan.Assign, layout: Layout) -> Rows:
    segment = find_segment(step)
    if segment is None:
        assert not isinstance(step, plan.Iterate)
        return _keep(step, layout) if isinstance(step, plan.Keep) else _assign(step, layout)
    chunks = _compile_segment(segment, compile_rows(segment, layout), layout)
    return lambda frame: chain.from_iterable(chunks(frame))


def compile_source(source: Expression, layout: Layout) -> Callable[[Frame], Sequence[Value]]:
    """Return what FOR iterates over: a range, which takes no memory, or an array."""
    if isinstance(source, Binary) and source.operator == "..":
        return compile_bounds(source, layout)
    return compile_array(source, layout)


def compile_array(source: Expression, layout: Layout) -> Callable[[Frame], list[Value]]:
    """Return a function to the documents of a collection, or to a value that must be an array."""
    evaluate, span = layout.expression(source), source.span
    if isinstance(source, CollectionRead | CollectionBind):
        return evaluate

    def array(frame: Frame) -> list[Value]:
        value = evaluate(frame)
        if not isinstance(value, list):
            advice = "where it may be missing, say: FOR x IN value ?? []" if value is None else ""
            raise ExecutionError(f"FOR source must be an array, found {type_name(value)}", span, advice)
        return value

    return array


def _keep(step: plan.Keep, layout: Layout) -> Rows:
    before, condition = compile_step(step.before, layout), layout.expression(step.condition)

    def rows(frame: Frame) -> Iterator[None]:
        for _ in before(frame):
            if condition(frame):
                yield

    return rows


def _assign(step: plan.Assign, layout: Layout) -> Rows:
    before, slot = compile_step(step.before, layout), layout.slot(step.variable)
    value = layout.expression(step.value)

    def rows(frame: Frame) -> Iterator[None]:
        for _ in before(frame):
            frame[slot] = value(frame)
            yield

    return rows


# --- order, extent, groups


def _slice(step: plan.Slice, layout: Layout) -> Rows:
    before = compile_step(step.before, layout)
    bounds = compile_extent(step.offset, step.count, layout)

    def rows(frame: Frame) -> Iterator[None]:
        offset, count = bounds(frame)
        if count:
            yield from islice(before(frame), offset, offset + count)

    def rows_with_extent_of_first(frame: Frame) -> Iterator[None]:
        remaining = before(frame)
        for _ in remaining:
            offset, count = bounds(frame)
            if count and not offset:
                yield
            if count:
                yield from islice(remaining, max(0, offset - 1), offset + count - 1)
            return

    return rows_with_extent_of_first if reads_variables(step) else rows


def _order(step: plan.Order, layout: Layout) -> Rows:
    return compile_order(step, compile_step(step.before, layout), layout)


def _top_rows(step: plan.TopRows, layout: Layout) -> Rows:
    before = compile_step(step.before, layout)
    return compile_top(step, before, compile_extent(step.offset, step.count, layout), layout)


def _group(step: plan.Group, layout: Layout) -> Rows:
    return compile_group(step, compile_step(step.before, layout), layout)


# --- joining


def _hash_join(step: plan.HashJoin, layout: Layout) -> Rows:
    before, array = compile_step(step.before, layout), compile_array(step.source, layout)
    slot = layout.slot(step.variable)
    find = compile_find(step, step.element_key, step.row_key, array, layout)

    def rows(frame: Frame) -> Iterator[None]:
        for _ in before(frame):
            found = find(frame)
            for frame[slot] in found:
                yield

    return rows


def _group_join(step: plan.GroupJoin, layout: Layout) -> Rows:
    before, source = compile_step(step.before, layout), layout.expression(step.source)
    condition = layout.expression(step.condition) if step.condition else None
    candidate, slot = layout.slot(step.candidate), layout.slot(step.variable)
    keeps_unmatched = step.keeps_unmatched
    find: Find | None = None
    if step.element_key is not None and step.row_key is not None:
        find = compile_find(step, step.element_key, step.row_key, source, layout)

    def matching(frame: Frame) -> list[Value]:
        documents = _all_documents(frame, source(frame)) if find is None else find(frame)
        if condition is None:
            return documents
        matched = []
        for frame[candidate] in documents:
            if condition(frame):
                matched.append(frame[candidate])
        return matched

    def rows(frame: Frame) -> Iterator[None]:
        for _ in before(frame):
            matched = matching(frame)
            if matched or keeps_unmatched:
                frame[slot] = matched
                yield

    return rows


def _outer_join(step: plan.OuterJoin, layout: Layout) -> Rows:
    compile_join = compile_right_join if step.kind == "RIGHT" else compile_full_join
    return compile_join(step, compile_step(step.before, layout), layout)


def _all_documents(frame: Frame, documents: list[Value]) -> list[Value]:
    frame[0].spend(len(documents))
    return documents


STEPS: dict[type[plan.Step], Callable[[Any, Layout], Rows]] = {
    plan.Start: _start,
    plan.Iterate: _segment,
    plan.Keep: _segment,
    plan.Assign: _segment,
    plan.Slice: _slice,
    plan.Order: _order,
    plan.TopRows: _top_rows,
    plan.Group: _group,
    plan.HashJoin: _hash_join,
    plan.OuterJoin: _outer_join,
    plan.GroupJoin: _group_join,
    **STORED_STEPS,
}
