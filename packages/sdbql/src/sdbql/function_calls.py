"""Calls of builtins, with values and with lambdas as arguments."""

from collections.abc import Callable

from sdbql.errors import ExecutionError, QueryError
from sdbql.frame import Evaluate, Frame, Layout
from sdbql.functions import catalog
from sdbql.functions.builtin import Builtin
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
    if builtin.wants_context:
        arguments = (lambda frame: frame[0], *arguments)

    def apply(frame: Frame) -> Value:
        return function(*[argument(frame) for argument in arguments])

    def apply_to_one(frame: Frame) -> Value:
        return function(only(frame))

    def apply_and_check(frame: Frame) -> Value:
        result = function(*[argument(frame) for argument in arguments])
        if isinstance(result, str):
            frame[0].allow_text(len(result))
        elif isinstance(result, list):
            frame[0].allow_array(len(result))
        return result

    if builtin.grows:
        return apply_and_check
    if len(arguments) == 1:
        only = arguments[0]
        return apply_to_one
    return apply


def _compile_lambda(node: Lambda, layout: Layout) -> Evaluate:
    """Return a function from a frame to a callable that closes over that frame."""
    slots = [layout.slot(parameter) for parameter in node.parameters]
    body, span = layout.expression(node.body), node.span

    def close_over(frame: Frame) -> Callable[..., Value]:
        def call(*arguments: Value) -> Value:
            if len(arguments) != len(slots):
                raise ExecutionError(f"the lambda takes {len(slots)} parameter(s) and is given {len(arguments)}", span)
            for slot, argument in zip(slots, arguments, strict=True):
                frame[slot] = argument
            return body(frame)

        return call

    def close_over_one(frame: Frame) -> Callable[..., Value]:
        def call(*arguments: Value) -> Value:
            if len(arguments) != 1:
                raise ExecutionError(f"the lambda takes 1 parameter(s) and is given {len(arguments)}", span)
            frame[slots[0]] = arguments[0]
            return body(frame)

        return call

    return close_over_one if len(slots) == 1 else close_over
