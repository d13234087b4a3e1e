"""Number builtins. An argument that is no number, null included, is an error."""

import math
from collections.abc import Callable

from sdbql.errors import ExecutionError
from sdbql.execution_context import ExecutionContext
from sdbql.functions.builtin import Builtin, Table, integer, numeric, table
from sdbql.values import TEST_THE_DIVISOR, Value, modulus, number

ROUND_DIGITS_MAX = 300


def _unary(name: str, compute: Callable[[float], float], documentation: str) -> Builtin:
    """Return a builtin of one number; a number outside its domain is an error."""

    def call(value: Value) -> Value:
        argument = numeric(name, value)
        try:
            return number(compute(argument))
        except ValueError:
            raise ExecutionError(f"{name}: argument is out of range, found {argument}") from None
        except OverflowError:
            raise ExecutionError("Number out of range") from None

    call.__doc__ = documentation
    return Builtin(name, call, 1, 1)


def _logarithm(name: str, compute: Callable[[float], float], documentation: str) -> Builtin:
    def call(value: Value) -> Value:
        argument = numeric(name, value)
        if argument <= 0:
            raise ExecutionError(f"{name}: argument must be positive")
        return number(compute(argument))

    call.__doc__ = documentation
    return Builtin(name, call, 1, 1)


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def round_half_away(value: Value, digits: Value = 0) -> Value:
    """Round to so many decimal places, halves away from zero; negative places round left.

    ROUND(2.5) => 3
    ROUND(-2.5) => -3
    ROUND(3.14159, 2) => 3.14
    ROUND(1250, -2) => 1300
    ROUND(1.005, 2) => 1
    ROUND("1") => Execution error: ROUND: argument must be a number, found string
    """
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
    """Raise a number to a power; an integer result within 64 bits is exact.

    POW(2, 10) => 1024
    POW(2, -1) => 0.5
    POW(9, 0.5) => 3
    POW(-8, 0.5) => Execution error: POW: -8 to the power 0.5 is not a number in range
    POW(0, 0) => 1
    """
    low, high = numeric("POW", base), numeric("POW", exponent)
    try:
        if isinstance(low, int) and isinstance(high, int) and 0 <= high <= 64:
            return number(low**high)
        result = math.pow(low, high)
    except (OverflowError, ValueError):
        raise ExecutionError(f"POW: {low} to the power {high} is not a number in range") from None
    return number(result)


def arc_tangent(y: Value, x: Value) -> Value:
    """Return the angle of the point (x, y).

    ATAN2(0, 1) => 0
    DEGREES(ATAN2(1, 1)) => 45
    ATAN2(0, null) => Execution error: ATAN2: argument must be a number, found null
    """
    return number(math.atan2(numeric("ATAN2", y), numeric("ATAN2", x)))


def remainder(dividend: Value, divisor: Value) -> Value:
    """Return the remainder, with the sign of the dividend.

    MOD(5, 3) => 2
    MOD(-5, 3) => -2
    MOD(5.5, 2) => 1.5
    MOD(1, 0) => Execution error: MOD: division by zero
    """
    numeric("MOD", dividend)
    if numeric("MOD", divisor) == 0:
        raise ExecutionError("MOD: division by zero", advice=TEST_THE_DIVISOR)
    return modulus(dividend, divisor)


def random_number(context: ExecutionContext) -> Value:
    """Return a number of at least 0 and below 1.

    RANDOM() >= 0 AND RANDOM() < 1 => true
    RANDOM(10) => Execution error: RANDOM requires 0 argument(s)
    """
    return context.random()


def random_integer(context: ExecutionContext, least: Value, most: Value) -> Value:
    """Return an integer between two, both included.

    RANDOM_INT(1, 6) IN 1..6 => true
    RANDOM_INT(3, 3) => 3
    RANDOM_INT(6, 1) => Execution error: RANDOM_INT: 6 is greater than 1
    """
    low, high = integer("RANDOM_INT", least), integer("RANDOM_INT", most)
    if low > high:
        raise ExecutionError(f"RANDOM_INT: {low} is greater than {high}")
    return min(high, low + int(context.random() * (high - low + 1)))


def clamp(value: Value, least: Value, most: Value) -> Value:
    """Return the number, or the bound that it passes.

    CLAMP(15, 0, 10) => 10
    CLAMP(-1, 0, 10) => 0
    CLAMP(5, 0, 10) => 5
    CLAMP(5, 10, 0) => Execution error: CLAMP: 10 is greater than 0
    """
    low, high = numeric("CLAMP", least), numeric("CLAMP", most)
    if low > high:
        raise ExecutionError(f"CLAMP: {low} is greater than {high}")
    return max(low, min(high, numeric("CLAMP", value)))


def pi() -> Value:
    """Return the ratio of a circle's circumference to its diameter.

    PI() => 3.141592653589793
    PI(1) => Execution error: PI requires 0 argument(s)
    """
    return math.pi


