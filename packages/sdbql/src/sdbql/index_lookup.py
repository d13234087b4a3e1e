"""Candidates from an index instead of a scan: `FOR u IN users FILTER u.city == @city AND u.age >= 18`.

The conditions after a loop that compare a path of its variable with something known before it say in which ranges the path's
value must lie. A data source with an index on the path gives the documents in those ranges, and maybe others; every
condition is then tested as ever, so an index only leaves out documents that a condition would have left out.

A condition counts only if nothing that is evaluated before it can fail, nor it itself: an error stays where it is. Null is
in no index, so an upper bound alone, which null is below, finds nothing here; nor do arrays and objects. What a key begins
with is a range of keys; of another path it is not, as a number is compared by its text there.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sdbql import plan
from sdbql.conditions import is_total, terms, variables
from sdbql.data_source import Document, Path, ValueRange
from sdbql.frame import Evaluate, Frame, Layout
from sdbql.limits import LIKE_PATTERN_LENGTH_MAX
from sdbql.regular_expressions import like_prefix
from sdbql.sqlite_constants import CHANCE
from sdbql.sqlite_operands import path_of
from sdbql.syntax_tree import Binary, Call, CollectionBind, CollectionRead, Expression, walk
from sdbql.values import INTEGER_MAX, INTEGER_MIN, Value, compare

MIRRORED = {"==": "==", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
PREFERENCE = {"==": 0, "IN": 1, "STARTS_WITH": 2, "LIKE": 2, ">": 3, ">=": 3, "<": 4, "<=": 4}
"""Equalities first: they find the least."""
PREFIXED = ("STARTS_WITH", "LIKE")
KEY: Path = ("_key",)
LAST_CHARACTER, BEFORE_SURROGATES, SURROGATES_END = chr(0x10FFFF), chr(0xD7FF), chr(0xE000)
LOWER, UPPER = (">", ">="), ("<", "<=")

Candidates = Callable[[Frame], list[Document] | None]


@dataclass(frozen=True, slots=True)
class IndexCondition:
    """A comparison of what is at a path of the loop's variable with a value that is known before the loop."""

    path: Path
    operator: str
    value: Expression


def conditions_on(variable: str, stages: Iterable[plan.Keep | plan.Assign]) -> list[IndexCondition]:
    """Return the conditions of a loop's stages that an index could serve, those that find least first."""
    found = list(_conditions(variable, stages))
    return sorted(found, key=lambda condition: PREFERENCE[condition.operator])


def _conditions(variable: str, stages: Iterable[plan.Keep | plan.Assign]) -> Iterator[IndexCondition]:
    later = {variable}
    for stage in stages:
        if isinstance(stage, plan.Assign):
            if not is_total(stage.value):
                return
            later.add(stage.variable)
            continue
        for term in terms(stage.condition):
            if isinstance(term, Call):
                yield from _of_call(term, variable, later)
            if not is_total(term):
                return
            if isinstance(term, Binary):
                yield from _of_term(term, variable, later)


def _of_term(term: Binary, variable: str, later: set[str]) -> Iterator[IndexCondition]:
    sides = [(term.left, term.operator, term.right)]
    if term.operator in MIRRORED:
        sides.append((term.right, MIRRORED[term.operator], term.left))
    for side, operator, value in sides:
        path = path_of_element(side, variable)
        is_served = operator in PREFERENCE and (path == KEY or operator not in PREFIXED)
        if path and is_served and _is_known(value, later):
            yield IndexCondition(path, operator, value)


def _of_call(call: Call, variable: str, later: set[str]) -> Iterator[IndexCondition]:
    """Yield `STARTS_WITH(u._key, text)`; with a text it can't fail, and with anything else no index is asked."""
    if call.name.upper() == "STARTS_WITH" and len(call.arguments) == 2:
        side, value = call.arguments
        if path_of_element(side, variable) == KEY and is_total(value) and _is_known(value, later):
            yield IndexCondition(KEY, "STARTS_WITH", value)


def path_of_element(node: Expression, variable: str) -> Path:
    """Return the path that an expression reads from a variable, an empty one if it is something else."""
    found = path_of(node)
    return found[1] if found is not None and found[0] == variable else ()


def _is_known(value: Expression, later: set[str]) -> bool:
    by_chance = any(isinstance(node, Call) and node.name.upper() in CHANCE for node in walk(value))
    return not by_chance and not variables(value) & later


