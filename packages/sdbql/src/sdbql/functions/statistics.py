"""What both the array builtins and the aggregates compute over a sequence of values.

Sums and averages take the numbers and ignore the rest; least and greatest take what is not
null, in the order across all types.
"""

from collections.abc import Sequence
from math import fsum, isfinite, sqrt

from sdbql.errors import ExecutionError
from sdbql.values import Value, hash_key, is_number, number, sort_key


def numbers(values: Sequence[Value]) -> list[int | float]:
    """Return the numbers among the values."""
    return [value for value in values if is_number(value)]


def total(values: Sequence[Value]) -> Value:
    """Return the sum of the numbers, 0 when there are none; exact for integers."""
    return _sum(numbers(values))


def _sum(found: list[int | float]) -> Value:
    exact = sum([value for value in found if isinstance(value, int)])
    floats = [value for value in found if isinstance(value, float)]
    return number(exact + finite_sum(floats)) if floats else number(exact)


def finite_sum(values: list[float]) -> float:
    """Return the correctly rounded sum. Raises ExecutionError when it is out of range."""
    try:
        result = fsum(values)
    except (OverflowError, ValueError):
        raise ExecutionError("Number out of range") from None
    if not isfinite(result):
        raise ExecutionError("Number out of range")
    return result


def average(values: Sequence[Value]) -> Value:
    """Return the mean of the numbers, or null when there are none."""
    found = numbers(values)
    return number(_sum(found) / len(found)) if found else None


def least(values: Sequence[Value]) -> Value:
    """Return the first value in order that is not null, or null."""
    return min([value for value in values if value is not None], key=sort_key, default=None)


def greatest(values: Sequence[Value]) -> Value:
    """Return the last value in order that is not null, or null."""
    return max([value for value in values if value is not None], key=sort_key, default=None)


def unique(values: Sequence[Value]) -> list[Value]:
    """Return the different values, each where it came first."""
    first: dict[object, Value] = {}
    for value in values:
        first.setdefault(hash_key(value), value)
    return list(first.values())


def sorted_unique(values: Sequence[Value]) -> list[Value]:
    """Return the different values in order."""
    return sorted(unique(values), key=sort_key)


def count_distinct(values: Sequence[Value]) -> int:
    """Return how many different values there are, null not counted."""
    return len({hash_key(value) for value in values if value is not None})


def median(values: Sequence[Value]) -> Value:
    """Return the middle number, or the mean of the middle two, or null."""
    found = sorted(numbers(values))
    if not found:
        return None
    middle = len(found) // 2
    return found[middle] if len(found) % 2 else number((found[middle - 1] + found[middle]) / 2)


def percentile(values: Sequence[Value], percent: float) -> Value:
    """Return the number below which `percent` per cent lie, interpolated, or null."""
    found = sorted(numbers(values))
    if not found:
        return None
    place = percent / 100 * (len(found) - 1)
    below = int(place)
    above = min(below + 1, len(found) - 1)
    return number(found[below] + (found[above] - found[below]) * (place - below))


def variance(values: Sequence[Value], *, sample: bool = False) -> Value:
    """Return the variance of the numbers, null when there are too few."""
    found = numbers(values)
    freedom = len(found) - sample
    if freedom < 1:
        return None
    mean = _sum(found) / len(found)
    try:
        return number(finite_sum([(value - mean) ** 2 for value in found]) / freedom)
    except OverflowError:
        raise ExecutionError("Number out of range") from None


def deviation(values: Sequence[Value], *, sample: bool = False) -> Value:
    """Return the square root of the variance, null when there are too few numbers."""
    squared = variance(values, sample=sample)
    return None if squared is None else number(sqrt(squared))
