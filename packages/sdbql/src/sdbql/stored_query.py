"""One query over documents in SQLite: which part of its plan runs there is decided once, and kept.

The decision depends on the kinds of the run's constants and on the store's tables, so it is remembered by those. A run
evaluates its constants first; if that fails, the interpreter runs the whole query and raises the error where it belongs.
"""

from dataclasses import dataclass
from typing import Any

from sdbql import plan
from sdbql.data_source import SqlDataSource, StoredTable, implements
from sdbql.errors import QueryError
from sdbql.explain import explain_split
from sdbql.expressions import compile_expression
from sdbql.frame import Evaluate, Frame, Layout
from sdbql.interpreter import compile_plan, compile_query
from sdbql.sqlite_compiler import split
from sdbql.sqlite_constants import Constants, find_constants, kind_of, steps_of
from sdbql.sqlite_surroundings import Surroundings
from sdbql.sqlite_values import CONSTANTS, PREAMBLE
from sdbql.syntax_tree import CollectionBind, CollectionRead

SPLITS_MAX = 64
"""How many splits one query keeps; more kinds of constants than that begin again."""


@dataclass(frozen=True, slots=True)
class Split:
    """A plan whose first steps run in SQLite, compiled."""

    plan: plan.Plan
    layout: Layout
    evaluate: Evaluate


@dataclass(frozen=True, slots=True)
class _Preparation:
    """What is known of a query before its first run over SQLite."""

    constants: Constants
    sources: tuple[CollectionRead | CollectionBind, ...]
    layout: Layout
    preamble: tuple[tuple[int, Evaluate], ...]
    expressions: tuple[Evaluate, ...]


class StoredQuery:
    """The splits of one plan, by what they depend on."""

    def __init__(self, whole: plan.Plan) -> None:
        self._plan = whole
        self._preparation: _Preparation | None = None
        self._splits: dict[Any, Split | None] = {}

    def run(self, frame: Frame, layout: Layout) -> list[Any] | None:
        """Return the results, as far as possible from SQLite; None when the interpreter has to run the whole query.

        `frame`, laid out by `layout`, is a new frame of the interpreter with the binds in place.
        """
        source = sql_source(frame)
        found = None if source is None else self._prepare(frame, layout, source)
        if source is None or found is None:
            return None
        split_plan, split_frame = found
        with source.watched(frame[0].check):
            results: list[Any] = split_plan.evaluate(split_frame)
            return results

    def explain(self, frame: Frame, layout: Layout, text: str) -> str | None:
        """Return the parts of the query `text` as a run with this frame would have them, None when it has one part."""
        source = sql_source(frame)
        found = None if source is None else self._prepare(frame, layout, source)
        if source is None or found is None:
            return None
        search = source.search
        return explain_split(found[0].plan, self._plan, text, lambda select: search(select.statement))

    def _prepare(self, frame: Frame, layout: Layout, source: SqlDataSource) -> tuple[Split, Frame] | None:
        ready = self._ready()
        own_frame = _transferred(frame, layout, ready.layout)
        values = _evaluated(ready, own_frame) if ready.sources else None
        if values is None:
            return None
        preamble, constants = values
        tables, bound_names = _tables(ready, source, own_frame)
        kinds = tuple([kind_of(constant) for constant in constants])
        found = self._found((kinds, tuple(tables.items()), tuple(bound_names.items())), ready, tables, bound_names)
        if found is None:
            return None
        split_frame = _transferred(frame, layout, found.layout)
        for name, known in ((CONSTANTS, constants), (PREAMBLE, preamble)):
            split_frame[found.layout.slots[name]] = known
        return found, split_frame

    def _ready(self) -> _Preparation:
        if self._preparation is None:
            self._preparation = _preparation(self._plan)
        return self._preparation

    def _found(
        self, key: Any, ready: _Preparation, tables: dict[str, StoredTable], bound_names: dict[str, str]
    ) -> Split | None:
        """Return the split for these kinds, tables and names, from before or made now."""
        splits = self._splits
        if key in splits:
            return splits[key]
        if len(splits) >= SPLITS_MAX:
            splits = self._splits = {}
        kinds, *_ = key
        found = splits[key] = _split(self._plan, Surroundings(ready.constants, kinds, tables, bound_names))
        return found


def sql_source(frame: Frame) -> SqlDataSource | None:
    """Return the source of a run if it can be read with SQL."""
    source: Any = frame[0].source
    return source if implements(source.__class__, SqlDataSource) else None


def _evaluated(ready: _Preparation, frame: Frame) -> tuple[tuple[Any, ...], tuple[Any, ...]] | None:
    """Return the values of the variables before the first loop and of the constants; None when one of them fails."""
    try:
        preamble = []
        for slot, evaluate in ready.preamble:
            frame[slot] = evaluate(frame)
            preamble.append(frame[slot])
        return tuple(preamble), tuple([evaluate(frame) for evaluate in ready.expressions])
    except QueryError:
        return None


def _split(whole: plan.Plan, surroundings: Surroundings) -> Split | None:
    found = split(whole, surroundings)
    if found is None:
        return None
    layout = Layout(compile_expression, compile_plan)
    return Split(found, layout, compile_query(found, layout))


def _preparation(whole: plan.Plan) -> _Preparation:
    constants = find_constants(whole)
    sources = [
        step.source
        for step in steps_of(whole)
        if isinstance(step, plan.Iterate | plan.HashJoin | plan.GroupJoin)
        and isinstance(step.source, CollectionRead | CollectionBind)
    ]
    layout = Layout(compile_expression, compile_plan)
    for source in sources:
        if isinstance(source, CollectionBind):
            layout.slot(f"@@{source.name}")
    preamble = tuple([(layout.slot(step.variable), layout.expression(step.value)) for step in constants.preamble])
    expressions = tuple([layout.expression(node) for node in constants.expressions])
    return _Preparation(constants, tuple(sources), layout, preamble, expressions)


def _transferred(frame: Frame, layout: Layout, other: Layout) -> Frame:
    """Return a frame of another layout with the binds of this one."""
    transferred = other.new_frame(frame[0])
    for name, slot in other.slots.items():
        if name.startswith("@") and name in layout.slots:
            transferred[slot] = frame[layout.slots[name]]
    return transferred


def _tables(ready: _Preparation, source: SqlDataSource, frame: Frame) -> tuple[dict[str, StoredTable], dict[str, str]]:
    """Return the tables of the collections that are looped over, and what the collection binds among them name."""
    bound_names = {
        read.name: frame[ready.layout.slots[f"@@{read.name}"]] for read in ready.sources if isinstance(read, CollectionBind)
    }
    names = [read.name if isinstance(read, CollectionRead) else bound_names[read.name] for read in ready.sources]
    tables = {name: source.table(name) for name in dict.fromkeys(names)}
    return {name: table for name, table in tables.items() if table is not None}, bound_names
