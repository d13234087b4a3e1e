"""Looking elements of an array up by a key: the heart of both joins.

The first lookup in an array is a plain search; only when the same array is asked again is
its hash table built, and then kept for the rest of the run. So a lookup that happens once
costs no more than a filter, and one inside a loop or a correlated subquery costs no more
than one pass.
"""

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from sdbql.conditions import is_document_key
from sdbql.frame import Frame, Layout
from sdbql.plan import GroupJoin, HashJoin
from sdbql.syntax_tree import CollectionBind, CollectionRead, Expression
from sdbql.values import Value

Find = Callable[[Frame], list[Value]]
Lookup = Callable[[Frame, list[Value]], list[Value]]


def compile_find(
    join: HashJoin | GroupJoin, element_key: Expression, row_key: Expression, array: Find, layout: Layout
) -> Find:
    """Return a function to the elements that join with the row in the frame, in order.

    A data source that finds documents by key is asked for the one, instead of for all.
    """
    element = layout.slot(join.variable if isinstance(join, HashJoin) else join.candidate)
    look_up = compile_lookup(element, element_key, row_key, layout)
    name = _compile_collection_name(join.source, layout)
    if name is None or not is_document_key(element_key):
        return lambda frame: look_up(frame, array(frame))
    key_of_row = layout.expression(row_key)

    def find(frame: Frame) -> list[Value]:
        get, key = frame[0].get, key_of_row(frame)
        if get is None or not isinstance(key, str):
            return look_up(frame, array(frame))
        frame[0].spend(1)
        document = get(name(frame), key)
        return [] if document is None else [document]

    return find


def _compile_collection_name(source: Expression, layout: Layout) -> Callable[[Frame], str] | None:
    """Return how to know the name of the collection, or None if the source is none."""
    match source:
        case CollectionRead(name=name):
            return lambda frame: name
        case CollectionBind(name=name):
            return itemgetter(layout.slot(f"@@{name}"))
        case _:
            return None


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
