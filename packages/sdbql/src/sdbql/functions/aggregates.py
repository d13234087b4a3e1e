"""The functions of COLLECT … AGGREGATE: from the values of a group's rows to one value."""

from collections.abc import Callable, Sequence

from sdbql.functions import statistics
from sdbql.values import Value

Aggregation = Callable[[Sequence[Value]], Value]


def _count(values: Sequence[Value]) -> Value:
    """Return how many values are not null."""
    return sum(value is not None for value in values)


def _listed(values: Sequence[Value]) -> Value:
    """Return the values, null included, in the order of the rows."""
    return list(values)


AGGREGATES: dict[str, Aggregation] = {
    "COUNT": _count,
    "LENGTH": _count,
    "SUM": statistics.total,
    "AVG": statistics.average,
    "AVERAGE": statistics.average,
    "MIN": statistics.least,
    "MAX": statistics.greatest,
    "COUNT_DISTINCT": statistics.count_distinct,
    "COUNT_UNIQUE": statistics.count_distinct,
    "UNIQUE": statistics.unique,
    "SORTED_UNIQUE": statistics.sorted_unique,
    "COLLECT_LIST": _listed,
    "COLLECT": _listed,
    "PUSH": _listed,
    "MEDIAN": statistics.median,
    "VARIANCE": statistics.variance,
    "STDDEV": statistics.deviation,
}
"""By name; COUNT without an argument counts rows and needs none of them."""
