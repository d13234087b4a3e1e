"""SORT followed by LIMIT keeps only the rows that LIMIT lets through."""

from sdbql.conditions import reads_variables
from sdbql.plan import Order, Slice, Step, TopRows


def top_rows(step: Step) -> Step:
    """Apply the rule to one step, whose steps before are done already."""
    match step:
        case Slice(before=Order() as order) if not reads_variables(step):
            return TopRows(order.before, order.keys, step.offset, step.count, span=order.span.to(step.span))
        case _:
            return step
