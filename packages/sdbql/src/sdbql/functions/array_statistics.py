"""Builtins that make one value of a whole array: sums, extremes, counts and statistics.

They take the same numbers, and ignore the same rest, as the aggregates of COLLECT.
"""

from sdbql.errors import ExecutionError
from sdbql.functions import statistics
from sdbql.functions.builtin import Builtin, Cost, numeric, table
from sdbql.values import Value


def least(array: Value) -> Value:
    """Return the first element in order that is not null, or null.

    MIN([3, null, 1]) => 1
    MIN(["a", 5, true]) => true
    MIN([null]) => null
    MIN(5) => null
    """
    return statistics.least(array) if isinstance(array, list) else None


def greatest(array: Value) -> Value:
    """Return the last element in order that is not null, or null.

    MAX([3, null, 1]) => 3
    MAX(["a", 5]) => "a"
    MAX([]) => null
    """
    return statistics.greatest(array) if isinstance(array, list) else None


def total(array: Value) -> Value:
    """Return the sum of the numbers; 0 for what is no array.

    SUM([1, 2.5, "3", null, true]) => 3.5
    SUM([]) => 0
    SUM(null) => 0
    SUM([1e308, 1e308]) => Execution error: Number out of range
    """
    return statistics.total(array) if isinstance(array, list) else 0


def average(array: Value) -> Value:
    """Return the mean of the numbers, or null.

    AVG([1, 2, "x"]) => 1.5
    AVG([]) => null
    AVG(5) => null
    """
    return statistics.average(array) if isinstance(array, list) else None


def count(value: Value) -> Value:
    """Return the number of elements, characters or keys; 0 for other values.

    COUNT([1, null]) => 2
    COUNT(null) => 0
    COUNT(5) => 0
    """
    return len(value) if isinstance(value, list | str | dict) else 0


def median(array: Value) -> Value:
    """Return the middle number, or null.

    MEDIAN([3, 1, 2]) => 2
    MEDIAN([1, 2, "x"]) => 1.5
    MEDIAN([]) => null
    """
    return statistics.median(array) if isinstance(array, list) else None


def variance(array: Value) -> Value:
    """Return the variance of the numbers as a whole population, or null.

    VARIANCE([2, 4, 4, 4, 5, 5, 7, 9]) => 4
    VARIANCE([5]) => 0
    VARIANCE(["x"]) => null
    """
    return statistics.variance(array) if isinstance(array, list) else None


def variance_sample(array: Value) -> Value:
    """Return the variance of the numbers as a sample, or null.

    VARIANCE_SAMPLE([1, 2, 3]) => 1
    VARIANCE_SAMPLE([5]) => null
    """
    return statistics.variance(array, sample=True) if isinstance(array, list) else None


def deviation(array: Value) -> Value:
    """Return the standard deviation of the numbers as a whole population, or null.

    STDDEV([2, 4, 4, 4, 5, 5, 7, 9]) => 2
    STDDEV([]) => null
    """
    return statistics.deviation(array) if isinstance(array, list) else None


def deviation_sample(array: Value) -> Value:
    """Return the standard deviation of the numbers as a sample, or null.

    STDDEV_SAMPLE([1, 2, 3]) => 1
    STDDEV_SAMPLE([5]) => null
    """
    return statistics.deviation(array, sample=True) if isinstance(array, list) else None


def count_distinct(array: Value) -> Value:
    """Return how many different values that are not null the array has.

    COUNT_DISTINCT([1, 1.0, "1", null, true]) => 3
    COUNT_DISTINCT(null) => 0
    """
    return statistics.count_distinct(array) if isinstance(array, list) else 0


def percentile(array: Value, percent: Value) -> Value:
    """Return the number below which `percent` per cent of the numbers lie, interpolated.

    PERCENTILE([1, 2, 3, 4, 5], 50) => 3
    PERCENTILE([1, 2], 75) => 1.75
    PERCENTILE([], 50) => null
    PERCENTILE([1], 101) => Execution error: PERCENTILE: expected 0 to 100, found 101
    """
    wanted = numeric("PERCENTILE", percent)
    if not 0 <= wanted <= 100:
        raise ExecutionError(f"PERCENTILE: expected 0 to 100, found {wanted}")
    return statistics.percentile(array, wanted) if isinstance(array, list) else None


ARRAY_STATISTICS = table(
    [
        #       name, function, least and most arguments
        Builtin("MIN", least, 1, 1, cost=Cost.WHOLE),
        Builtin("MAX", greatest, 1, 1, cost=Cost.WHOLE),
        Builtin("SUM", total, 1, 1),
        Builtin("AVG", average, 1, 1),
        Builtin("COUNT", count, 1, 1, cost=Cost.NONE),
        Builtin("MEDIAN", median, 1, 1),
        Builtin("VARIANCE", variance, 1, 1),
        Builtin("VARIANCE_SAMPLE", variance_sample, 1, 1),
        Builtin("STDDEV", deviation, 1, 1),
        Builtin("STDDEV_SAMPLE", deviation_sample, 1, 1),
        Builtin("COUNT_DISTINCT", count_distinct, 1, 1, cost=Cost.WHOLE),
        Builtin("PERCENTILE", percentile, 2, 2),
    ],
    aliases={
        "AVERAGE": "AVG",
        "STDDEV_POPULATION": "STDDEV",
        "VARIANCE_POPULATION": "VARIANCE",
        "COUNT_UNIQUE": "COUNT_DISTINCT",
    },
)
