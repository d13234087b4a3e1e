"""What a builtin is, and how its arguments are read.

A subject's module is a table of `Builtin`s, and the docstring of each function is its
documentation for those who write queries: `reference` makes pages of them, and the tests run
every example. The number of arguments is checked once, by the analyser, from `least` and `most`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto
from inspect import signature

from sdbql.errors import ExecutionError
from sdbql.values import INTEGER_MAX, INTEGER_MIN, Value, display, is_number, type_name

UNLIMITED = 10_000


class Cost(Enum):
    """What of its arguments a call works through."""

    NONE = auto()
    LENGTH = auto()
    """Each character or element, but not what is inside an element."""
    WHOLE = auto()
    """Everything, down to the innermost."""


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function of the language.

    `call` gets the argument values in order, after the `ExecutionContext` when
    `wants_context` is true. `takes_lambda` allows lambdas as arguments; they arrive as
    callables. `grows` marks a result that may be longer than its arguments, so that its
    length is checked against the limits. `total` promises never to raise. `cost` says what of
    its arguments a call has to work through, which is counted as steps. `usage` says how a call
    is written where the parameters of `call` do not.
    """

    name: str
    call: Callable[..., Value]
    least: int
    most: int
    wants_context: bool = False
    takes_lambda: bool = False
    grows: bool = False
    total: bool = False
    cost: Cost = Cost.LENGTH
    usage: str = ""

    def written(self) -> str:
        """Return how a call is written, such as `SUBSTRING(value, start[, count])`."""
        if self.usage:
            return self.usage
        required, optional = "", ""
        for parameter in list(signature(self.call).parameters.values())[self.wants_context :]:
            separator = ", " if required or optional else ""
            if parameter.kind is parameter.VAR_POSITIONAL:
                required += f"{separator}{parameter.name}…"
            elif parameter.default is parameter.empty:
                required += f"{separator}{parameter.name}"
            else:
                optional += f"[{separator}{parameter.name}]"
        return f"{self.name}({required}{optional})"

    def arity(self) -> str:
        """Return the number of arguments in words."""
        if self.most == UNLIMITED:
            return f"at least {self.least} argument(s)"
        if self.least == self.most:
            return f"{self.least} argument(s)"
        return f"{self.least} to {self.most} argument(s)"


Table = dict[str, Builtin]


def table(builtins: Iterable[Builtin], aliases: dict[str, str] | None = None) -> Table:
    """Return the builtins by name; an alias is the same function under another name."""
    named = {builtin.name: builtin for builtin in builtins}
    for alias, name in (aliases or {}).items():
        named[alias] = replace(named[name], name=alias)
    return named


# --- reading arguments


def text(value: Value) -> str:
    """Return an argument as text: null is empty, anything else displays."""
    if isinstance(value, str):
        return value
    return "" if value is None else display(value)


def integer(name: str, value: Value) -> int:
    """Return an argument as a 64-bit integer; 2.0 counts. Raises ExecutionError."""
    if is_number(value) and value == int(value):
        return max(INTEGER_MIN, min(INTEGER_MAX, int(value)))
    found = value if is_number(value) else type_name(value)
    advice = "round it first: FLOOR(value) or ROUND(value)" if is_number(value) else _conversion(value)
    raise ExecutionError(f"{name}: argument must be an integer, found {found}", advice=advice)


def numeric(name: str, value: Value) -> int | float:
    """Return an argument that must be a number. Raises ExecutionError."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise ExecutionError(f"{name}: argument must be a number, found {type_name(value)}", advice=_conversion(value))


def _conversion(value: Value) -> str:
    """Return how a number can be made of an argument that is none."""
    return "say what stands for null, such as: value ?? 0" if value is None else "TO_NUMBER(value) makes a number of it"


def missing_array(value: Value) -> str:
    """Return what to say about an argument that had to be an array."""
    return "where it may be missing, say: value ?? []" if value is None else "TO_ARRAY(value) makes an array of it"
