"""Putting rows in order: SORT, and SORT with LIMIT.

Rows are held as their saved slots, with a column of values for each sort key. Python's sort
is stable, also in reverse, so a SORT with several keys sorts once for each, the least
significant first.
"""

import heapq
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any, Self

from sdbql import plan
from sdbql.execution_context import ExecutionContext
from sdbql.frame import Evaluate, Frame, Layout
from sdbql.syntax_tree import SortKey
from sdbql.values import Value, container_order, sort_key

Rows = Callable[[Frame], Iterator[None]]
Bounds = Callable[[Frame], tuple[int, int]]

HELD_CHECK = 1024
"""After how many rows the number held is checked again."""


def compile_order(step: plan.Order, before: Rows, layout: Layout) -> Rows:
    """Return the rows of `before` in the order of the step's keys."""
    save, restore = compile_holder(step.before.variables, layout)
    keys = [(layout.expression(key.value), key.descending) for key in step.keys]

    def rows(frame: Frame) -> Iterator[None]:
        saved: list[Any] = []
        columns: list[list[Value]] = [[] for _ in keys]
        for _ in before(frame):
            saved.append(save(frame))
            for column, (key, _) in zip(columns, keys, strict=True):
                value = key(frame)
                if isinstance(value, list | dict):
                    frame[0].spend_walk([value])
                column.append(value)
            if not len(saved) % HELD_CHECK:
                frame[0].hold(len(saved))
        frame[0].hold(len(saved))
        order = list(range(len(saved)))
        for column, (_, descending) in reversed(list(zip(columns, keys, strict=True))):
            order.sort(key=sortable(column, frame[0]).__getitem__, reverse=descending)
        for number in order:
            restore(frame, saved[number])
            yield

    return rows


def sortable(column: list[Value], context: ExecutionContext) -> list[Any]:
    """Return values that Python sorts as SDBQL does: as they are, if all are text or numbers."""
    kinds = set(map(type, column))
    if kinds <= {int, float} or kinds == {str}:
        return column
    by_content = container_order(context.spend)
    return [sort_key(value, by_content) for value in column]


def compile_top(step: plan.TopRows, before: Rows, bounds: Bounds, layout: Layout) -> Rows:
    """Return the first rows in the order of the step's keys, holding no more than those."""
    save, restore = compile_holder(step.before.variables, layout)
    keys, directions = _compile_keys(step.keys, layout)
    largest = all(directions)
    mixed = not largest and any(directions)

    def candidates(frame: Frame) -> Iterator[tuple[Any, int, Any]]:
        for number, _ in enumerate(before(frame)):
            if mixed:
                yield _directed(keys(frame), directions), number, save(frame)
            else:
                yield keys(frame), -number if largest else number, save(frame)

    def rows(frame: Frame) -> Iterator[None]:
        offset, count = bounds(frame)
        if not count:
            return
        choose = heapq.nlargest if largest else heapq.nsmallest
        chosen = choose(min(offset + count, frame[0].limits.rows_held_max + 1), candidates(frame))
        frame[0].hold(len(chosen))
        for _, _, row in chosen[offset:]:
            restore(frame, row)
            yield

    return rows


def _compile_keys(keys: tuple[SortKey, ...], layout: Layout) -> tuple[Evaluate, tuple[bool, ...]]:
    """Return a function to the tuple of a row's sort keys, and which of them descend."""
    evaluated = tuple([layout.expression(key.value) for key in keys])
    directions = tuple([key.descending for key in keys])
    if len(evaluated) == 1:
        only = evaluated[0]
        return (lambda frame: (_counted_key(only(frame), frame),)), directions
    return (lambda frame: tuple([_counted_key(value(frame), frame) for value in evaluated])), directions


def _counted_key(value: Value, frame: Frame) -> Any:
    """Return the sort key of a value; comparing arrays and objects counts as steps."""
    if isinstance(value, list | dict):
        return sort_key(value, container_order(frame[0].spend))
    return sort_key(value)


class _Descending:
    """A sort key turned round."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __lt__(self, other: Self) -> bool:
        return bool(other.key < self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and self.key == other.key

    __hash__ = None  # type: ignore[assignment]


def _directed(keys: tuple[Any, ...], directions: tuple[bool, ...]) -> tuple[Any, ...]:
    return tuple([_Descending(key) if descends else key for key, descends in zip(keys, directions, strict=True)])


def compile_holder(variables: tuple[str, ...], layout: Layout) -> tuple[Evaluate, Callable[[Frame, Any], None]]:
    """Return how to save the slots in which rows differ, and how to put them back."""
    slots = [layout.slot(name) for name in variables]
    if not slots:
        return (lambda frame: None), (lambda frame, saved: None)
    if len(slots) == 1:
        return itemgetter(slots[0]), lambda frame, saved: frame.__setitem__(slots[0], saved)

    def restore(frame: Frame, saved: Any) -> None:
        for slot, value in zip(slots, saved, strict=True):
            frame[slot] = value

    return itemgetter(*slots), restore