def e() -> Value:
    """Return the base of natural logarithms.

    E() => 2.718281828459045
    E(1) => Execution error: E requires 0 argument(s)
    """
    return math.e


NUMBER_FUNCTIONS: Table = table(
    [
        _unary(
            "FLOOR",
            math.floor,
            """Round down, toward minus infinity.

            FLOOR(1.7) => 1
            FLOOR(-0.5) => -1
            FLOOR("1") => Execution error: FLOOR: argument must be a number, found string
            """,
        ),
        _unary(
            "CEIL",
            math.ceil,
            """Round up, toward infinity.

            CEIL(1.2) => 2
            CEIL(-1.5) => -1
            CEIL(null) => Execution error: CEIL: argument must be a number, found null
            """,
        ),
        _unary(
            "TRUNC",
            math.trunc,
            """Cut off the fraction: round toward zero.

            TRUNC(1.7) => 1
            TRUNC(-1.7) => -1
            TRUNC(true) => Execution error: TRUNC: argument must be a number, found bool
            """,
        ),
        _unary(
            "ABS",
            abs,
            """Return the number without its sign.

            ABS(-2.5) => 2.5
            ABS(null) => Execution error: ABS: argument must be a number, found null
            """,
        ),
        _unary(
            "SIGN",
            _sign,
            """Return -1, 0 or 1 as the number is negative, zero or positive.

            SIGN(-3) => -1
            SIGN(0.0) => 0
            SIGN(0.1) => 1
            SIGN("-") => Execution error: SIGN: argument must be a number, found string
            """,
        ),
        _unary(
            "SQRT",
            math.sqrt,
            """Return the square root; that of a negative number is an error.

            SQRT(16) => 4
            SQRT(2) => 1.4142135623730951
            SQRT(-1) => Execution error: SQRT: argument is out of range, found -1
            """,
        ),
        _unary(
            "EXP",
            math.exp,
            """Return e raised to the number.

            EXP(0) => 1
            EXP(1) == E() => true
            EXP(1000) => Execution error: Number out of range
            """,
        ),
        _unary(
            "SIN",
            math.sin,
            """Return the sine of an angle in radians.

            SIN(0) => 0
            ROUND(SIN(PI() / 6), 3) => 0.5
            SIN("0") => Execution error: SIN: argument must be a number, found string
            """,
        ),
        _unary(
            "COS",
            math.cos,
            """Return the cosine of an angle in radians.

            COS(0) => 1
            ROUND(COS(PI()), 3) => -1
            COS(null) => Execution error: COS: argument must be a number, found null
            """,
        ),
        _unary(
            "TAN",
            math.tan,
            """Return the tangent of an angle in radians.

            TAN(0) => 0
            ROUND(TAN(PI() / 4), 3) => 1
            TAN([]) => Execution error: TAN: argument must be a number, found array
            """,
        ),
        _unary(
            "ASIN",
            math.asin,
            """Return the angle with this sine; outside -1 to 1 is an error.

            ASIN(0) => 0
            ASIN(1) == PI() / 2 => true
            ASIN(2) => Execution error: ASIN: argument is out of range, found 2
            """,
        ),
        _unary(
            "ACOS",
            math.acos,
            """Return the angle with this cosine; outside -1 to 1 is an error.

            ACOS(1) => 0
            ACOS(-1) == PI() => true
            ACOS(-2) => Execution error: ACOS: argument is out of range, found -2
            """,
        ),
        _unary(
            "ATAN",
            math.atan,
            """Return the angle with this tangent.

            ATAN(0) => 0
            ATAN(1) == PI() / 4 => true
            ATAN({}) => Execution error: ATAN: argument must be a number, found object
            """,
        ),
        _unary(
            "DEGREES",
            math.degrees,
            """Return an angle in degrees that is given in radians.

            DEGREES(PI()) => 180
            DEGREES(null) => Execution error: DEGREES: argument must be a number, found null
            """,
        ),
        _unary(
            "RADIANS",
            math.radians,
            """Return an angle in radians that is given in degrees.

            RADIANS(180) == PI() => true
            RADIANS("180") => Execution error: RADIANS: argument must be a number, found string
            """,
        ),
        _logarithm(
            "LOG",
            math.log,
            """Return the natural logarithm; the number must be positive.

            LOG(1) => 0
            LOG(E()) => 1
            LOG(0) => Execution error: LOG: argument must be positive
            """,
        ),
        _logarithm(
            "LOG2",
            math.log2,
            """Return the logarithm to base 2; the number must be positive.

            LOG2(8) => 3
            LOG2(-1) => Execution error: LOG2: argument must be positive
            """,
        ),
        _logarithm(
            "LOG10",
            math.log10,
            """Return the logarithm to base 10; the number must be positive.

            LOG10(1000) => 3
            LOG10(0) => Execution error: LOG10: argument must be positive
            """,
        ),
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
