"""The whole pipeline on one page: text, tokens, tree, analysis, plan, closures, rows.

This is also the only place that knows the system's clock and random numbers, as defaults
for a caller that gives none.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from sdbql.analyser import Analysis, analyse, analyse_condition
from sdbql.bind_values import bind_collection, bind_value
from sdbql.cancellation import Cancellation
from sdbql.data_source import DataSource, DictSource, Document, Path
from sdbql.errors import (
    ALSO_SHOWN_MAX,
    CollectionNotFoundError,
    ExecutionError,
    ParseLimitError,
    QueryError,
    QueryLimitError,
    together,
)
from sdbql.execution_context import ExecutionContext
from sdbql.explain import explain
from sdbql.expressions import compile_expression
from sdbql.frame import Frame, Layout
from sdbql.index_lookup import compile_collection_name
from sdbql.interpreter import compile_plan, compile_query
from sdbql.limits import NESTING_DEPTH_MAX, PARSED_QUERIES_MAX, Limits
from sdbql.parser import parse_condition, parse_query
from sdbql.planner import make_plan
from sdbql.relevance import Relevance
from sdbql.stored_query import StoredQuery
from sdbql.syntax_tree import CollectionRead, Expression

BindVars = Mapping[str, Any]
Source = DataSource | Mapping[str, Sequence[Document]]


def run(
    text: str,
    bind_vars: BindVars | None = None,
    source: Source | None = None,
    *,
    limits: Limits | None = None,
    cancellation: Cancellation | None = None,
    now_ms: int | None = None,
    random_number: Callable[[], float] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[Any]:
    """Run a query and return its results.

    `source` is a `DataSource` or a plain dict of lists; without one there are no collections.
    Another thread may stop the query through `cancellation`, which raises QueryCancelledError.
    The time (`now_ms`, milliseconds since 1970), `random_number` (in [0, 1)) and `monotonic`
    (seconds, for `limits.time_ms_max`) are the system's unless given. Results may share parts
    with the documents: do not change them.

    >>> run("FOR u IN users FILTER u.age >= @min RETURN u.name",
    ...     {"min": 18}, {"users": [{"name": "Ann", "age": 30}, {"name": "Bo", "age": 12}]})
    ['Ann']
    """
    return parse(text).run(
        bind_vars,
        source,
        limits=limits,
        cancellation=cancellation,
        now_ms=now_ms,
        random_number=random_number,
        monotonic=monotonic,
    )


@lru_cache(maxsize=PARSED_QUERIES_MAX)
def parse(text: str) -> "Query":
    """Return a query that can be run many times. Raises QueryError.

    Everything that can be known without data is checked here: syntax, names of functions
    and their arguments, and constructs that need a server.
    """
    with _errors_within(text), _nesting_bounded():
        return Query(text, analyse(parse_query(text)))


@lru_cache(maxsize=PARSED_QUERIES_MAX)
def parse_filter(text: str) -> "Filter":
    """Return a bare condition, such as `status == 'active'`, to test documents with.

    A name in it is an attribute of the document, null when the document has none.
    """
    with _errors_within(text), _nesting_bounded():
        return Filter(text, parse_condition(text))


class Query:
    """A query that has been read and checked; it keeps no state between runs."""

    def __init__(self, text: str, analysis: Analysis) -> None:
        self.text = text
        self._analysis = analysis
        self.plan = make_plan(analysis.body)
        self._layout = Layout(compile_expression, compile_plan)
        self._evaluate = compile_query(self.plan, self._layout)
        self._stored = StoredQuery(self.plan)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Query({self.text!r})"

    @property
    def collections(self) -> frozenset[str]:
        """The names that are collections, or else unknown; `@@name` binds are not among them."""
        return frozenset(read.name for read in self._analysis.collections)

    @property
    def bind_names(self) -> frozenset[str]:
        """The bind parameters that a run must be given; a collection's starts with `@`."""
        names = {bind.name for bind in self._analysis.binds}
        return frozenset(names | {f"@{bind.name}" for bind in self._analysis.collection_binds})

    def relevance(self, bind_vars: BindVars | None = None, *, limits: Limits | None = None) -> Relevance:
        """Return what tells which changes of documents can alter the result with these binds. Raises QueryError."""
        with _errors_within(self.text):
            return Relevance(self.plan, self._analysis, bind_vars or {}, limits or Limits())

    def explain(self, bind_vars: BindVars | None = None, source: Source | None = None) -> str:
        """Return the steps of the query as text, after all rewriting.

        With a source and all binds it says through which indexes documents are found, and of one that is kept in SQLite
        which steps run there.
        Raises QueryError for a collection that the source does not have.
        """
        if source is None or not self._has_all_binds(bind_vars or {}):
            return explain(self.plan, self.text)
        context = ExecutionContext(_data_source(source), bind_vars or {}, _now_ms(), random.random, Limits())
        with _errors_within(self.text):
            frame = _new_frame(self._layout, self._analysis, context)

            def indexed(read: Expression) -> frozenset[Path]:
                name = compile_collection_name(read, self._layout)
                return frozenset() if name is None else context.indexed(name(frame))

            return self._stored.explain(frame, self._layout, self.text) or explain(self.plan, self.text, indexed)

    def _has_all_binds(self, bind_vars: BindVars) -> bool:
        return all(name in bind_vars or name.removeprefix("@") in bind_vars for name in self.bind_names)

    def run(
        self,
        bind_vars: BindVars | None = None,
        source: Source | None = None,
        *,
        limits: Limits | None = None,
        cancellation: Cancellation | None = None,
        now_ms: int | None = None,
        random_number: Callable[[], float] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> list[Any]:
        """Run the query and return its results; the arguments are those of `run`."""
        context = ExecutionContext(
            _data_source(source),
            bind_vars or {},
            _now_ms() if now_ms is None else now_ms,
            random_number or random.random,
            limits or Limits(),
            monotonic,
            cancellation,
        )
        with _errors_within(self.text):
            context.check()
            frame = _new_frame(self._layout, self._analysis, context)
            with _nesting_bounded(running=True):
                results: list[Any] | None = self._stored.run(frame, self._layout)
                return self._evaluate(frame) if results is None else results


class Filter:
    """A condition on one document; the document itself may have a name in it. Raises QueryError."""

    def __init__(self, text: str, condition: Expression, *, document_name: str | None = None) -> None:
        self.text = text
        names = () if document_name is None else (document_name,)
        self._analysis = analysis = analyse_condition(condition, DOCUMENT, names)
        self._layout = Layout(compile_expression, compile_plan)
        self._document = self._layout.slot(DOCUMENT)
        self._evaluate = compile_plan(make_plan(analysis.body), self._layout)

    @property
    def condition(self) -> Expression:
        """The tree of the condition, over the variable `document`."""
        returned = self._analysis.body.returned
        assert returned is not None
        return returned.value

    @property
    def bind_names(self) -> frozenset[str]:
        """The bind parameters that a test must be given."""
        return frozenset(bind.name for bind in self._analysis.binds)

    def __str__(self) -> str:
        return self.text

    def matches(
        self,
        document: Document,
        bind_vars: BindVars | None = None,
        *,
        limits: Limits | None = None,
        now_ms: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> bool:
        """Tell whether the condition is true of the document. Raises QueryError."""
        now_ms = _now_ms() if now_ms is None else now_ms
        context = ExecutionContext(_NO_SOURCE, bind_vars or {}, now_ms, random.random, limits or Limits(), monotonic)
        with _errors_within(self.text):
            frame = _new_frame(self._layout, self._analysis, context)
            frame[self._document] = document
            with _nesting_bounded(running=True):
                return bool(self._evaluate(frame)[0])


DOCUMENT = "document"
"""The variable of a filter that is the document."""


_NO_SOURCE = DictSource({})


def _data_source(source: Source | None) -> DataSource:
    if source is None:
        return _NO_SOURCE
    return DictSource(source) if isinstance(source, Mapping) else source


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _new_frame(layout: Layout, analysis: Analysis, context: ExecutionContext) -> Frame:
    """Return a frame with the binds in place; what the query reads must exist. All that is missing is one error."""
    frame = layout.new_frame(context)
    missing: list[QueryError] = []
    for bind in analysis.binds:
        with _noted(missing):
            frame[layout.slot(f"@{bind.name}")] = bind_value(bind, context.bind_vars)
    for collection_bind in analysis.collection_binds:
        with _noted(missing):
            name = bind_collection(collection_bind, context.bind_vars)
            if not context.source.has_collection(name):
                raise CollectionNotFoundError(name, collection_bind.span, _nearest(name, context.source.collections()))
            frame[layout.slot(f"@@{collection_bind.name}")] = name
    for read in analysis.collections:
        if len(missing) <= ALSO_SHOWN_MAX and not context.source.has_collection(read.name):
            missing.append(_not_found(read, analysis, context.source))
    if missing:
        raise together(sorted(missing, key=lambda error: error.span.start if error.span else 0))
    return frame


@contextmanager
def _noted(errors: list[QueryError]) -> Iterator[None]:
    """Add an error to a list instead of raising it."""
    try:
        yield
    except QueryError as error:
        errors.append(error)


def _not_found(read: CollectionRead, analysis: Analysis, source: DataSource) -> QueryError:
    """Return the error for a name that is neither a variable nor a collection."""
    known = {*analysis.variables, *source.collections()} - {read.name}
    advice = _nearest(read.name, known)
    if read.as_source:
        return CollectionNotFoundError(read.name, read.span, advice)
    if read.name in analysis.variables:
        advice = f"{read.name} is bound elsewhere; COLLECT and LIMIT do not see the variables of a row"
    return ExecutionError(f"Variable '{read.name}' not found", read.span, advice)


def _nearest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, sorted(known), n=1)
    return f"did you mean {close[0]}?" if close else ""


@contextmanager
def _errors_within(text: str) -> Iterator[None]:
    """Give the errors that pass through the text that their spans refer to."""
    try:
        yield
    except QueryError as error:
        error.within(text)
        raise


@contextmanager
def _nesting_bounded(*, running: bool = False) -> Iterator[None]:
    """Turn Python's own bound on recursion into an error of the language.

    It is met before ours only by a caller that is itself deep in its stack.
    """
    try:
        yield
    except RecursionError:
        kind: type[QueryLimitError] = QueryLimitError if running else ParseLimitError
        raise kind.reached("nesting_depth_max", NESTING_DEPTH_MAX, "the nesting") from None
