"""Which changes of documents can alter the result of a query, told without running it.

A collection that a query reads once, in its first FOR, gives a row for a document only when the conditions that follow
are true of it. So a change of a document that passes them neither before nor after leaves the result as it is. Of every
other collection a query reads, any change may matter.

Only conditions that cannot fail, read nothing but the document and the binds, and ask neither the time nor chance are
looked at; without any, every change of the collection counts.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sdbql.analyser import Analysis
from sdbql.bind_values import bind_collection, bind_value
from sdbql.conditions import is_total, joined, terms, variables
from sdbql.data_source import DictSource, Document
from sdbql.errors import QueryError
from sdbql.execution_context import ExecutionContext
from sdbql.expressions import compile_expression
from sdbql.frame import Evaluate, Frame, Layout
from sdbql.functions import catalog
from sdbql.interpreter import compile_plan
from sdbql.limits import Limits
from sdbql.plan import Assign, Following, Iterate, Keep, Plan, PlannedSubquery, Start, Step
from sdbql.syntax_tree import Call, CollectionBind, CollectionRead, Expression, Node, walk


@dataclass(frozen=True, slots=True)
class _Test:
    """A condition on the documents of one collection, ready to be evaluated."""

    collection: str
    evaluate: Evaluate
    frame: Frame
    slot: int

    def passes(self, document: Document, context: ExecutionContext) -> bool:
        frame = [context, *self.frame[1:]]
        frame[self.slot] = document
        try:
            return bool(self.evaluate(frame))
        except QueryError:  # a limit was met: nobody knows
            return True


class Relevance:
    """What matters to one query with its binds."""

    def __init__(self, plan: Plan, analysis: Analysis, bind_vars: Mapping[str, Any], limits: Limits) -> None:
        nodes = [node for node in walk(plan) if isinstance(node, CollectionRead | CollectionBind)]
        reads = [_collection_name(node, bind_vars) for node in nodes]
        self.collections = frozenset(reads)
        """The collections that the query reads."""
        self._test = _first_test(plan, Counter(reads), analysis, bind_vars)
        self._limits = limits

    def can_alter(self, collection: str, versions: Iterable[Document | None]) -> bool:
        """Tell whether a change of one document can alter the result, given it before and after (None: not there).

        The documents are as the query sees them, with their `_key`. True may be said too often, False never wrongly.
        """
        if collection not in self.collections:
            return False
        test = self._test
        if test is None or test.collection != collection:
            return True
        context = ExecutionContext(_NO_SOURCE, {}, 0, _no_chance, self._limits)
        return any(version is not None and test.passes(version, context) for version in versions)


_NO_SOURCE = DictSource({})


def _no_chance() -> float:
    """Stand for chance where no condition asks for it."""
    return 0.0


def _first_test(plan: Plan, reads: Counter[str], analysis: Analysis, bind_vars: Mapping[str, Any]) -> _Test | None:
    loop, conditions = _first_loop(plan.rows)
    if loop is None or not isinstance(loop.source, CollectionRead | CollectionBind):
        return None
    name = _collection_name(loop.source, bind_vars)
    usable = [term for term in conditions if variables(term) <= {loop.variable} and _is_about_documents(term)]
    if reads[name] != 1 or not usable:
        return None
    layout = Layout(compile_expression, compile_plan)
    slot = layout.slot(loop.variable)
    evaluate = layout.expression(joined(usable))
    for bind in analysis.binds:
        layout.slot(f"@{bind.name}")
    frame: Frame = [None] * (len(layout.slots) + 1)
    for bind in analysis.binds:
        frame[layout.slot(f"@{bind.name}")] = bind_value(bind, bind_vars)
    return _Test(name, evaluate, frame, slot)


def _first_loop(last: Step) -> tuple[Iterate | None, list[Expression]]:
    """Return the first FOR of a query, and the terms of the conditions that stand right behind it."""
    loop, conditions = None, list[Expression]()
    for step in _in_order(last):
        match step:
            case Start() | Assign():
                continue
            case Iterate() if loop is None:
                loop = step
            case Keep() if loop is not None:
                conditions += terms(step.condition)
            case _:
                break
    return loop, conditions


def _in_order(last: Step) -> list[Step]:
    steps = [last]
    while isinstance(steps[-1], Following):
        steps.append(steps[-1].before)
    return steps[::-1]


def _is_about_documents(term: Expression) -> bool:
    return is_total(term) and not any(_reads_more(node) for node in walk(term))


def _reads_more(node: Node) -> bool:
    """Return whether an expression's value is not fixed by the document and the binds."""
    if isinstance(node, Call):
        builtin = catalog.find(node.name)
        return builtin is None or builtin.wants_context
    return isinstance(node, CollectionRead | CollectionBind | PlannedSubquery)


def _collection_name(node: CollectionRead | CollectionBind, bind_vars: Mapping[str, Any]) -> str:
    return node.name if isinstance(node, CollectionRead) else bind_collection(node, bind_vars)
