"""Read the text of a sync filter, and refuse what is no condition on a single document.

A filter is a bare predicate (`status == 'active'`, in which `doc` is the document itself) or a query that only picks:
`FOR x IN collection FILTER ... RETURN x`. Whether a document is in a device's part may depend on nothing but the
document and the bind parameters: then a change of one document never moves another one in or out, and the answer is
the same today and tomorrow, here and on the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sdbql import QueryError
from sdbql.analyser import analyse
from sdbql.engine import Filter
from sdbql.functions import catalog, dates, numbers
from sdbql.lexer import tokenize
from sdbql.parser import parse_condition, parse_query
from sdbql.syntax_tree import (
    Bind,
    Call,
    Clause,
    Collect,
    CollectionBind,
    Expression,
    For,
    Join,
    Let,
    Limit,
    Literal,
    Logical,
    QueryBody,
    Refused,
    RefusedClause,
    Return,
    Sort,
    Subquery,
    Variable,
    walk,
)
from sdbql.syntax_tree import Filter as FilterClause
from solidb_sync.errors import FilterError

FILTER_CHARACTERS_MAX = 10_000
FILTERS_READ_MAX = 1_024
"""How many texts are remembered with what they mean."""
DOCUMENT_NAME = "doc"
"""What a bare predicate may call the document."""

CHANGING = frozenset({dates.now, dates.now_iso, numbers.random_number, numbers.random_integer})
"""Functions whose value is another one every time."""

CLAUSES_REFUSED: dict[type[Clause], str] = {
    For: "a second FOR is a join, and a filter looks at one document at a time",
    Join: "a JOIN needs other documents, and a filter looks at one document at a time",
    Collect: "COLLECT makes groups, and a filter picks documents as they are",
    Sort: "SORT has no meaning for a set of documents; leave it out",
    Limit: "with LIMIT it would depend on other documents whether one is wanted; leave it out",
    Let: "LET is not read in a filter; write the expression into the FILTER",
}


@dataclass(frozen=True, slots=True)
class FilterText:
    """A text that has been read: its condition, and the collection if the text names one."""

    collection: str | None
    filter: Filter


@lru_cache(maxsize=FILTERS_READ_MAX)
def read_filter(text: str) -> FilterText:
    """Return what a text means; raises `FilterError` saying why it can't be a filter."""
    if len(text) > FILTER_CHARACTERS_MAX:
        raise FilterError(f"filter: at most {FILTER_CHARACTERS_MAX} characters, found {len(text)}")
    try:
        tokens = tokenize(text)
        if tokens[0].word in ("FOR", "LET"):
            return _read_query(text)
        condition = parse_condition(text)
        _check_condition(condition)
        return FilterText(None, Filter(text, condition, document_name=DOCUMENT_NAME))
    except QueryError as problem:
        raise FilterError(f"filter: {problem.within(text)}") from problem


def _read_query(text: str) -> FilterText:
    body = parse_query(text)
    first, *rest = body.clauses
    if not isinstance(first, For):
        raise FilterError(f"filter: a query must begin with FOR x IN collection; {_reason(first)}")
    if isinstance(first.source, CollectionBind):
        raise FilterError(f"filter: @@{first.source.name}: write the name of the collection into the text itself")
    if not isinstance(first.source, Variable):
        raise FilterError("filter: FOR must read a collection, such as FOR x IN notes")
    conditions = [_condition_of(clause) for clause in rest]
    _check_returns(body, first.variable)
    condition: Expression = Literal(True)
    if conditions:
        condition = conditions[0] if len(conditions) == 1 else Logical("AND", tuple(conditions))
    _check_condition(condition)
    _check_names(body)
    return FilterText(first.source.name, Filter(text, condition, document_name=first.variable))


def _condition_of(clause: Clause) -> Expression:
    if isinstance(clause, FilterClause):
        return clause.condition
    raise FilterError(f"filter: {_reason(clause)}")


def _reason(clause: Clause) -> str:
    if isinstance(clause, RefusedClause):
        return clause.reason
    return CLAUSES_REFUSED.get(type(clause), f"{type(clause).__name__.upper()} is not read in a filter")


def _check_returns(body: QueryBody, variable: str) -> None:
    """Raise unless the query returns the document as it is."""
    match body.returned:
        case Return(value=Variable(name=name), distinct=False) if name == variable:
            return
        case Return(distinct=True):
            raise FilterError(f"filter: whole documents are synced, each once: end with RETURN {variable}, without DISTINCT")
        case _:
            raise FilterError(f"filter: whole documents are synced, nothing made of them: end with RETURN {variable}")


def _check_condition(condition: Expression) -> None:
    """Raise for a condition that depends on anything but the document and the bind parameters."""
    for node in walk(condition):
        match node:
            case Subquery():
                raise FilterError("filter: a subquery needs other documents, and a filter looks at one document at a time")
            case CollectionBind():
                raise FilterError(
                    f"filter: @@{node.name} is another collection, and a filter looks at one document at a time"
                )
            case Refused():
                raise FilterError(f"filter: {node.reason}")
            case Call() if _changes_by_itself(node):
                raise FilterError(
                    f"filter: {node.name}() changes by itself, and a document would have to come or go without an edit; "
                    "bind the value, and set the filter again when it has changed"
                )
            case _:
                pass


def _changes_by_itself(call: Call) -> bool:
    builtin = catalog.find(call.name)
    if builtin is None:
        return False
    return builtin.call in CHANGING or (builtin.call is dates.human_time and len(call.arguments) < 2)


def _check_names(body: QueryBody) -> None:
    """Raise for a name in a query that is not its variable: the collection is read once, after FOR."""
    names = sorted({read.name for read in analyse(body).collections if not read.as_source})
    if names:
        raise FilterError(f"filter: {', '.join(names)}: not the document or a part of it, and a filter reads nothing else")


def bind_names_of(filter_: Filter) -> list[str]:
    """Return the bind parameters of a filter, by name."""
    return sorted({node.name for node in walk(filter_.condition) if isinstance(node, Bind)})
