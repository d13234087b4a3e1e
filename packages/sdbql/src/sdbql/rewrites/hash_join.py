"""Loop and equality become a lookup: hash join.

    FOR o IN orders FOR u IN users FILTER u._key == o.user_id

A loop over `source` whose filter has a term `a == b`, where `a` reads only the loop's
variable and `b` only others, looks its elements up by the value of `a`. The same is done to
the condition of JOIN. The terms before the equality must not be able to fail, because they
are then evaluated after it and for fewer rows.

`u._key == @key` is such a term too, although it reads no other variable: a data source may
know how to find a document by its key.
"""

from dataclasses import replace

from sdbql.conditions import is_document_key, is_total, joined, kept, terms, variables
from sdbql.plan import GroupJoin, HashJoin, Iterate, Keep, OuterJoin, Step
from sdbql.syntax_tree import (
    Binary,
    CollectionBind,
    CollectionRead,
    Expression,
    Variable,
)

LOOKUP_SOURCES = (CollectionRead, CollectionBind, Variable)


def hash_join(step: Step) -> Step:
    """Apply the rule to one step, whose steps before are done already."""
    match step:
        case Keep(before=Iterate() as loop, condition=condition) if isinstance(loop.source, LOOKUP_SOURCES):
            found = _split(condition, loop.variable)
            if found is None:
                return step
            element_key, row_key, rest = found
            lookup = HashJoin(loop.before, loop.variable, loop.source, element_key, row_key, span=loop.span)
            return kept(lookup, rest)
        case GroupJoin() | OuterJoin() if step.condition is not None and step.element_key is None:
            found = _split(step.condition, step.candidate)
            if found is None:
                return step
            element_key, row_key, rest = found
            remaining = joined(rest) if rest else None
            return replace(step, element_key=element_key, row_key=row_key, condition=remaining)
        case _:
            return step


def _split(condition: Expression, variable: str) -> tuple[Expression, Expression, list[Expression]] | None:
    """Return the key of an element, the key of a row, and the other terms; None if there are none."""
    conditions = list(terms(condition))
    for place, term in enumerate(conditions):
        if not is_total(term):
            return None
        keys = _keys(term, variable)
        if keys is not None:
            return (*keys, conditions[:place] + conditions[place + 1 :])
    return None


def _keys(term: Expression, variable: str) -> tuple[Expression, Expression] | None:
    if not isinstance(term, Binary) or term.operator != "==":
        return None
    for element_key, row_key in ((term.left, term.right), (term.right, term.left)):
        others = variables(row_key)
        useful = others or is_document_key(element_key)
        if variables(element_key) == {variable} and useful and variable not in others:
            return element_key, row_key
    return None
