"""Looking elements of an array up by a key: the heart of both joins.

The first lookup in an array is a plain search; only when the same array is asked again is
its hash table built, and then kept for the rest of the run. So a lookup that happens once
costs no more than a filter, and one inside a loop or a correlated subquery costs no more
than one pass.
"""

from collections.abc import Callable
from typing import Any

from sdbql.conditions import is_document_key
from sdbql.data_source import Path
from sdbql.frame import Frame, Layout
from sdbql.index_lookup import compile_collection_name, equal_to, path_of_element
from sdbql.plan import GroupJoin, HashJoin
from sdbql.syntax_tree import Expression
from sdbql.values import Value

Find = Callable[[Frame], list[Value]]
Lookup = Callable[[Frame, list[Value]], list[Value]]


def compile_find(
    join: HashJoin | GroupJoin, element_key: Expression, row_key: Expression, array: Find, layout: Layout
) -> Find:
    """Return a function to the elements that join with the row in the frame, in order.

    A data source that finds documents by key is asked for the one, instead of for all; one with an index on the element's
    key for those that may have the row's.
    """
    variable = join.variable if isinstance(join, HashJoin) else join.candidate
    look_up = compile_lookup(layout.slot(variable), element_key, row_key, layout)
    name = compile_collection_name(join.source, layout)
    path = path_of_element(element_key, variable)
    if name is None or not path:
        return lambda frame: look_up(frame, array(frame))
    by_index = _compile_find_by_index(name, path, layout.slot(variable), (element_key, row_key), layout)
    by_key = _compile_find_by_key(name, row_key, layout) if is_document_key(element_key) else None

    def find(frame: Frame) -> list[Value]:
        context = frame[0]
        found = by_key(frame) if by_key is not None and context.get is not None else None
        if found is None and context.indexes is not None:
            found = by_index(frame)
        return look_up(frame, array(frame)) if found is None else found

    return find


def _compile_find_by_key(
    name: Callable[[Frame], str], row_key: Expression, layout: Layout
) -> Callable[[Frame], list[Value] | None]:
    key_of_row = layout.expression(row_key)

    def find(frame: Frame) -> list[Value] | None:
        key = key_of_row(frame)
        if not isinstance(key, str):
            return None
        frame[0].spend(1)
        document = frame[0].get(name(frame), key)
        return [] if document is None else [document]

    return find


def _compile_find_by_index(
    name: Callable[[Frame], str], path: Path, element: int, keys: tuple[Expression, Expression], layout: Layout
) -> Callable[[Frame], list[Value] | None]:
    """Return a function to the elements that join with the row, None where a scan has to tell."""
    key_of_element, key_of_row = [layout.expression(key) for key in keys]

    def find(frame: Frame) -> list[Value] | None:
        context, collection = frame[0], name(frame)
        if path not in context.indexed(collection):
            return None
        value = key_of_row(frame)
        ranges = equal_to([value])
        candidates = None if ranges is None else context.candidates(collection, path, ranges)
        if candidates is None:
            return None
        context.spend(1 + len(candidates))
        wanted = context.key(value)
        found = []
        for frame[element] in candidates:
            if context.key(key_of_element(frame)) == wanted:
                found.append(frame[element])
        return found

    return find


def compile_lookup(element: int, element_key: Expression, row_key: Expression, layout: Layout) -> Lookup:
    """Return a function to the elements of an array whose key equals the row's, in order.

    `element` is the slot that `element_key` reads an element from.
    """
    key_of_element, key_of_row = layout.expression(element_key), layout.expression(row_key)
    remembered = layout.private_slot()

    def search(frame: Frame, array: list[Value], wanted: Any) -> list[Value]:
        found = []
        for frame[element] in array:
            if frame[0].key(key_of_element(frame)) == wanted:
                found.append(frame[element])
        return found

    def build(frame: Frame, array: list[Value]) -> dict[Any, list[Value]]:
        table: dict[Any, list[Value]] = {}
        for frame[element] in array:
            table.setdefault(frame[0].key(key_of_element(frame)), []).append(frame[element])
        return table

    def look_up(frame: Frame, array: list[Value]) -> list[Value]:
        wanted = frame[0].key(key_of_row(frame))
        known = frame[remembered]
        if known is None or known[0] is not array:
            frame[remembered] = (array, None)
            frame[0].spend(len(array))
            return search(frame, array, wanted)
        table = known[1]
        if table is None:
            frame[0].spend(len(array))
            table = build(frame, array)
            frame[remembered] = (array, table)
        found: list[Value] = table.get(wanted, [])
        frame[0].spend(len(found))
        return found

    return look_up
