"""What all steps over SQLite share while they run: the source, the constants of the run, and decoding."""

from collections.abc import Callable, Sequence
from typing import Any

from sdbql.data_source import SqlDataSource
from sdbql.frame import Frame, Layout
from sdbql.values import Value

CONSTANTS, PREAMBLE = "@ constants", "@ preamble"
"""Where a frame has the constants of the run, and the values of the variables before the first loop."""


def sql_source(frame: Frame) -> SqlDataSource:
    """Return the source that is queried."""
    source: SqlDataSource = frame[0].source
    return source


def run_slots(preamble: tuple[str, ...], layout: Layout) -> Callable[[Frame], Sequence[Any]]:
    """Return how to begin: sets the variables before the first loop and returns the constants."""
    constants, values = layout.slot(CONSTANTS), layout.slot(PREAMBLE)
    slots = [layout.slot(name) for name in preamble]

    def begin(frame: Frame) -> Sequence[Any]:
        for slot, value in zip(slots, frame[values], strict=True):
            frame[slot] = value
        found: Sequence[Any] = frame[constants]
        return found

    return begin


def decoded(source: SqlDataSource, texts: list[str]) -> list[Value]:
    """Return the values of many JSON texts, decoded at once."""
    values: list[Value] = source.decode(f"[{','.join(texts)}]")
    return values


def documents(source: SqlDataSource, collection: str, rows: list[Sequence[Any]]) -> list[Value]:
    """Return the documents of rows that begin with key and body."""
    decode, prefix = source.decode, f"{collection}/"
    found = [decode(row[1]) for row in rows]
    for document, row in zip(found, rows, strict=True):
        document["_key"] = key = row[0]
        document["_id"] = prefix + key
    return found
