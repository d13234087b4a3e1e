"""Array builtins. A first argument that is no array gives null, unless said otherwise.

None of them changes its argument; values are compared as `==` compares them.
"""

from collections.abc import Sequence
from math import isfinite

from sdbql.errors import ExecutionError
from sdbql.execution_context import ExecutionContext
from sdbql.functions import statistics
from sdbql.functions.builtin import UNLIMITED, Builtin, Cost, integer, missing_array, numeric, table
from sdbql.values import INTEGER_MAX, Value, equal, hash_key, number, sort_key, type_name


def first(array: Value) -> Value:
    """Return the first element, or null.

    FIRST([1, 2]) => 1
    FIRST([]) => null
    FIRST("ab") => null
    """
    return array[0] if isinstance(array, list) and array else None


def last(array: Value) -> Value:
    """Return the last element, or null.

    LAST([1, 2]) => 2
    LAST([]) => null
    LAST(null) => null
    """
    return array[-1] if isinstance(array, list) and array else None


def nth(array: Value, place: Value) -> Value:
    """Return the element at a place, which counts from the end when negative, or null.

    NTH(["a", "b", "c"], 1) => "b"
    NTH(["a", "b", "c"], -1) => "c"
    NTH(["a"], 5) => null
    NTH(["a"], 0.5) => Execution error: NTH: argument must be an integer, found 0.5
    """
    index = integer("NTH", place)
    return array[index] if isinstance(array, list) and -len(array) <= index < len(array) else None


def push(array: Value, *values: Value) -> Value:
    """Return the array with values added at the end.

    PUSH([1], 2, [3]) => [1, 2, [3]]
    PUSH([], null) => [null]
    PUSH(null, 1) => null
    """
    return [*array, *values] if isinstance(array, list) else None


def unshift(array: Value, *values: Value) -> Value:
    """Return the array with values added at the beginning, in the order given.

    UNSHIFT([3], 1, 2) => [1, 2, 3]
    UNSHIFT("a", 1) => null
    """
    return [*values, *array] if isinstance(array, list) else None


def pop(array: Value) -> Value:
    """Return the array without its last element.

    POP([1, 2]) => [1]
    POP([]) => []
    POP(null) => null
    """
    return array[:-1] if isinstance(array, list) else None


def shift(array: Value) -> Value:
    """Return the array without its first element.

    SHIFT([1, 2]) => [2]
    SHIFT([]) => []
    SHIFT(null) => null
    """
    return array[1:] if isinstance(array, list) else None


def append(context: ExecutionContext, array: Value, *others: Value) -> Value:
    """Return the array with the elements of other arrays, and other values, added.

    APPEND([1], [2, 3], 4) => [1, 2, 3, 4]
    APPEND([1], [1, [2]]) => [1, 1, [2]]
    APPEND(null, [1]) => null
    """
    return _joined(context, array, others) if isinstance(array, list) else None


def _joined(context: ExecutionContext, array: list[Value], others: Sequence[Value]) -> list[Value]:
    context.allow_array(len(array) + sum([len(other) if isinstance(other, list) else 1 for other in others]))
    joined = list(array)
    for other in others:
        joined += other if isinstance(other, list) else [other]
    return joined


def union(context: ExecutionContext, *arrays: Value) -> Value:
    """Return the different elements of all arrays, in the order they come first.

    UNION([1, 2, 2], [2.0, 3]) => [1, 2, 3]
    UNION([], []) => []
    UNION([1], null) => Execution error: UNION: arguments must be arrays, found null
    """
    for array in arrays:
        if not isinstance(array, list):
            raise ExecutionError(f"UNION: arguments must be arrays, found {type_name(array)}", advice=missing_array(array))
    return statistics.unique(_joined(context, [], arrays))


def intersection(array: Value, *others: Value) -> Value:
    """Return the different elements that all arrays have, in the order of the first.

    INTERSECTION([1, 2, 2, 3], [3, 2]) => [2, 3]
    INTERSECTION([1, 2], [2.0], null) => []
    INTERSECTION(null, [1]) => null
    """
    if not isinstance(array, list):
        return None
    known = [{hash_key(element) for element in other} if isinstance(other, list) else set() for other in others]
    return [one for one in statistics.unique(array) if all(hash_key(one) in keys for keys in known)]


def minus(array: Value, *others: Value) -> Value:
    """Return the different elements of the first array that no other has.

    MINUS([1, 2, 2, 3], [3]) => [1, 2]
    MINUS([1, true], [1.0]) => [true]
    MINUS(null, [1]) => null
    """
    if not isinstance(array, list):
        return None
    removed = {hash_key(one) for other in others if isinstance(other, list) for one in other}
    return [one for one in statistics.unique(array) if hash_key(one) not in removed]


def cut(array: Value, start: Value, count: Value = None) -> Value:
    """Return `count` elements from `start`; a negative count stops so far before the end.

    SLICE([1, 2, 3, 4, 5], 1, 2) => [2, 3]
    SLICE([1, 2, 3, 4, 5], -2) => [4, 5]
    SLICE([1, 2, 3, 4, 5], 1, -1) => [2, 3, 4]
    SLICE([1, 2], 9) => []
    SLICE("abc", 1) => null
    """
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
    """Return the numbers from `start` to `end`, both included; none for a step of 0.

    RANGE(1, 4) => [1, 2, 3, 4]
    RANGE(4, 1, -1) => [4, 3, 2, 1]
    RANGE(0, 1, 0.25) => [0, 0.25, 0.5, 0.75, 1]
    RANGE(4, 1) => []
    RANGE(1, 4, 0) => []
    RANGE(1, "4") => Execution error: RANGE: argument must be a number, found string
    """
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
    """Return the different elements, in the order they come first.

    UNIQUE([2, 1, 2.0, "2", null, null]) => [2, 1, "2", null]
    UNIQUE([[1], [1.0]]) => [[1]]
    UNIQUE(null) => null
    """
    return statistics.unique(array) if isinstance(array, list) else None


