"""The rules in their order, and how a rule is applied to a whole chain of steps.

A rule looks at one step, whose earlier steps it has seen already, and returns what should
stand in its place. Filters sink first, because that brings each equality next to the loop
that `hash_join` can turn into a lookup; `top_rows` is independent of both.
"""

from collections.abc import Callable
from dataclasses import replace

from sdbql.plan import Following, Step
from sdbql.rewrites.hash_join import hash_join
from sdbql.rewrites.sink_filters import sink_filters
from sdbql.rewrites.top_rows import top_rows

Rule = Callable[[Step], Step]

RULES: tuple[Rule, ...] = (sink_filters, hash_join, top_rows)


def rewrite(step: Step, rules: tuple[Rule, ...] = RULES) -> Step:
    """Return the chain of steps with every rule applied in turn."""
    for rule in rules:
        step = _apply(rule, step)
    return step


def _apply(rule: Rule, step: Step) -> Step:
    chain: list[Following] = []
    while isinstance(step, Following):
        chain.append(step)
        step = step.before
    for following in reversed(chain):
        step = rule(replace(following, before=step))
    return step
