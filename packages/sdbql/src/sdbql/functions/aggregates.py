"""The functions of COLLECT … AGGREGATE: from the values of a group's rows to one value."""

from collections.abc import Callable, Sequence

from sdbql.functions import statistics
from sdbql.values import Value

Aggregation = Callable[[Sequence[Value]], Value]


def _count(values: Sequence[Value]) -> Value:
    return sum(value is not None for value in values)


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
    "COLLECT_LIST": list,
    "COLLECT": list,
    "PUSH": list,
    "MEDIAN": statistics.median,
    "VARIANCE": statistics.variance,
    "STDDEV": statistics.deviation,
}
"""By name; COUNT without an argument counts rows and needs none of them."""
