"""What a builtin gets for an argument that is a lambda."""

from collections.abc import Callable, Sequence
from typing import Any

from sdbql.errors import ExecutionError
from sdbql.values import Value


class LambdaValue:
    """A lambda that sees the variables around it; call it with as many values as it has parameters.

    `bind` puts values into the places of the parameters, `evaluate` gives the value of the
    body, and `generate` makes a quicker function of both, for many calls.
    """

    __slots__ = ("_bind", "_evaluate", "_generate", "_parameters", "_where")

    def __init__(
        self,
        parameters: int,
        bind: Callable[[Sequence[Value]], None],
        *,
        evaluate: Callable[[], Value],
        generate: Callable[[int], Callable[..., Value] | None],
        where: Any,
    ) -> None:
        self._parameters = parameters
        self._bind = bind
        self._evaluate = evaluate
        self._generate = generate
        self._where = where

    def __call__(self, *arguments: Value) -> Value:
        """Return the value of the body."""
        if len(arguments) != self._parameters:
            detail = f"the lambda takes {self._parameters} parameter(s) and is given {len(arguments)}"
            raise ExecutionError(detail, self._where)
        self._bind(arguments)
        return self._evaluate()

    def for_calls(self, calls: int, *, parameters: int) -> Callable[..., Value]:
        """Return the quickest function to call so many times with so many values."""
        quick = self._generate(calls) if parameters == self._parameters else None
        return self if quick is None else quick
