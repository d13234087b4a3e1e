"""Calls of builtins, with values and with lambdas as arguments.

A call counts the length of long arguments as steps, since most builtins work through all of
them; a builtin that takes a lambda counts its elements itself.
"""

from collections.abc import Callable, Sequence

from sdbql.errors import QueryError
from sdbql.execution_context import ExecutionContext
from sdbql.frame import Evaluate, Frame, Layout
from sdbql.functions import catalog
from sdbql.functions.builtin import Builtin, Cost
from sdbql.functions.lambda_value import LambdaValue
from sdbql.python_source import WORTHWHILE, SourceWriter, define
from sdbql.syntax_tree import Call, Lambda
from sdbql.values import Value


def compile_call(node: Call, layout: Layout) -> Evaluate:
    """Return a call as a function from a frame to the builtin's result."""
    builtin = catalog.find(node.name)
    assert builtin is not None
    arguments = tuple(
        [
            _compile_lambda(argument, layout) if isinstance(argument, Lambda) else layout.expression(argument)
            for argument in node.arguments
        ]
    )
    apply, span = _applied(builtin, arguments), node.span
    if builtin.total:
        return apply

    def evaluate(frame: Frame) -> Value:
        try:
            return apply(frame)
        except QueryError as error:
            error.locate(span)
            raise

    return evaluate


def _applied(builtin: Builtin, arguments: tuple[Evaluate, ...]) -> Evaluate:
    function = builtin.call
    if builtin.cost is Cost.NONE and len(arguments) == 1 and not builtin.wants_context:
        only = arguments[0]
        return lambda frame: function(only(frame))
    wants_context = builtin.wants_context

    def apply(frame: Frame) -> Value:
        values = [argument(frame) for argument in arguments]
        return function(frame[0], *values) if wants_context else function(*values)

    def apply_and_count(frame: Frame) -> Value:
        context, values = frame[0], [argument(frame) for argument in arguments]
        count(context, values)
        return function(context, *values) if wants_context else function(*values)

    def apply_and_check(frame: Frame) -> Value:
        result = apply_and_count(frame)
        if isinstance(result, str):
            frame[0].allow_text(len(result))
        elif isinstance(result, list):
            frame[0].allow_array(len(result))
        return result

    if builtin.takes_lambda or builtin.cost is Cost.NONE:
        return apply
    count = ExecutionContext.spend_walk if builtin.cost is Cost.WHOLE else ExecutionContext.spend_on
    return apply_and_check if builtin.grows else apply_and_count


def _compile_lambda(node: Lambda, layout: Layout) -> Callable[[Frame], LambdaValue]:
    """Return a function from a frame to the lambda that sees the frame's variables."""
    slots = [layout.slot(parameter) for parameter in node.parameters]
    body, span, calls_seen = layout.expression(node.body), node.span, 0
    quick: Callable[[Frame], Callable[..., Value]] | None = None

    def close_over(frame: Frame) -> LambdaValue:
        def bind(arguments: Sequence[Value]) -> None:
            for slot, argument in zip(slots, arguments, strict=True):
                frame[slot] = argument

        def generate(calls: int) -> Callable[..., Value] | None:
            nonlocal calls_seen, quick
            if quick is None:
                calls_seen += calls
                if calls_seen <= WORTHWHILE:
                    return None
                quick = _generate_lambda(node, layout)
            return quick(frame)

        return LambdaValue(len(slots), bind, evaluate=lambda: body(frame), generate=generate, where=span)

    return close_over


def _generate_lambda(node: Lambda, layout: Layout) -> Callable[[Frame], Callable[..., Value]]:
    """Return a function from a frame to the lambda as a Python function."""
    local = {parameter: f"v{number}" for number, parameter in enumerate(node.parameters)}
    writer = SourceWriter(layout, local)
    body = writer.value(node.body)
    stored = [f"    f[{layout.slot(name)}] = {local[name]}" for name in node.parameters if name in writer.stored]
    hoisted = [f"{name} = f[{slot}]" for name, slot in writer.hoisted.items()]
    parameters = ", ".join(local.values())
    return define("f", [*hoisted, f"def call({parameters}):", *stored, f"    return {body}", "return call"], writer.names)
