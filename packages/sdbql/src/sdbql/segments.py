"""A loop with the filters and LETs that follow it: the part of a plan where the time goes.

    FOR u IN users FILTER u.age >= 18 LET year = u.joined / 10000 FILTER year > 2000

A segment is run over a chunk of elements at a time. At first that is done by closures. After
`WORTHWHILE` elements it has earned a Python function of its own, made of the same expressions
by `python_source`; making one takes as long as some hundred rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sdbql import plan
from sdbql.frame import Evaluate, Frame, Layout
from sdbql.python_source import HOPE_LOST, WORTHWHILE, SourceWriter, define
from sdbql.syntax_tree import Expression
from sdbql.values import Value

DISAPPOINTMENTS_MAX = 3
"""How often a chunk is begun again before nothing is hoped for any more."""
ONLY_OBJECTS = {dict}

Chunk = list[Value]
Generated = Callable[[Frame, Chunk], Any]
RunRows = Callable[[Frame, Chunk], Iterator[None]]
"""From a frame and a chunk of elements to its rows: yields with a row's values in the frame."""
RunResults = Callable[[Frame, Chunk], list[Value]]
"""From a frame and a chunk of elements to what RETURN makes of its rows."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A loop and the steps after it that need one row at a time, in order."""

    loop: plan.Iterate
    stages: tuple[plan.Keep | plan.Assign, ...]


def find_segment(step: plan.Step) -> Segment | None:
    """Return the segment that ends with a step, or None when it is no part of one."""
    stages: list[plan.Keep | plan.Assign] = []
    while isinstance(step, plan.Keep | plan.Assign):
        stages.append(step)
        step = step.before
    return Segment(step, tuple(reversed(stages))) if isinstance(step, plan.Iterate) else None


def compile_rows(segment: Segment, layout: Layout) -> RunRows:
    """Return the segment as a function from a chunk of elements to its rows."""
    slowly, seen = _compile_rows(segment, layout), _Seen()
    careful = _Lazy(lambda: _generate(segment, None, layout, is_hopeful=False))

    def rows(frame: Frame, chunk: Chunk) -> Iterator[None]:
        if seen.enough(chunk) and careful.suits(chunk):
            return careful.function(frame, chunk)  # type: ignore[no-any-return]
        return slowly(frame, chunk)

    return rows


def compile_results(segment: Segment, returned: Expression, layout: Layout) -> RunResults:
    """Return the segment with its RETURN as a function from a chunk of elements to results.

    The first function that is generated hopes for elements that are all alike. Where one is not,
    the chunk is begun again with the careful one; soon there is no hoping any more.
    """
    rows, value, seen = _compile_rows(segment, layout), layout.expression(returned), _Seen()
    hopeful = _Lazy(lambda: _generate(segment, returned, layout, is_hopeful=True))
    careful = _Lazy(lambda: _generate(segment, returned, layout, is_hopeful=False))
    disappointments = 0

    def results(frame: Frame, chunk: Chunk) -> list[Value]:
        nonlocal disappointments
        if seen.enough(chunk):
            if disappointments < DISAPPOINTMENTS_MAX:
                try:
                    return hopeful.function(frame, chunk)  # type: ignore[no-any-return]
                except HOPE_LOST:
                    disappointments += 1
            if careful.suits(chunk):
                return careful.function(frame, chunk)  # type: ignore[no-any-return]
        return [value(frame) for _ in rows(frame, chunk)]

    return results


def _compile_rows(segment: Segment, layout: Layout) -> RunRows:
    """Return the segment done by closures."""
    slot, stages = layout.slot(segment.loop.variable), _compile_stages(segment, layout)

    def rows(frame: Frame, chunk: Chunk) -> Iterator[None]:
        for frame[slot] in chunk:
            for stage in stages:
                if not stage(frame):
                    break
            else:
                yield

    return rows


def _compile_stages(segment: Segment, layout: Layout) -> list[Evaluate]:
    """Return the stages as functions that tell whether the row goes on."""
    return [
        layout.expression(stage.condition) if isinstance(stage, plan.Keep) else _assignment(stage, layout)
        for stage in segment.stages
    ]


def _assignment(stage: plan.Assign, layout: Layout) -> Evaluate:
    slot, value = layout.slot(stage.variable), layout.expression(stage.value)

    def assign(frame: Frame) -> bool:
        frame[slot] = value(frame)
        return True

    return assign


class _Seen:
    """Counts elements until a loop is worth compiling."""

    def __init__(self) -> None:
        self._elements = 0

    def enough(self, chunk: Chunk) -> bool:
        if self._elements <= WORTHWHILE:
            self._elements += len(chunk)
        return self._elements > WORTHWHILE


class _Lazy:
    """A generated function that is made when it is first needed."""

    def __init__(self, generate: Callable[[], tuple[Generated, bool]]) -> None:
        self._generate = generate

    @cached_property
    def _generated(self) -> tuple[Generated, bool]:
        return self._generate()

    @cached_property
    def function(self) -> Generated:
        return self._generated[0]

    def suits(self, chunk: Chunk) -> bool:
        """Tell whether the elements are objects, if the function needs that."""
        return not self._generated[1] or set(map(type, chunk)) == ONLY_OBJECTS


Written = list[tuple[plan.Keep | plan.Assign, str]]
"""Stages with the text of their condition or value."""


def _generate(segment: Segment, returned: Expression | None, layout: Layout, *, is_hopeful: bool) -> tuple[Generated, bool]:
    """Return the segment as one Python function, and whether the elements must be objects.

    The function returns results, or yields for each row if nothing is returned.
    """
    element = segment.loop.variable
    writer = SourceWriter(layout, {element: "v0"}, is_hopeful=is_hopeful)
    written: Written = []
    for number, stage in enumerate(segment.stages, 1):
        if isinstance(stage, plan.Keep):
            written.append((stage, writer.truth(stage.condition)))
        else:
            written.append((stage, writer.value(stage.value)))
            writer.assign(stage.variable, f"v{number}")
    result = None if returned is None else writer.value(returned)
    lines = _comprehension(writer, written, result) or _loop(writer, element, written, result)
    hoisted = [f"{name} = f[{slot}]" for name, slot in writer.hoisted.items()]
    return define("f, chunk", [*hoisted, *lines], writer.names), element in writer.objects


def _comprehension(writer: SourceWriter, written: Written, result: str | None) -> list[str]:
    """Return the loop as a list comprehension; nothing if it has to keep something on the way."""
    tests = [text for stage, text in written if isinstance(stage, plan.Keep)]
    if result is None or writer.stored or len(tests) < len(written) or ":=" in "".join([result, *tests]):
        return []
    return [f"return [{result} for v0 in chunk{''.join([f' if {test}' for test in tests])}]"]


def _loop(writer: SourceWriter, element: str, written: Written, result: str | None) -> list[str]:
    stored = set(writer.local) if result is None else writer.stored

    def store(variable: str) -> list[str]:
        return [f"f[{writer.layout.slot(variable)}] = {writer.local[variable]}"] if variable in stored else []

    body = store(element)
    for stage, text in written:
        if isinstance(stage, plan.Keep):
            body += [f"if not {text}:", "    continue"]
        else:
            body += [f"{writer.local[stage.variable]} = {text}", *store(stage.variable)]
    body.append("yield" if result is None else f"add({result})")
    loop = ["for v0 in chunk:", *[f"    {line}" for line in body]]
    return loop if result is None else ["found = []", "add = found.append", *loop, "return found"]
