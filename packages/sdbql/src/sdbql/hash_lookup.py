"""Looking elements of an array up by a key: the heart of both joins.

The first lookup in an array is a plain search; only when the same array is asked again is
its hash table built, and then kept for the rest of the run. So a lookup that happens once
costs no more than a filter, and one inside a loop or a correlated subquery costs no more
than one pass.
"""

from collections.abc import Callable
from typing import Any

from sdbql.expressions import compile_expression
from sdbql.frame import Frame, Layout
from sdbql.syntax_tree import Expression
from sdbql.values import Value, hash_key

Lookup = Callable[[Frame, list[Value]], list[Value]]


def compile_lookup(element: int, element_key: Expression, row_key: Expression, layout: Layout) -> Lookup:
    """Return a function to the elements of an array whose key equals the row's, in order.

    `element` is the slot that `element_key` reads an element from.
    """
    key_of_element, key_of_row = compile_expression(element_key, layout), compile_expression(row_key, layout)
    remembered = layout.private_slot()

    def search(frame: Frame, array: list[Value], wanted: Any) -> list[Value]:
        found = []
        for frame[element] in array:
            if hash_key(key_of_element(frame)) == wanted:
                found.append(frame[element])
        return found

    def build(frame: Frame, array: list[Value]) -> dict[Any, list[Value]]:
        table: dict[Any, list[Value]] = {}
        for frame[element] in array:
            table.setdefault(hash_key(key_of_element(frame)), []).append(frame[element])
        return table

    def look_up(frame: Frame, array: list[Value]) -> list[Value]:
        wanted = hash_key(key_of_row(frame))
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
