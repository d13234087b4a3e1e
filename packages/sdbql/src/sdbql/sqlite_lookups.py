"""Running a join: rows in batches, the documents of a batch with one SELECT."""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

from sdbql.frame import Frame, Layout
from sdbql.row_order import compile_holder
from sdbql.sqlite_plan import Access, Fetch, Shape, StoredLookup
from sdbql.sqlite_select import Select
from sdbql.sqlite_values import CONSTANTS, decoded, documents, sql_source
from sdbql.values import Value, is_number

FIRST_BATCH, BATCH = 64, 2_048
"""How many rows are looked up at once, at first and later."""

_KEY = itemgetter(0)
Found = list[Value]
FindAll = Callable[[Frame, list[Value]], list[Found]]
"""From the values of many rows to the outputs of the documents that go with each."""


def compile_stored_lookup(
    step: StoredLookup, before: Callable[[Frame], Iterator[None]], layout: Layout
) -> Callable[[Frame], Iterator[None]]:
    """Return the rows of `before` with the documents that go with each."""
    with_found = _compile_with_found(step, before, layout)
    return _compile_array(step, with_found, layout) if step.variable is not None else _compile_loop(step, with_found, layout)


def _compile_with_found(
    step: StoredLookup, before: Callable[[Frame], Iterator[None]], layout: Layout
) -> Callable[[Frame], Iterator[Found]]:
    """Return the rows of `before`, each with what was found for it."""
    save, restore = compile_holder(step.before.variables, layout)
    row_key, find = layout.expression(step.row_key), _FINDERS[step.fetch.access](step.fetch, layout)

    def rows(frame: Frame) -> Iterator[Found]:
        remaining, size = before(frame), FIRST_BATCH
        while batch := [(save(frame), row_key(frame)) for _ in islice(remaining, size)]:
            size = BATCH
            found = find(frame, [key for _, key in batch])
            for (saved, _), of_row in zip(batch, found, strict=True):
                restore(frame, saved)
                yield of_row

    return rows


def _compile_loop(
    step: StoredLookup, with_found: Callable[[Frame], Iterator[Found]], layout: Layout
) -> Callable[[Frame], Iterator[None]]:
    """Return one row for each document that was found."""
    slots = [layout.slot(name) for name in step.outputs]
    if step.fetch.rows.shape is Shape.DOCUMENTS:
        (only,) = slots

        def each_document(frame: Frame) -> Iterator[None]:
            for found in with_found(frame):
                for frame[only] in found:
                    yield

        return each_document

    def each_value(frame: Frame) -> Iterator[None]:
        only = slots[0]
        for found in with_found(frame):
            for (frame[only],) in found:
                yield

    def each(frame: Frame) -> Iterator[None]:
        for found in with_found(frame):
            for values in found:
                for slot, value in zip(slots, values, strict=True):
                    frame[slot] = value
                yield

    return each_value if len(slots) == 1 else each


def _compile_array(
    step: StoredLookup, with_found: Callable[[Frame], Iterator[Found]], layout: Layout
) -> Callable[[Frame], Iterator[None]]:
    """Return one row with the array of the documents that were found and pass the condition."""
    assert step.variable is not None
    (candidate,) = [layout.slot(name) for name in step.outputs]
    slot, keeps_unmatched = layout.slot(step.variable), step.keeps_unmatched
    condition = None if step.condition is None else layout.expression(step.condition)

    def passed(frame: Frame, found: Found) -> Found:
        assert condition is not None
        chosen = []
        for frame[candidate] in found:
            if condition(frame):
                chosen.append(frame[candidate])
        return chosen

    def arrays(frame: Frame) -> Iterator[None]:
        for found in with_found(frame):
            matched = found if condition is None else passed(frame, found)
            if matched or keeps_unmatched:
                frame[slot] = matched
                yield

    return arrays


# --- finding


def _by_key(fetch: Fetch, layout: Layout) -> FindAll:
    constants, prefix = layout.slot(CONSTANTS), fetch.id_prefix

    def find(frame: Frame, wanted: list[Value]) -> list[Found]:
        keys = [key[len(prefix) :] if isinstance(key, str) and key.startswith(prefix) else None for key in wanted]
        outputs = _outputs_by_key(fetch, frame, frame[constants], {key for key in keys if key is not None})
        return [[outputs[key]] if key in outputs else [] for key in keys]

    return find


