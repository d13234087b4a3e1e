"""Running the steps that SQLite takes: statements to rows in the frame, a chunk at a time.

What comes from SQLite is text: a JSON array of values for each row, the JSON of a result, or a whole document. A chunk of
texts becomes one JSON array, which is decoded at once.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from sdbql import plan
from sdbql.data_source import SqlDataSource
from sdbql.extent import compile_extent
from sdbql.frame import Frame, Layout
from sdbql.result_size import MeasuredChunk
from sdbql.sqlite_groups import compile_stored_group
from sdbql.sqlite_lookups import compile_stored_lookup
from sdbql.sqlite_plan import Shape, StoredGroup, StoredLookup, StoredRead
from sdbql.sqlite_select import Select
from sdbql.sqlite_top import is_proved
from sdbql.sqlite_values import decoded, documents, run_slots, sql_source
from sdbql.syntax_tree import Variable
from sdbql.values import Value

FIRST_CHUNK, CHUNK = 32, 512
"""How many rows are read at first, when perhaps few are wanted, and how many later."""

FIRST_ROWS_MAX = 1_000
"""How many rows are first asked for by their bare values: more are held in memory only once they are known to be right."""

DEEP_RANK = 3
"""From this rank on a sort key is an array or object."""

Chunks = Callable[[Frame], Iterator[list[Value]]]


def compile_stored_results(whole: plan.Plan, layout: Layout) -> Chunks | None:
    """Return a plan whose results come from SQLite as they are, None for any other plan."""
    read, value = whole.rows, whole.value
    if not isinstance(read, StoredRead) or read.rows.shape not in (Shape.DOCUMENTS, Shape.RESULTS):
        return None
    if not isinstance(value, Variable) or (value.name,) != read.outputs:
        return None
    chunks = _compile_chunks(read, layout)

    def distinct_chunks(frame: Frame) -> Iterator[list[Value]]:
        first: dict[Any, Value] = {}
        for chunk in chunks(frame):
            for result in chunk:
                first.setdefault(frame[0].key(result), result)
            frame[0].hold(len(first))
        yield list(first.values())

    return distinct_chunks if whole.distinct else chunks


def _stored_read(step: StoredRead, layout: Layout) -> Callable[[Frame], Iterator[None]]:
    chunks = _compile_chunks(step, layout)
    slots = [layout.slot(name) for name in step.outputs]
    if step.rows.shape is Shape.DOCUMENTS:
        (only,) = slots

        def document_rows(frame: Frame) -> Iterator[None]:
            for chunk in chunks(frame):
                for frame[only] in chunk:
                    yield

        return document_rows

    def value_rows(frame: Frame) -> Iterator[None]:
        for chunk in chunks(frame):
            for row in chunk:
                for slot, value in zip(slots, row, strict=True):
                    frame[slot] = value
                yield

    first, end = (slots[0], slots[-1] + 1) if slots else (1, 1)
    if slots != list(range(first, end)):
        return value_rows

    def adjacent_rows(frame: Frame) -> Iterator[None]:
        for chunk in chunks(frame):
            for frame[first:end] in chunk:
                yield

    return adjacent_rows


def _compile_chunks(step: StoredRead, layout: Layout) -> Chunks:
    """Return a function to the decoded rows of a read, a chunk at a time."""
    begin = run_slots(step.preamble, layout)
    bounds = compile_extent(step.extent.offset, step.extent.count, layout) if step.extent else None
    read = READERS[step.rows.shape]

    def chunks(frame: Frame) -> Iterator[list[Value]]:
        constants: Sequence[Any] = begin(frame)
        if bounds is not None:
            offset, count = bounds(frame)
            if not count:
                return
            constants = (*constants, count, offset)
        source = sql_source(frame)
        rows = _sorted_rows(step, frame, constants) if step.exactly else raw_rows(step.rows.select, frame, constants)
        size = FIRST_CHUNK
        while chunk := list(islice(rows, size)):
            size = CHUNK
            frame[0].spend(len(chunk))
            yield read(source, step.rows.collection, chunk)

    return chunks


def raw_rows(select: Select, frame: Frame, constants: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Return the rows of a statement as SQLite gives them."""
    return sql_source(frame).select(select.statement, select.values(constants))


def _sorted_rows(step: StoredRead, frame: Frame, constants: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Return sorted rows, asked for again if an array or object is among their sort keys."""
    assert step.exactly is not None
    if step.first is not None and constants[-2] <= FIRST_ROWS_MAX and constants[-1] == 0:
        count = constants[-2]
        found = list(raw_rows(step.first.select, frame, constants))
        if is_proved(found, count=count, descending=step.first.descending):
            return iter(found)
    ranks = step.rows.sort_ranks
    held: list[Sequence[Any]] = []
    rows = raw_rows(step.rows.select, frame, constants)
    while chunk := list(islice(rows, CHUNK)):
        held += chunk
        frame[0].hold(len(held))
        if any(rank >= DEEP_RANK for row in chunk for rank in row[-ranks:]):
            return raw_rows(step.exactly.select, frame, constants)
    return iter(held)


# --- what a chunk of rows becomes


def _decoded_rows(source: SqlDataSource, collection: str, chunk: list[Sequence[Any]]) -> list[Value]:
    return decoded(source, [row[0] for row in chunk])


def _measured_results(source: SqlDataSource, collection: str, chunk: list[Sequence[Any]]) -> list[Value]:
    return MeasuredChunk(_decoded_rows(source, collection, chunk), sum([len(row[0]) for row in chunk]))


def _measured_documents(source: SqlDataSource, collection: str, chunk: list[Sequence[Any]]) -> list[Value]:
    return MeasuredChunk(documents(source, collection, chunk), sum([len(row[1]) for row in chunk]))


def _nothing(source: SqlDataSource, collection: str, chunk: list[Sequence[Any]]) -> list[Value]:
    return [()] * len(chunk)


READERS: dict[Shape, Callable[[SqlDataSource, str, list[Sequence[Any]]], list[Value]]] = {
    Shape.DOCUMENTS: _measured_documents,
    Shape.VALUES: _decoded_rows,
    Shape.RESULTS: _measured_results,
    Shape.NOTHING: _nothing,
}


def _stored_lookup(step: StoredLookup, layout: Layout) -> Callable[[Frame], Iterator[None]]:
    return compile_stored_lookup(step, STORED_STEPS[type(step.before)](step.before, layout), layout)


STORED_STEPS: dict[type[plan.Step], Callable[[Any, Layout], Callable[[Frame], Iterator[None]]]] = {
    StoredRead: _stored_read,
    StoredGroup: compile_stored_group,
    StoredLookup: _stored_lookup,
}
"""How each of the steps is compiled; the interpreter's own table has the others."""
