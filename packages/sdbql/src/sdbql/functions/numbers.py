"""Number builtins. An argument that is no number, null included, is an error."""

import math
from collections.abc import Callable

from sdbql.errors import ExecutionError
from sdbql.execution_context import ExecutionContext
from sdbql.functions.builtin import Builtin, Table, integer, numeric, table
from sdbql.values import Value, modulus, number

ROUND_DIGITS_MAX = 300


def _unary(name: str, compute: Callable[[float], float]) -> Builtin:
    """Return a builtin of one number; a number outside its domain is an error."""

    def call(value: Value) -> Value:
        argument = numeric(name, value)
        try:
            return number(compute(argument))
        except ValueError:
            raise ExecutionError(f"{name}: argument is out of range, found {argument}") from None
        except OverflowError:
            raise ExecutionError("Number out of range") from None

    return Builtin(name, call, 1, 1)


def _logarithm(name: str, compute: Callable[[float], float]) -> Builtin:
    def call(value: Value) -> Value:
        argument = numeric(name, value)
        if argument <= 0:
            raise ExecutionError(f"{name}: argument must be positive")
        return number(compute(argument))

    return Builtin(name, call, 1, 1)


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def round_half_away(value: Value, digits: Value = 0) -> Value:
    """Round to so many decimal places, halves away from zero; negative places round left."""
    argument, places = numeric("ROUND", value), integer("ROUND", digits)
    if isinstance(argument, int) and places >= 0:
        return argument
    if abs(places) > ROUND_DIGITS_MAX:
        return argument if places > 0 else 0
    if isinstance(argument, int):
        unit = 10**-places
        rounded = (abs(argument) * 2 + unit) // (unit * 2) * unit
        return number(-rounded if argument < 0 else rounded)
    scale = 10.0**places
    scaled = argument * scale
    if not math.isfinite(scaled) or abs(scaled) >= 2.0**53:
        return argument
    whole = math.floor(abs(scaled))
    whole += abs(scaled) - whole >= 0.5
    return number(math.copysign(whole, scaled) / scale)


def power(base: Value, exponent: Value) -> Value:
    """Raise a number to a power; an integer result within 64 bits is exact."""
    low, high = numeric("POW", base), numeric("POW", exponent)
    try:
        if isinstance(low, int) and isinstance(high, int) and 0 <= high <= 64:
            return number(low**high)
        result = math.pow(low, high)
    except (OverflowError, ValueError):
        raise ExecutionError(f"POW: {low} to the power {high} is not a number in range") from None
    return number(result)


def arc_tangent(y: Value, x: Value) -> Value:
    """Return the angle of the point (x, y)."""
    return number(math.atan2(numeric("ATAN2", y), numeric("ATAN2", x)))


def remainder(dividend: Value, divisor: Value) -> Value:
    """Return the remainder, with the sign of the dividend."""
    numeric("MOD", dividend)
    if numeric("MOD", divisor) == 0:
        raise ExecutionError("MOD: division by zero")
    return modulus(dividend, divisor)


def random_number(context: ExecutionContext) -> Value:
    """Return a number of at least 0 and below 1."""
    return context.random()


def random_integer(context: ExecutionContext, least: Value, most: Value) -> Value:
    """Return an integer between two, both included."""
    low, high = integer("RANDOM_INT", least), integer("RANDOM_INT", most)
    if low > high:
        raise ExecutionError(f"RANDOM_INT: {low} is greater than {high}")
    return min(high, low + int(context.random() * (high - low + 1)))


def clamp(value: Value, least: Value, most: Value) -> Value:
    """Return the number, or the bound that it passes."""
    low, high = numeric("CLAMP", least), numeric("CLAMP", most)
    if low > high:
        raise ExecutionError(f"CLAMP: {low} is greater than {high}")
    return max(low, min(high, numeric("CLAMP", value)))


def pi() -> Value:
    """Return the ratio of a circle's circumference to its diameter."""
    return math.pi


def e() -> Value:
    """Return the base of natural logarithms."""
    return math.e


NUMBER_FUNCTIONS: Table = table(
    [
        _unary("FLOOR", math.floor),
        _unary("CEIL", math.ceil),
        _unary("TRUNC", math.trunc),
        _unary("ABS", abs),
        _unary("SIGN", _sign),
        _unary("SQRT", math.sqrt),
        _unary("EXP", math.exp),
        _unary("SIN", math.sin),
        _unary("COS", math.cos),
        _unary("TAN", math.tan),
        _unary("ASIN", math.asin),
        _unary("ACOS", math.acos),
        _unary("ATAN", math.atan),
        _unary("DEGREES", math.degrees),
        _unary("RADIANS", math.radians),
        _logarithm("LOG", math.log),
        _logarithm("LOG2", math.log2),
        _logarithm("LOG10", math.log10),
        Builtin("ROUND", round_half_away, 1, 2),
        Builtin("POW", power, 2, 2),
        Builtin("ATAN2", arc_tangent, 2, 2),
        Builtin("MOD", remainder, 2, 2),
        Builtin("PI", pi, 0, 0, total=True),
        Builtin("E", e, 0, 0, total=True),
        Builtin("RANDOM", random_number, 0, 0, wants_context=True),
        Builtin("RANDOM_INT", random_integer, 2, 2, wants_context=True),
        Builtin("CLAMP", clamp, 3, 3),
    ],
    aliases={
        "CEILING": "CEIL",
        "TRUNCATE": "TRUNC",
        "POWER": "POW",
        "LN": "LOG",
        "DEG": "DEGREES",
        "RAD": "RADIANS",
        "RAND": "RANDOM",
        "RAND_INT": "RANDOM_INT",
    },
)
