"""Filter as early as possible: a condition that does not read a loop's variable goes before it.

    FOR a IN as FOR b IN bs FOR c IN cs FILTER a.x == b.x AND b.y == c.y

becomes a loop over c inside the filtered pairs of a and b, and the next rule can join each
level by hash. Only conditions that cannot fail move, and only past loops over a collection,
since an array that is none must still be an error.
"""

from dataclasses import replace

from sdbql.conditions import is_total, kept, terms, variables
from sdbql.plan import Iterate, Keep, Step
from sdbql.syntax_tree import CollectionBind, CollectionRead


def sink_filters(step: Step) -> Step:
    """Apply the rule to one step, whose steps before are done already."""
    if not isinstance(step, Keep) or not isinstance(step.before, Iterate):
        return step
    loop = step.before
    if not isinstance(loop.source, CollectionRead | CollectionBind):
        return step
    sinking, staying = [], list(terms(step.condition))
    for term in tuple(staying):
        if not is_total(term):
            break
        if loop.variable not in variables(term):
            sinking.append(term)
            staying.remove(term)
    if not sinking:
        return step
    earlier = sink_filters(kept(loop.before, sinking))
    return kept(replace(loop, before=earlier), staying)