def _by_hash(fetch: Fetch, layout: Layout) -> FindAll:
    constants, remembered = layout.slot(CONSTANTS), layout.private_slot()
    assert fetch.scan is not None
    scan = fetch.scan

    def find(frame: Frame, wanted: list[Value]) -> list[Found]:
        if frame[remembered] is None:
            frame[remembered] = _keys_by_value(frame, scan, frame[constants])
        table = frame[remembered]
        keys = [table.get(frame[0].key(value), ()) for value in wanted]
        outputs = _outputs_by_key(fetch, frame, frame[constants], {key for of_row in keys for key in of_row})
        return [[outputs[key] for key in sorted(of_row)] for of_row in keys]

    return find


def _by_index(fetch: Fetch, layout: Layout) -> FindAll:
    constants, remembered = layout.slot(CONSTANTS), layout.private_slot()

    def find(frame: Frame, wanted: list[Value]) -> list[Found]:
        values = {value for value in wanted if isinstance(value, str) or is_number(value)}
        table = _outputs_by_value(fetch, frame, fetch.rows.select, _parameters(fetch, frame[constants], values))
        if any(not (isinstance(value, str) or is_number(value)) for value in wanted):
            if frame[remembered] is None:
                assert fetch.others is not None
                select = fetch.others.select
                frame[remembered] = _outputs_by_value(fetch, frame, select, select.values(frame[constants]))
            table = {**frame[remembered], **table}
        key = frame[0].key
        return [table.get(value if type(value) is str else key(value), []) for value in wanted]

    return find


_FINDERS: dict[Access, Callable[[Fetch, Layout], FindAll]] = {
    Access.BY_KEY: _by_key,
    Access.BY_HASH: _by_hash,
    Access.BY_INDEX: _by_index,
}


def _keys_by_value(frame: Frame, scan: Select, constants: Sequence[Any]) -> dict[Any, list[str]]:
    """Read the compared value of every document into a hash table of keys."""
    source, context = sql_source(frame), frame[0]
    rows = source.select(scan.statement, scan.values(constants))
    table: dict[Any, list[str]] = {}
    held = 0
    while chunk := list(islice(rows, BATCH)):
        values = decoded(source, [row[0] for row in chunk])
        for value, row in zip(values, chunk, strict=True):
            table.setdefault(value if type(value) is str else context.key(value), []).append(row[1])
        held += len(chunk)
        context.spend(len(chunk))
        context.hold(held)
    return table


def _outputs_by_key(fetch: Fetch, frame: Frame, constants: Sequence[Any], keys: set[str]) -> dict[str, Value]:
    """Return the outputs of the documents with these keys."""
    if not keys:
        return {}
    rows = _read(fetch, frame, fetch.rows.select, _parameters(fetch, constants, keys))
    return {row[0]: output for row, output in zip(rows, _outputs(fetch, frame, rows), strict=True)}


def _outputs_by_value(fetch: Fetch, frame: Frame, select: Select, parameters: dict[str, Any]) -> dict[Any, Found]:
    """Return the outputs of the documents by their compared value, in the order of their keys."""
    rows = _read(fetch, frame, select, parameters)
    rows.sort(key=_KEY)
    values = decoded(sql_source(frame), ["null" if row[2] is None else row[2] for row in rows])
    table: dict[Any, Found] = {}
    key = frame[0].key
    for value, output in zip(values, _outputs(fetch, frame, rows), strict=True):
        table.setdefault(value if type(value) is str else key(value), []).append(output)
    return table


def _parameters(fetch: Fetch, constants: Sequence[Any], wanted: set[Any]) -> dict[str, Any]:
    return {**fetch.rows.select.values(constants), "batch": json.dumps(list(wanted))}


def _read(fetch: Fetch, frame: Frame, select: Select, parameters: dict[str, Any]) -> list[Sequence[Any]]:
    rows: list[Sequence[Any]] = []
    found = sql_source(frame).select(select.statement, parameters)
    while chunk := list(islice(found, BATCH)):
        rows += chunk
        frame[0].spend(len(chunk))
        frame[0].hold(len(rows))
    return rows


def _outputs(fetch: Fetch, frame: Frame, rows: list[Sequence[Any]]) -> list[Value]:
    match fetch.rows.shape:
        case Shape.DOCUMENTS:
            return documents(sql_source(frame), fetch.rows.collection, rows)
        case Shape.VALUES:
            return decoded(sql_source(frame), [row[1] for row in rows])
        case _:
            return [()] * len(rows)
