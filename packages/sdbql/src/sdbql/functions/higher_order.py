"""Builtins that take a lambda. It arrives as a callable and gets one argument per element."""

from collections.abc import Callable

from sdbql.errors import ExecutionError
from sdbql.execution_context import ExecutionContext
from sdbql.functions.builtin import Builtin, missing_array, table
from sdbql.functions.lambda_value import LambdaValue
from sdbql.values import Value, type_name

Function = Callable[..., Value]


def _array(context: ExecutionContext, name: str, value: Value) -> list[Value]:
    if not isinstance(value, list):
        raise ExecutionError(f"{name} requires array, found {type_name(value)}", advice=missing_array(value))
    context.spend(len(value))
    return value


def _function(name: str, value: Value, elements: list[Value]) -> Function:
    if not isinstance(value, LambdaValue):
        raise ExecutionError(f"{name} requires a lambda, such as: {name}(xs, x -> x > 1)")
    return value.for_calls(len(elements), parameters=1)


def keep(context: ExecutionContext, array: Value, condition: Value) -> Value:
    """Return the elements for which the condition is true.

    FILTER([1, 2, 3], x -> x > 1) => [2, 3]
    [0, "", "a"] |> FILTER(x -> x) => ["a"]
    FILTER(null, x -> x) => Execution error: FILTER requires array, found null
    """
    elements = _array(context, "FILTER", array)
    test = _function("FILTER", condition, elements)
    return [element for element in elements if test(element)]


def transform(context: ExecutionContext, array: Value, change: Value) -> Value:
    """Return what the lambda makes of each element.

    MAP([1, 2], x -> x * 10) => [10, 20]
    ["a", "b"] |> MAP(s -> UPPER(s)) => ["A", "B"]
    MAP([], x -> x) => []
    MAP([1], 5) => Execution error: MAP requires a lambda, such as: MAP(xs, x -> x > 1)
    """
    elements = _array(context, "MAP", array)
    function = _function("MAP", change, elements)
    return [function(element) for element in elements]


def reduce(context: ExecutionContext, array: Value, *rest: Value) -> Value:
    """Fold from the left: (array, initial, lambda), (array, lambda, initial) or (array, lambda).

    REDUCE([1, 2, 3], 0, (sum, x) -> sum + x) => 6
    REDUCE([1, 2, 3], (sum, x) -> sum + x, 10) => 16
    REDUCE([], (a, x) -> x) => null
    REDUCE([1], 0) => Execution error: REDUCE requires one lambda, such as: REDUCE(xs, 0, (sum, x) -> sum + x)
    """
    elements = _array(context, "REDUCE", array)
    functions = [argument for argument in rest if isinstance(argument, LambdaValue)]
    initial = [argument for argument in rest if not isinstance(argument, LambdaValue)]
    if len(functions) != 1:
        raise ExecutionError("REDUCE requires one lambda, such as: REDUCE(xs, 0, (sum, x) -> sum + x)")
    function = functions[0].for_calls(len(elements), parameters=2)
    result = initial[0] if initial else None
    for element in elements:
        result = function(result, element)
    return result


def some(context: ExecutionContext, array: Value, condition: Value) -> Value:
    """Tell whether the condition is true of at least one element.

    ANY([1, 2], x -> x > 1) => true
    ANY([], x -> true) => false
    ANY({}, x -> true) => Execution error: ANY requires array, found object
    """
    elements = _array(context, "ANY", array)
    test = _function("ANY", condition, elements)
    return any(test(element) for element in elements)


def every(context: ExecutionContext, array: Value, condition: Value) -> Value:
    """Tell whether the condition is true of all elements.

    ALL([1, 2], x -> x > 0) => true
    ALL([], x -> false) => true
    ALL(null, x -> true) => Execution error: ALL requires array, found null
    """
    elements = _array(context, "ALL", array)
    test = _function("ALL", condition, elements)
    return all(test(element) for element in elements)


def none(context: ExecutionContext, array: Value, condition: Value) -> Value:
    """Tell whether the condition is true of no element.

    NONE([1, 2], x -> x > 5) => true
    NONE([], x -> true) => true
    NONE("ab", x -> true) => Execution error: NONE requires array, found string
    """
    elements = _array(context, "NONE", array)
    test = _function("NONE", condition, elements)
    return not any(test(element) for element in elements)


def find(context: ExecutionContext, array: Value, condition: Value) -> Value:
    """Return the first element for which the condition is true, or null.

    FIND([5, 12, 20], n -> n > 10) => 12
    FIND([5], n -> n > 10) => null
    FIND([5], 5) => Execution error: FIND requires a lambda, such as: FIND(xs, x -> x > 1)
    """
    elements = _array(context, "FIND", array)
    test = _function("FIND", condition, elements)
    return next((element for element in elements if test(element)), None)


HIGHER_ORDER_FUNCTIONS = table(
    [
        Builtin("FILTER", keep, 2, 2, wants_context=True, takes_lambda=True),
        Builtin("MAP", transform, 2, 2, wants_context=True, takes_lambda=True),
        Builtin(
            "REDUCE", reduce, 2, 3, wants_context=True, takes_lambda=True, usage="REDUCE(array[, initial], (result, x) -> …)"
        ),
        Builtin("ANY", some, 2, 2, wants_context=True, takes_lambda=True),
        Builtin("ALL", every, 2, 2, wants_context=True, takes_lambda=True),
        Builtin("NONE", none, 2, 2, wants_context=True, takes_lambda=True),
        Builtin("FIND", find, 2, 2, wants_context=True, takes_lambda=True),
    ],
    aliases={"SOME": "ANY", "EVERY": "ALL"},
)
