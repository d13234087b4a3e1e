"""Running a COLLECT over stored columns: rows of JSON texts are counted first, and only different ones decoded."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from sdbql.frame import Frame, Layout
from sdbql.functions.aggregates import AGGREGATES
from sdbql.sqlite_plan import StoredGroup
from sdbql.sqlite_values import decoded, run_slots, sql_source
from sdbql.values import Value, sort_key

CHUNK = 1024
"""After how many rows the limits are looked at again."""

MINUS_INFINITY = float("-inf")
INDEX_RANKS = (None, False, True)
"""What minus infinity in an index stands for, by its rank."""


@dataclass(slots=True)
class _Group:
    keys: tuple[Value, ...]
    rows: int = 0
    arguments: list[list[Value]] = field(default_factory=list)


Groups = dict[Any, _Group]
Read = Callable[[Frame, Iterator[Sequence[Any]]], Groups]


def compile_stored_group(step: StoredGroup, layout: Layout) -> Callable[[Frame], Iterator[None]]:
    """Return one row for each group, in the order of the keys."""
    begin = run_slots(step.preamble, layout)
    constants = [layout.slot(name) for name in step.constants]
    publish = _compile_publish(step, layout)
    read = _reader(step)

    def rows(frame: Frame) -> Iterator[None]:
        for slot in constants:
            frame[slot] = None
        run_constants = begin(frame)
        found = sql_source(frame).select(step.select.statement, step.select.values(run_constants))
        groups = read(frame, found)
        frame[0].hold(len(groups))
        for group in sorted(groups.values(), key=lambda group: [sort_key(value) for value in group.keys]):
            publish(frame, group)
            yield

    return rows


def _reader(step: StoredGroup) -> Read:
    if step.is_counted:
        return _counted
    if any(aggregate.value is not None for aggregate in step.aggregates):
        return partial(_with_arguments, has_keys=bool(step.keys))
    return _by_texts if step.keys else _all_rows


def _all_rows(frame: Frame, rows: Iterator[Sequence[Any]]) -> Groups:
    """Read one number: that of all rows."""
    ((count,),) = rows
    return {(): _Group((), count)}


def _counted(frame: Frame, rows: Iterator[Sequence[Any]]) -> Groups:
    """Read index keys with the number of their rows."""
    groups: Groups = {}
    for key, rank, count in rows:
        if key == MINUS_INFINITY:
            value = INDEX_RANKS[rank]
        else:
            value = sql_source(frame).decode(key.decode()) if isinstance(key, bytes) else key
        _group(frame, groups, (value,)).rows += count
    return groups


def _by_texts(frame: Frame, rows: Iterator[Sequence[Any]]) -> Groups:
    """Count rows by the JSON texts of their keys."""
    counts: Counter[Sequence[Any]] = Counter()
    while chunk := list(islice(rows, CHUNK)):
        counts.update(chunk)
        frame[0].spend(len(chunk))
        frame[0].hold(len(counts))
    groups: Groups = {}
    for texts, count in counts.items():
        _group(frame, groups, _values(frame, texts)).rows += count
    return groups


def _with_arguments(frame: Frame, rows: Iterator[Sequence[Any]], *, has_keys: bool) -> Groups:
    """Collect the arguments of the aggregates by the JSON texts of the keys."""
    collected: dict[Sequence[Any], list[list[Value]]] = {}
    held = 0
    while chunk := list(islice(rows, CHUNK)):
        arguments = decoded(sql_source(frame), [row[-1] for row in chunk])
        for row, values in zip(chunk, arguments, strict=True):
            collected.setdefault(row[:-1], []).append(values)
        held += len(chunk)
        frame[0].spend(len(chunk))
        frame[0].hold(held)
    groups: Groups = {} if has_keys else {(): _Group(())}
    for texts, argument_rows in collected.items():
        group = _group(frame, groups, _values(frame, texts))
        group.rows += len(argument_rows)
        group.arguments += argument_rows
    return groups


def _values(frame: Frame, texts: Sequence[Any]) -> tuple[Value, ...]:
    decode = sql_source(frame).decode
    return tuple([None if text is None else decode(text) for text in texts])


def _group(frame: Frame, groups: Groups, keys: tuple[Value, ...]) -> _Group:
    identity = tuple([frame[0].key(value) for value in keys])
    group = groups.get(identity)
    if group is None:
        group = groups[identity] = _Group(keys)
    return group


def _compile_publish(step: StoredGroup, layout: Layout) -> Callable[[Frame, _Group], None]:
    key_slots = [layout.slot(name) for name in step.keys]
    counts = [layout.slot(one.variable) for one in step.aggregates if one.value is None]
    results = [(layout.slot(one.variable), AGGREGATES[one.function]) for one in step.aggregates if one.value is not None]

    def publish(frame: Frame, group: _Group) -> None:
        for slot, value in zip(key_slots, group.keys, strict=True):
            frame[slot] = value
        for slot in counts:
            frame[slot] = group.rows
        columns = zip(*group.arguments, strict=True) if group.arguments else [()] * len(results)
        for (slot, result), column in zip(results, columns, strict=True):
            frame[slot] = result(column)

    return publish