def usable_paths(conditions: Iterable[IndexCondition]) -> list[Path]:
    """Return the paths by which candidates can be found at all, in the order in which they are tried."""
    return list(dict.fromkeys([condition.path for condition in conditions if condition.operator not in UPPER]))


def compile_collection_name(source: Expression, layout: Layout) -> Callable[[Frame], str] | None:
    """Return how to know the name of the collection, or None if the source is none."""
    match source:
        case CollectionRead(name=name):
            return lambda frame: name
        case CollectionBind(name=name):
            return itemgetter(layout.slot(f"@@{name}"))
        case _:
            return None


def compile_candidates(loop: plan.Iterate, stages: Sequence[plan.Keep | plan.Assign], layout: Layout) -> Candidates | None:
    """Return a function to the documents a loop has to look at, whose None stands for all; None if no index can serve it."""
    name, conditions = compile_collection_name(loop.source, layout), conditions_on(loop.variable, stages)
    paths = usable_paths(conditions)
    if name is None or not paths:
        return None
    values = [(condition, layout.expression(condition.value)) for condition in conditions]

    def candidates(frame: Frame) -> list[Document] | None:
        context = frame[0]
        if context.indexes is None:
            return None
        collection = name(frame)
        indexed = context.indexed(collection)
        for path in paths:
            ranges = _ranges([pair for pair in values if pair[0].path == path], frame) if path in indexed else None
            if ranges is not None:
                found: list[Document] | None = context.candidates(collection, path, ranges)
                if found is not None:
                    return found
        return None

    return candidates


def _ranges(conditions: list[tuple[IndexCondition, Evaluate]], frame: Frame) -> list[ValueRange] | None:
    """Return ranges of which the value must be in one, None when no index tells; conditions come by preference."""
    first, evaluate = conditions[0]
    if first.operator == "==":
        return equal_to([evaluate(frame)])
    if first.operator == "IN":
        elements = evaluate(frame)
        return equal_to(elements) if isinstance(elements, list) else None
    if first.operator in PREFIXED:
        return _beginning_with(evaluate(frame), is_pattern=first.operator == "LIKE")
    lowest = [evaluate(frame) for condition, evaluate in conditions if condition.operator in LOWER]
    highest = [evaluate(frame) for condition, evaluate in conditions if condition.operator in UPPER]
    return _between(lowest, highest)


def _beginning_with(value: Value, *, is_pattern: bool) -> list[ValueRange] | None:
    """Return the range of the texts that begin as a text does, or a LIKE pattern; None when that tells nothing."""
    if not isinstance(value, str) or (is_pattern and len(value) > LIKE_PATTERN_LENGTH_MAX):
        return None
    prefix = like_prefix(value) if is_pattern else value
    following = text_after(prefix)
    return None if following is None else [ValueRange(prefix, following)]


def text_after(prefix: str) -> str | None:
    """Return a text that is behind all that begin with a prefix, None when there is none.

    >>> text_after("ab"), text_after("a" + chr(0x10FFFF)), text_after("")
    ('ac', 'b', None)
    """
    short = prefix.rstrip(LAST_CHARACTER)
    return short[:-1] + _next_character(short[-1]) if short else None


def _next_character(character: str) -> str:
    return SURROGATES_END if character == BEFORE_SURROGATES else chr(ord(character) + 1)


def equal_to(values: list[Value]) -> list[ValueRange] | None:
    """Return the ranges of these values alone, None when one of them is in no index."""
    return [ValueRange(value, value) for value in values] if all(_is_ordered(value) for value in values) else None


def _between(lowest: list[Value], highest: list[Value]) -> list[ValueRange] | None:
    """Return the range above all of `lowest` and below all of `highest`; a bound that is no scalar is left to the test."""
    lower = [value for value in lowest if _is_ordered(value)]
    upper = [value for value in highest if _is_ordered(value)]
    if not lower:
        return None
    least = lower[0]
    for value in lower[1:]:
        least = value if compare(value, least) > 0 else least
    most = upper[0] if upper else None
    for value in upper[1:]:
        most = value if compare(value, most) < 0 else most
    if most is not None and compare(least, most) > 0:
        return []
    return [ValueRange(least, most)]


def _is_ordered(value: Any) -> bool:
    """Tell whether a value is one that every index has in its order: a bool, a number of 64 bits, a string."""
    if isinstance(value, int):
        return INTEGER_MIN <= value <= INTEGER_MAX
    return isinstance(value, str | float)
