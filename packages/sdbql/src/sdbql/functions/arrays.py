"""Array builtins. A first argument that is no array gives null, unless said otherwise.

None of them changes its argument; values are compared as `==` compares them.
"""

from collections.abc import Sequence
from math import isfinite

from sdbql.errors import ExecutionError
from sdbql.execution_context import ExecutionContext
from sdbql.functions import statistics
from sdbql.functions.builtin import UNLIMITED, Builtin, Cost, integer, numeric, table
from sdbql.values import INTEGER_MAX, Value, equal, hash_key, number, sort_key, type_name


def first(array: Value) -> Value:
    """Return the first element, or null."""
    return array[0] if isinstance(array, list) and array else None


def last(array: Value) -> Value:
    """Return the last element, or null."""
    return array[-1] if isinstance(array, list) and array else None


def nth(array: Value, place: Value) -> Value:
    """Return the element at a place, which counts from the end when negative, or null."""
    index = integer("NTH", place)
    return array[index] if isinstance(array, list) and -len(array) <= index < len(array) else None


def push(array: Value, *values: Value) -> Value:
    """Return the array with values added at the end."""
    return [*array, *values] if isinstance(array, list) else None


def unshift(array: Value, *values: Value) -> Value:
    """Return the array with values added at the beginning, in the order given."""
    return [*values, *array] if isinstance(array, list) else None


def pop(array: Value) -> Value:
    """Return the array without its last element."""
    return array[:-1] if isinstance(array, list) else None


def shift(array: Value) -> Value:
    """Return the array without its first element."""
    return array[1:] if isinstance(array, list) else None


def append(context: ExecutionContext, array: Value, *others: Value) -> Value:
    """Return the array with the elements of other arrays, and other values, added."""
    return _joined(context, array, others) if isinstance(array, list) else None


def _joined(context: ExecutionContext, array: list[Value], others: Sequence[Value]) -> list[Value]:
    context.allow_array(len(array) + sum([len(other) if isinstance(other, list) else 1 for other in others]))
    joined = list(array)
    for other in others:
        joined += other if isinstance(other, list) else [other]
    return joined


def union(context: ExecutionContext, *arrays: Value) -> Value:
    """Return the different elements of all arrays, in the order they come first."""
    for array in arrays:
        if not isinstance(array, list):
            raise ExecutionError(f"UNION: arguments must be arrays, found {type_name(array)}")
    return statistics.unique(_joined(context, [], arrays))


def intersection(array: Value, *others: Value) -> Value:
    """Return the different elements that all arrays have, in the order of the first."""
    if not isinstance(array, list):
        return None
    known = [{hash_key(element) for element in other} if isinstance(other, list) else set() for other in others]
    return [one for one in statistics.unique(array) if all(hash_key(one) in keys for keys in known)]


def minus(array: Value, *others: Value) -> Value:
    """Return the different elements of the first array that no other has."""
    if not isinstance(array, list):
        return None
    removed = {hash_key(one) for other in others if isinstance(other, list) for one in other}
    return [one for one in statistics.unique(array) if hash_key(one) not in removed]


def cut(array: Value, start: Value, count: Value = None) -> Value:
    """Return `count` elements from `start`; a negative count stops so far before the end."""
    begin = integer("SLICE", start)
    wanted = None if count is None else integer("SLICE", count)
    if not isinstance(array, list):
        return None
    begin = max(0, len(array) + begin) if begin < 0 else begin
    if wanted is None:
        return array[begin:]
    end = begin + wanted if wanted >= 0 else len(array) + wanted
    return array[begin : max(begin, end)]


def count_range(context: ExecutionContext, start: Value, end: Value, step: Value = 1) -> Value:
    """Return the numbers from `start` to `end`, both included; none for a step of 0."""
    low, high, by = numeric("RANGE", start), numeric("RANGE", end), numeric("RANGE", step)
    if by == 0 or (high > low and by < 0) or (high < low and by > 0):
        return []
    steps = (high - low) / by + ROUNDING_SLACK
    length = int(steps) + 1 if isfinite(steps) else INTEGER_MAX
    context.allow_array(length)
    return [number(low + place * by) for place in range(length)]


