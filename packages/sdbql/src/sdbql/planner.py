"""From an analysed query to a plan: one step for each clause, then the rewrites."""

from typing import Any

from sdbql import plan
from sdbql.rewrites.rules import RULES, Rule, rewrite
from sdbql.syntax_tree import (
    BoundCollect,
    BoundJoin,
    Clause,
    Filter,
    For,
    Let,
    Limit,
    QueryBody,
    Sort,
    Subquery,
    rebuild,
    walk,
)


def make_plan(body: QueryBody, rules: tuple[Rule, ...] = RULES) -> plan.Plan:
    """Return the plan of an analysed query; without rules, its steps are its clauses."""
    has_subqueries = any(isinstance(node, Subquery) for node in walk(body))

    def with_plans(node: Any) -> Any:
        """Return the node with every subquery below it replaced by its plan."""
        if not has_subqueries:
            return node
        if isinstance(node, Subquery):
            return plan.PlannedSubquery(make_plan(node.body, rules), span=node.span)
        return rebuild(node, with_plans)

    steps: plan.Step = plan.Start()
    for clause in body.clauses:
        steps = _step(steps, with_plans(clause))
    assert body.returned is not None
    returned = with_plans(body.returned)
    return plan.Plan(rewrite(steps, rules), returned.value, returned.distinct, span=body.span)


def _step(before: plan.Step, clause: Clause) -> plan.Step:
    match clause:
        case For(variable=variable, source=source, span=span):
            return plan.Iterate(before, variable, source, span=span)
        case Let(variable=variable, value=value, span=span):
            return plan.Assign(before, variable, value, span=span)
        case Filter(condition=condition, span=span):
            return plan.Keep(before, condition, span=span)
        case Sort(keys=keys, span=span):
            return plan.Order(before, keys, span=span)
        case Limit(offset=offset, count=count, span=span):
            return plan.Slice(before, offset, count, span=span)
        case BoundCollect(keys=keys, aggregates=aggregates, constants=constants, span=span):
            return plan.Group(before, keys, aggregates, constants, span=span)
        case BoundJoin():
            return _join(before, clause)
        case _:
            raise AssertionError(clause)


def _join(before: plan.Step, join: BoundJoin) -> plan.Step:
    if join.kind in ("RIGHT", "FULL"):
        return plan.OuterJoin(
            before,
            join.kind,
            join.variable,
            join.candidate,
            join.source,
            element_key=None,
            row_key=None,
            condition=join.condition,
            constants=join.constants,
            span=join.span,
        )
    return plan.GroupJoin(
        before,
        join.variable,
        join.candidate,
        join.source,
        element_key=None,
        row_key=None,
        condition=join.condition,
        keeps_unmatched=join.kind == "LEFT",
        span=join.span,
    )
