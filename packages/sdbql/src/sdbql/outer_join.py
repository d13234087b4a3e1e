"""RIGHT JOIN and FULL JOIN: rows also for the documents that nothing on the left matches.

Both compare every row with every document. They are rare, and a RIGHT JOIN is a LEFT JOIN
written the other way round, which is done by hash.
"""

from collections.abc import Callable, Iterator

from sdbql import plan
from sdbql.frame import Frame, Layout
from sdbql.row_order import compile_holder
from sdbql.values import Value

Rows = Callable[[Frame], Iterator[None]]

HELD_CHECK = 1024
"""After how many rows the number held is checked again."""


def compile_right_join(step: plan.OuterJoin, before: Rows, layout: Layout) -> Rows:
    """Return one row for each document, with the first row that matches it, or with nulls."""
    save, restore = compile_holder(step.before.variables, layout)
    left = [layout.slot(name) for name in step.before.variables if name not in step.constants]
    source, condition = layout.expression(step.source), layout.expression(step.condition)
    candidate, slot = layout.slot(step.candidate), layout.slot(step.variable)

    def first_match(frame: Frame, saved: list[Value]) -> bool:
        frame[0].spend(len(saved))
        for row in saved:
            restore(frame, row)
            if condition(frame):
                return True
        return False

    def rows(frame: Frame) -> Iterator[None]:
        saved: list[Value] = []
        for _ in before(frame):
            saved.append(save(frame))
            if not len(saved) % HELD_CHECK:
                frame[0].hold(len(saved))
        frame[0].hold(len(saved))
        for document in source(frame):
            frame[candidate] = document
            if not first_match(frame, saved):
                _clear(frame, left)
            frame[slot] = document
            yield

    return rows


def compile_full_join(step: plan.OuterJoin, before: Rows, layout: Layout) -> Rows:
    """Return the rows of a LEFT JOIN, then one for each document that was in none of them."""
    left = [layout.slot(name) for name in step.before.variables if name not in step.constants]
    source, condition = layout.expression(step.source), layout.expression(step.condition)
    candidate, slot = layout.slot(step.candidate), layout.slot(step.variable)

    def rows(frame: Frame) -> Iterator[None]:
        documents, matched = source(frame), set[int]()
        for _ in before(frame):
            frame[0].spend(len(documents))
            found = []
            for number, document in enumerate(documents):
                frame[candidate] = document
                if condition(frame):
                    found.append(document)
                    matched.add(number)
            frame[slot] = found
            yield
        _clear(frame, left)
        for number, document in enumerate(documents):
            if number not in matched:
                frame[slot] = [document]
                yield

    return rows


def _clear(frame: Frame, slots: list[int]) -> None:
    for slot in slots:
        frame[slot] = None
