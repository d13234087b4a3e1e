"""RIGHT JOIN and FULL JOIN: rows also for the documents that nothing on the left matches.

A RIGHT JOIN asks for each document which row matches it first, a FULL JOIN for each row which
documents match it. Where the condition has an equality, what is asked is first put into a hash
table by its side of the equality, so that only equals are tested with the rest.
"""

from collections.abc import Callable, Iterator
from typing import Any

from sdbql import plan
from sdbql.frame import Evaluate, Frame, Layout
from sdbql.row_order import compile_holder
from sdbql.values import Value

Rows = Callable[[Frame], Iterator[None]]

HELD_CHECK = 1024
"""After how many rows the number held is checked again."""

Numbers = dict[Any, list[int]]
"""The numbers of rows or documents by key, in order."""


def compile_right_join(step: plan.OuterJoin, before: Rows, layout: Layout) -> Rows:
    """Return one row for each document, with the first row that matches it, or with nulls."""
    save, restore = compile_holder(step.before.variables, layout)
    left = [layout.slot(name) for name in step.before.variables if name not in step.constants]
    source, condition = layout.expression(step.source), _compile_condition(step, layout)
    row_key, element_key = _compile_keys(step, layout)
    candidate, slot = layout.slot(step.candidate), layout.slot(step.variable)

    def first_match(frame: Frame, saved: list[Value], numbers: Numbers) -> bool:
        found = numbers.get(element_key(frame), ())
        frame[0].spend(1 + len(found))
        for number in found:
            restore(frame, saved[number])
            if condition(frame):
                return True
        return False

    def rows(frame: Frame) -> Iterator[None]:
        saved: list[Value] = []
        numbers: Numbers = {}
        for number, _ in enumerate(before(frame)):
            saved.append(save(frame))
            numbers.setdefault(row_key(frame), []).append(number)
            if not number % HELD_CHECK:
                frame[0].hold(number)
        frame[0].hold(len(saved))
        for document in source(frame):
            frame[candidate] = document
            if not first_match(frame, saved, numbers):
                _clear(frame, left)
            frame[slot] = document
            yield

    return rows


def compile_full_join(step: plan.OuterJoin, before: Rows, layout: Layout) -> Rows:
    """Return the rows of a LEFT JOIN, then one for each document that was in none of them."""
    left = [layout.slot(name) for name in step.before.variables if name not in step.constants]
    source, condition = layout.expression(step.source), _compile_condition(step, layout)
    row_key, element_key = _compile_keys(step, layout)
    candidate, slot = layout.slot(step.candidate), layout.slot(step.variable)

    def number_by_key(frame: Frame, documents: list[Value]) -> Numbers:
        numbers: Numbers = {}
        frame[0].spend(len(documents))
        for number, frame[candidate] in enumerate(documents):
            numbers.setdefault(element_key(frame), []).append(number)
        return numbers

    def matches(frame: Frame, documents: list[Value], found: list[int]) -> list[int]:
        frame[0].spend(1 + len(found))
        matched: list[int] = []
        for number in found:
            frame[candidate] = documents[number]
            if condition(frame):
                matched.append(number)
        return matched

    def rows(frame: Frame) -> Iterator[None]:
        documents, matched = source(frame), set[int]()
        numbers = number_by_key(frame, documents)
        for _ in before(frame):
            found = matches(frame, documents, numbers.get(row_key(frame), []))
            matched.update(found)
            frame[slot] = [documents[number] for number in found]
            yield
        _clear(frame, left)
        for number, document in enumerate(documents):
            if number not in matched:
                frame[slot] = [document]
                yield

    return rows


def _compile_condition(step: plan.OuterJoin, layout: Layout) -> Evaluate:
    """Return what is tested beside the keys."""
    return (lambda frame: True) if step.condition is None else layout.expression(step.condition)


def _compile_keys(step: plan.OuterJoin, layout: Layout) -> tuple[Evaluate, Evaluate]:
    """Return the hash keys of the row and of the document in the frame; without keys all are alike."""
    if step.row_key is None or step.element_key is None:
        return (lambda frame: None), (lambda frame: None)
    of_row, of_element = layout.expression(step.row_key), layout.expression(step.element_key)
    return (lambda frame: frame[0].key(of_row(frame))), (lambda frame: frame[0].key(of_element(frame)))


def _clear(frame: Frame, slots: list[int]) -> None:
    for slot in slots:
        frame[slot] = None