def flatten(context: ExecutionContext, array: Value, depth: Value = 1) -> Value:
    """Return the array with so many levels of arrays inside it dissolved.

    FLATTEN([1, [2, [3]]]) => [1, 2, [3]]
    FLATTEN([1, [2, [3]]], 2) => [1, 2, 3]
    FLATTEN([[1]], 0) => [[1]]
    FLATTEN("a") => null
    """
    left = integer("FLATTEN", depth)
    if not isinstance(array, list):
        return None
    while left > 0 and any(isinstance(element, list) for element in array):
        array, left = _joined(context, [], array), left - 1
    return array


def ascending(array: Value) -> Value:
    """Return the elements in order.

    SORTED([3, "a", null, [0], true, 1]) => [null, true, 1, 3, "a", [0]]
    SORTED(["b", "B", "é", "a"]) => ["B", "a", "b", "é"]
    SORTED(null) => null
    """
    return sorted(array, key=sort_key) if isinstance(array, list) else None


def descending(array: Value) -> Value:
    """Return the elements in descending order.

    SORTED_DESC([1, 3, null, 2]) => [3, 2, 1, null]
    SORTED_DESC(5) => null
    """
    return sorted(array, key=sort_key, reverse=True) if isinstance(array, list) else None


def ascending_unique(array: Value) -> Value:
    """Return the different elements in order.

    SORTED_UNIQUE([2, 1, 2.0, 1]) => [1, 2]
    SORTED_UNIQUE(null) => null
    """
    return statistics.sorted_unique(array) if isinstance(array, list) else None


def position(array: Value, wanted: Value) -> Value:
    """Return the place of a value, or -1.

    POSITION(["a", "b"], "b") => 1
    POSITION([1, 2], 2.0) => 1
    POSITION([1], 5) => -1
    POSITION("ab", "b") => null
    """
    if not isinstance(array, list):
        return None
    return next((place for place, element in enumerate(array) if equal(element, wanted)), -1)


def contains_array(array: Value, wanted: Value) -> Value:
    """Tell whether a value is in the array; false for what is no array.

    CONTAINS_ARRAY([[1], 2], [1.0]) => true
    CONTAINS_ARRAY([1], "1") => false
    CONTAINS_ARRAY("ab", "a") => false
    """
    return isinstance(array, list) and any(equal(element, wanted) for element in array)


def zip_arrays(context: ExecutionContext, *arrays: Value) -> Value:
    """Return arrays of the elements at the same places, cut to the shortest.

    ZIP([1, 2, 3], ["a", "b"]) => [[1, "a"], [2, "b"]]
    ZIP([1], [2], [3]) => [[1, 2, 3]]
    ZIP([], [1]) => []
    ZIP([1], null) => null
    """
    if not all(isinstance(array, list) for array in arrays):
        return None
    context.allow_array(min(map(len, arrays)) * len(arrays))
    return [list(together) for together in zip(*arrays, strict=False)]


def take(array: Value, size: Value) -> Value:
    """Return the first elements.

    TAKE([1, 2, 3], 2) => [1, 2]
    TAKE([1], 5) => [1]
    TAKE([1], -1) => []
    TAKE(null, 1) => null
    """
    most = max(0, integer("TAKE", size))
    return array[:most] if isinstance(array, list) else None


def drop(array: Value, size: Value) -> Value:
    """Return the elements after the first ones.

    DROP([1, 2, 3], 2) => [3]
    DROP([1], 5) => []
    DROP([1], -1) => [1]
    DROP(null, 1) => null
    """
    least_place = max(0, integer("DROP", size))
    return array[least_place:] if isinstance(array, list) else None


def chunk(array: Value, size: Value) -> Value:
    """Return the array cut into arrays of at most `size` elements.

    CHUNK([1, 2, 3], 2) => [[1, 2], [3]]
    CHUNK([], 2) => []
    CHUNK([1], 0) => Execution error: CHUNK: the size must be at least 1, found 0
    """
    width = integer("CHUNK", size)
    if width < 1:
        raise ExecutionError(f"CHUNK: the size must be at least 1, found {width}")
    if not isinstance(array, list):
        return None
    return [array[start : start + width] for start in range(0, len(array), width)]


def remove_value(array: Value, unwanted: Value, limit: Value = None) -> Value:
    """Return the array without a value, or without its first `limit` occurrences.

    REMOVE_VALUE([1, 2, 1.0], 1) => [2]
    REMOVE_VALUE([1, 2, 1], 1, 1) => [2, 1]
    REMOVE_VALUE(null, 1) => null
    """
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
        Builtin("POSITION", position, 2, 2, cost=Cost.WHOLE),
        Builtin("CONTAINS_ARRAY", contains_array, 2, 2, cost=Cost.WHOLE),
        Builtin("ZIP", zip_arrays, 2, UNLIMITED, wants_context=True),
        Builtin("TAKE", take, 2, 2),
        Builtin("DROP", drop, 2, 2),
        Builtin("CHUNK", chunk, 2, 2),
        Builtin("REMOVE_VALUE", remove_value, 2, 3, cost=Cost.WHOLE),
    ],
    aliases={
        "DIFFERENCE": "MINUS",
        "SORT": "SORTED",
        "INDEX_OF": "POSITION",
        "SKIP": "DROP",
    },
)