ROUNDING_SLACK = 1e-9
"""So that `RANGE(0, 1, 0.1)` has its last element although 1 / 0.1 is not quite 10."""


def unique(array: Value) -> Value:
    """Return the different elements, in the order they come first."""
    return statistics.unique(array) if isinstance(array, list) else None


def flatten(context: ExecutionContext, array: Value, depth: Value = 1) -> Value:
    """Return the array with so many levels of arrays inside it dissolved."""
    left = integer("FLATTEN", depth)
    if not isinstance(array, list):
        return None
    while left > 0 and any(isinstance(element, list) for element in array):
        array, left = _joined(context, [], array), left - 1
    return array


def ascending(array: Value) -> Value:
    """Return the elements in order."""
    return sorted(array, key=sort_key) if isinstance(array, list) else None


def descending(array: Value) -> Value:
    """Return the elements in descending order."""
    return sorted(array, key=sort_key, reverse=True) if isinstance(array, list) else None


def ascending_unique(array: Value) -> Value:
    """Return the different elements in order."""
    return statistics.sorted_unique(array) if isinstance(array, list) else None


def least(array: Value) -> Value:
    """Return the first element in order that is not null, or null."""
    return statistics.least(array) if isinstance(array, list) else None


def greatest(array: Value) -> Value:
    """Return the last element in order that is not null, or null."""
    return statistics.greatest(array) if isinstance(array, list) else None


def total(array: Value) -> Value:
    """Return the sum of the numbers; 0 for what is no array."""
    return statistics.total(array) if isinstance(array, list) else 0


def average(array: Value) -> Value:
    """Return the mean of the numbers, or null."""
    return statistics.average(array) if isinstance(array, list) else None


def count(value: Value) -> Value:
    """Return the number of elements, characters or keys; 0 for other values."""
    return len(value) if isinstance(value, list | str | dict) else 0


def position(array: Value, wanted: Value) -> Value:
    """Return the place of a value, or -1."""
    if not isinstance(array, list):
        return None
    return next((place for place, element in enumerate(array) if equal(element, wanted)), -1)


def contains_array(array: Value, wanted: Value) -> Value:
    """Tell whether a value is in the array; false for what is no array."""
    return isinstance(array, list) and any(equal(element, wanted) for element in array)


def zip_arrays(context: ExecutionContext, *arrays: Value) -> Value:
    """Return arrays of the elements at the same places, cut to the shortest."""
    if not all(isinstance(array, list) for array in arrays):
        return None
    context.allow_array(min(map(len, arrays)) * len(arrays))
    return [list(together) for together in zip(*arrays, strict=False)]


def take(array: Value, size: Value) -> Value:
    """Return the first elements."""
    most = max(0, integer("TAKE", size))
    return array[:most] if isinstance(array, list) else None


def drop(array: Value, size: Value) -> Value:
    """Return the elements after the first ones."""
    least_place = max(0, integer("DROP", size))
    return array[least_place:] if isinstance(array, list) else None


def chunk(array: Value, size: Value) -> Value:
    """Return the array cut into arrays of at most `size` elements."""
    width = integer("CHUNK", size)
    if width < 1:
        raise ExecutionError(f"CHUNK: the size must be at least 1, found {width}")
    if not isinstance(array, list):
        return None
    return [array[start : start + width] for start in range(0, len(array), width)]


def remove_value(array: Value, unwanted: Value, limit: Value = None) -> Value:
    """Return the array without a value, or without its first `limit` occurrences."""
    left = None if limit is None else integer("REMOVE_VALUE", limit)
    if not isinstance(array, list):
        return None
    kept = []
    for element in array:
        if left != 0 and equal(element, unwanted):
            left = None if left is None else left - 1
        else:
            kept.append(element)
    return kept


def median(array: Value) -> Value:
    """Return the middle number, or null."""
    return statistics.median(array) if isinstance(array, list) else None


def variance(array: Value) -> Value:
    """Return the variance of the numbers as a whole population, or null."""
    return statistics.variance(array) if isinstance(array, list) else None


def variance_sample(array: Value) -> Value:
    """Return the variance of the numbers as a sample, or null."""
    return statistics.variance(array, sample=True) if isinstance(array, list) else None


def deviation(array: Value) -> Value:
    """Return the standard deviation of the numbers as a whole population, or null."""
    return statistics.deviation(array) if isinstance(array, list) else None


