"""Grouping rows: COLLECT and GROUP BY.

Groups are found by the hash keys of their values and come out in the order of those values.
A group counts its rows and keeps, for each aggregate with an argument, the argument's values.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sdbql import plan
from sdbql.frame import Evaluate, Frame, Layout
from sdbql.functions.aggregates import AGGREGATES, Aggregation
from sdbql.syntax_tree import Expression
from sdbql.values import Value, sort_key

Rows = Callable[[Frame], Iterator[None]]
FindGroup = Callable[[Frame, dict[Any, "_Group"]], "_Group"]

HELD_CHECK = 1024
"""After how many rows the number held is checked again."""


@dataclass(slots=True)
class _Group:
    keys: tuple[Value, ...]
    columns: list[list[Value]]
    rows: int = field(default=0)


def compile_group(step: plan.Group, before: Rows, layout: Layout) -> Rows:
    """Return one row for each group of the rows of `before`, in the order of the keys."""
    constants = [layout.slot(name) for name in step.constants]
    arguments = [layout.expression(aggregate.value) for aggregate in step.aggregates if aggregate.value is not None]
    find_group = _compile_find([key.value for key in step.keys], len(arguments), layout)
    publish = _compile_publish(step, layout)

    def rows(frame: Frame) -> Iterator[None]:
        for slot in constants:
            frame[slot] = None
        groups: dict[Any, _Group] = {} if step.keys else {(): _Group((), [[] for _ in arguments])}
        for number, _ in enumerate(before(frame)):
            group = find_group(frame, groups)
            group.rows += 1
            if arguments:
                for column, argument in zip(group.columns, arguments, strict=True):
                    column.append(argument(frame))
            if not number % HELD_CHECK:
                frame[0].hold(number if arguments else len(groups))
        frame[0].hold(len(groups))
        for group in sorted(groups.values(), key=lambda group: [sort_key(value) for value in group.keys]):
            publish(frame, group)
            yield

    return rows


def _compile_find(keys: list[Expression], columns: int, layout: Layout) -> FindGroup:
    """Return how to find the group of the row in the frame, or begin it."""
    evaluated = [layout.expression(key) for key in keys]
    if len(evaluated) == 1:
        return _find_by_one(evaluated[0], columns)

    def find(frame: Frame, groups: dict[Any, _Group]) -> _Group:
        values = tuple([key(frame) for key in evaluated])
        identity = tuple([frame[0].key(value) for value in values])
        group = groups.get(identity)
        if group is None:
            group = groups[identity] = _Group(values, [[] for _ in range(columns)])
        return group

    return find


def _find_by_one(key: Evaluate, columns: int) -> FindGroup:
    def find(frame: Frame, groups: dict[Any, _Group]) -> _Group:
        value = key(frame)
        identity = value if type(value) is str else frame[0].key(value)
        group = groups.get(identity)
        if group is None:
            group = groups[identity] = _Group((value,), [[] for _ in range(columns)])
        return group

    return find


def _compile_publish(step: plan.Group, layout: Layout) -> Callable[[Frame, _Group], None]:
    """Return how to set the variables of a finished group."""
    key_slots = [layout.slot(key.variable) for key in step.keys]
    counts: list[int] = []
    results: list[tuple[int, Aggregation]] = []
    for aggregate in step.aggregates:
        slot = layout.slot(aggregate.variable)
        if aggregate.value is None:
            counts.append(slot)
        else:
            results.append((slot, AGGREGATES[aggregate.function]))

    def publish(frame: Frame, group: _Group) -> None:
        for slot, value in zip(key_slots, group.keys, strict=True):
            frame[slot] = value
        for slot in counts:
            frame[slot] = group.rows
        for (slot, result), column in zip(results, group.columns, strict=True):
            frame[slot] = result(column)

    return publish