def deviation_sample(array: Value) -> Value:
    """Return the standard deviation of the numbers as a sample, or null."""
    return statistics.deviation(array, sample=True) if isinstance(array, list) else None


def count_distinct(array: Value) -> Value:
    """Return how many different values that are not null the array has."""
    return statistics.count_distinct(array) if isinstance(array, list) else 0


def percentile(array: Value, percent: Value) -> Value:
    """Return the number below which `percent` per cent of the numbers lie, interpolated."""
    wanted = numeric("PERCENTILE", percent)
    if not 0 <= wanted <= 100:
        raise ExecutionError(f"PERCENTILE: expected 0 to 100, found {wanted}")
    return statistics.percentile(array, wanted) if isinstance(array, list) else None


ARRAY_FUNCTIONS = table(
    [
        #       name, function, least and most arguments
        Builtin("FIRST", first, 1, 1, total=True, cost=Cost.NONE),
        Builtin("LAST", last, 1, 1, total=True, cost=Cost.NONE),
        Builtin("NTH", nth, 2, 2, cost=Cost.NONE),
        Builtin("PUSH", push, 2, UNLIMITED, grows=True),
        Builtin("UNSHIFT", unshift, 2, UNLIMITED, grows=True),
        Builtin("POP", pop, 1, 1),
        Builtin("SHIFT", shift, 1, 1),
        Builtin("APPEND", append, 2, UNLIMITED, wants_context=True),
        Builtin("UNION", union, 2, UNLIMITED, wants_context=True, cost=Cost.WHOLE),
        Builtin("INTERSECTION", intersection, 2, UNLIMITED, cost=Cost.WHOLE),
        Builtin("MINUS", minus, 2, UNLIMITED, cost=Cost.WHOLE),
        Builtin("SLICE", cut, 2, 3),
        Builtin("RANGE", count_range, 2, 3, wants_context=True),
        Builtin("UNIQUE", unique, 1, 1, cost=Cost.WHOLE),
        Builtin("FLATTEN", flatten, 1, 2, wants_context=True),
        Builtin("SORTED", ascending, 1, 1, cost=Cost.WHOLE),
        Builtin("SORTED_DESC", descending, 1, 1, cost=Cost.WHOLE),
        Builtin("SORTED_UNIQUE", ascending_unique, 1, 1, cost=Cost.WHOLE),
        Builtin("MIN", least, 1, 1, cost=Cost.WHOLE),
        Builtin("MAX", greatest, 1, 1, cost=Cost.WHOLE),
        Builtin("SUM", total, 1, 1),
        Builtin("AVG", average, 1, 1),
        Builtin("COUNT", count, 1, 1, cost=Cost.NONE),
        Builtin("POSITION", position, 2, 2, cost=Cost.WHOLE),
        Builtin("CONTAINS_ARRAY", contains_array, 2, 2, cost=Cost.WHOLE),
        Builtin("ZIP", zip_arrays, 2, UNLIMITED, wants_context=True),
        Builtin("TAKE", take, 2, 2),
        Builtin("DROP", drop, 2, 2),
        Builtin("CHUNK", chunk, 2, 2),
        Builtin("REMOVE_VALUE", remove_value, 2, 3, cost=Cost.WHOLE),
        Builtin("MEDIAN", median, 1, 1),
        Builtin("VARIANCE", variance, 1, 1),
        Builtin("VARIANCE_SAMPLE", variance_sample, 1, 1),
        Builtin("STDDEV", deviation, 1, 1),
        Builtin("STDDEV_SAMPLE", deviation_sample, 1, 1),
        Builtin("COUNT_DISTINCT", count_distinct, 1, 1, cost=Cost.WHOLE),
        Builtin("PERCENTILE", percentile, 2, 2),
    ],
    aliases={
        "DIFFERENCE": "MINUS",
        "SORT": "SORTED",
        "AVERAGE": "AVG",
        "INDEX_OF": "POSITION",
        "SKIP": "DROP",
        "STDDEV_POPULATION": "STDDEV",
        "VARIANCE_POPULATION": "VARIANCE",
        "COUNT_UNIQUE": "COUNT_DISTINCT",
    },
)
