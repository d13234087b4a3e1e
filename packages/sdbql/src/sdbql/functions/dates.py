"""Date builtins, all in UTC. The time of the run comes from its context.

A date is a string or a number of milliseconds since 1970; it always prints as
`YYYY-MM-DDTHH:MM:SS.mmmZ`.
"""

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sdbql.errors import ExecutionError
from sdbql.execution_context import ExecutionContext
from sdbql.functions import calendar
from sdbql.functions.builtin import Builtin, Cost, Table, integer, table, text
from sdbql.values import Value, is_number, number

_BUCKET = re.compile(r"(\d{1,9})\s*([smhd])", re.ASCII)
_BUCKET_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SPOKEN = (("year", 31_536_000), ("month", 2_592_000), ("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60))


def now(context: ExecutionContext) -> Value:
    """Return the time of the run in milliseconds since 1970.

    TYPENAME(NOW()) => "number"
    NOW() == NOW() => true
    NOW(1) => Execution error: NOW requires 0 argument(s)
    """
    return context.now_ms


def now_iso(context: ExecutionContext) -> Value:
    """Return the time of the run as a string.

    LENGTH(NOW_ISO()) => 24
    DATE_TIMESTAMP(NOW_ISO()) == NOW() => true
    NOW_ISO(1) => Execution error: NOW_ISO requires 0 argument(s)
    """
    return calendar.iso(calendar.read(context.now_ms))


def _part(name: str, read: Callable[[datetime], int], documentation: str) -> Builtin:
    """Return a builtin that reads one number off a date."""

    def call(date: Value) -> Value:
        return read(calendar.read(date))

    call.__doc__ = documentation
    return Builtin(name, call, 1, 1)


def date_iso8601(value: Value) -> Value:
    """Return the date as a string.

    DATE_ISO8601("2024-01-02") => "2024-01-02T00:00:00.000Z"
    DATE_ISO8601(1705314600123) => "2024-01-15T10:30:00.123Z"
    DATE_ISO8601("2024-01-02T03:04:05+02:00") => "2024-01-02T01:04:05.000Z"
    DATE_ISO8601("2 January") => Execution error: Cannot parse date string: 2 January
    """
    return calendar.iso(calendar.read(value))


def date_timestamp(value: Value) -> Value:
    """Return the date as milliseconds since 1970.

    DATE_TIMESTAMP("1970-01-02") => 86400000
    DATE_TIMESTAMP("1969-12-31T23:59:59.999Z") => -1
    DATE_TIMESTAMP(null) => Execution error: Date must be a string or number, found null
    """
    return calendar.timestamp(calendar.read(value))


def date_format(value: Value, template: Value = None, zone: Value = None) -> Value:
    """Return the date in a strftime format, in UTC or in a time zone.

    DATE_FORMAT("2024-03-05T14:07:09Z", "%d.%m.%Y %H:%M") => "05.03.2024 14:07"
    DATE_FORMAT("2024-03-05", "%A, %B %e, week %V") => "Tuesday, March  5, week 10"
    DATE_FORMAT("2024-03-05T14:07:09Z", "%H:%M %z", "Asia/Kolkata") => "19:37 +0530"
    DATE_FORMAT("2024-03-05") => "2024-03-05T00:00:00.000Z"
    DATE_FORMAT("2024-03-05", "%Q") => Execution error: Unknown date format: %Q
    """
    moment = calendar.read(value)
    if template is None:
        return calendar.iso(moment)
    if zone is not None:
        moment = calendar.in_zone(moment, zone)
    return calendar.formatted(moment, text(template))


def date_add(value: Value, amount: Value, unit: Value) -> Value:
    """Return the date so many units later.

    DATE_ADD("2024-01-31", 1, "month") => "2024-02-29T00:00:00.000Z"
    DATE_ADD("2024-02-29", 1, "y") => "2025-02-28T00:00:00.000Z"
    DATE_ADD("2024-01-01", -90, "i") => "2023-12-31T22:30:00.000Z"
    DATE_ADD("2024-01-01", 1, "fortnight") => Execution error: Unknown date unit: fortnight
    """
    moment = calendar.read(value)
    return calendar.iso(calendar.shift(moment, integer("DATE_ADD", amount), calendar.unit(unit)))


def date_subtract(value: Value, amount: Value, unit: Value) -> Value:
    """Return the date so many units earlier.

    DATE_SUBTRACT("2024-03-31", 1, "month") => "2024-02-29T00:00:00.000Z"
    DATE_SUBTRACT("2024-01-01", -1, "w") => "2024-01-08T00:00:00.000Z"
    DATE_SUBTRACT("2024-01-01", 0.5, "d") => Execution error: DATE_SUBTRACT: argument must be an integer, found 0.5
    """
    moment = calendar.read(value)
    return calendar.iso(calendar.shift(moment, -integer("DATE_SUBTRACT", amount), calendar.unit(unit)))


def date_diff(start: Value, end: Value, unit: Value = "d", exact: Value = False) -> Value:
    """Return the units from the first date to the second, whole ones unless `exact`.

    DATE_DIFF("2024-01-01", "2024-01-11") => 10
    DATE_DIFF("2024-01-11", "2024-01-01") => -10
    DATE_DIFF("2024-01-01", "2024-01-02T12:00:00", "d", true) => 1.5
    DATE_DIFF("2024-01-15", "2024-03-14", "month") => 1
    DATE_DIFF(null, 0) => Execution error: Date must be a string or number, found null
    """
    found = calendar.elapsed(calendar.read(start), calendar.read(end), calendar.unit(unit), exact=bool(exact))
    return number(found)


def date_to_local(value: Value, zone: Value) -> Value:
    """Return the wall-clock time in a time zone, without a Z.

    DATE_UTCTOLOCAL("2024-07-01T12:00:00Z", "Europe/Paris") => "2024-07-01T14:00:00.000"
    DATE_UTCTOLOCAL("2024-01-01", "America/New_York") => "2023-12-31T19:00:00.000"
    DATE_UTCTOLOCAL(0, "Paris") => Execution error: Unknown time zone: Paris
    """
    return calendar.iso_local(calendar.in_zone(calendar.read(value), zone))


def date_truncate(value: Value, unit: Value, zone: Value = None) -> Value:
    """Return the beginning of the unit that the date is in, as seen in a time zone.

    DATE_TRUNC("2024-05-15T13:47:31Z", "month") => "2024-05-01T00:00:00.000Z"
    DATE_TRUNC("2024-05-15T13:47:31Z", "week") => "2024-05-13T00:00:00.000Z"
    DATE_TRUNC("2024-05-15T01:00:00Z", "day", "America/New_York") => "2024-05-14T04:00:00.000Z"
    DATE_TRUNC("2024-05-15", "century") => Execution error: Unknown date unit: century
    """
    moment, to = calendar.read(value), calendar.unit(unit)
    if zone is None:
        return calendar.iso(calendar.truncate(moment, to))
    return calendar.iso(calendar.truncate(calendar.in_zone(moment, zone), to).astimezone(UTC))


def time_bucket(value: Value, width: Value) -> Value:
    """Round down to a multiple of a width such as "5m"; here m is minutes.

    TIME_BUCKET("2024-05-15T13:47:31Z", "15m") => "2024-05-15T13:45:00.000Z"
    TIME_BUCKET(1705314600123, "1h") => 1705312800000
    TIME_BUCKET(-1, "1d") => -86400000
    TIME_BUCKET(0, "1 month") => Execution error: TIME_BUCKET: expected a width such as 5m, found 1 month
    """
    found = _BUCKET.fullmatch(width.strip()) if isinstance(width, str) else None
    if found is None or int(found[1]) == 0:
        raise ExecutionError(f"TIME_BUCKET: expected a width such as 5m, found {calendar.shown(text(width))}")
    size = int(found[1]) * _BUCKET_MS[found[2]]
    start = calendar.timestamp(calendar.read(value)) // size * size
    return start if is_number(value) else calendar.iso(calendar.read(start))


def human_time(context: ExecutionContext, value: Value, reference: Value = None) -> Value:
    """Return how long ago the date is, in words.

    HUMAN_TIME("2024-01-15", "2024-01-18") => "3 days ago"
    HUMAN_TIME("2024-01-15T02:00:00Z", "2024-01-15") => "in 2 hours"
    HUMAN_TIME(NOW()) => "just now"
    HUMAN_TIME(null) => Execution error: Date must be a string or number, found null
    """
    since = calendar.read(context.now_ms if reference is None else reference)
    gap = since - calendar.read(value)
    seconds = abs(gap) // timedelta(seconds=1)
    for name, size in _SPOKEN:
        if seconds >= size:
            amount = seconds // size
            spoken = f"{amount} {name}{'s' if amount > 1 else ''}"
            return f"{spoken} ago" if gap > timedelta(0) else f"in {spoken}"
    return "just now"


def is_date(value: Value) -> Value:
    """Tell whether the value is a string that reads as a date.

    IS_DATETIME("2024-02-29") => true
    IS_DATETIME("2023-02-29") => false
    IS_DATETIME(0) => false
    """
    try:
        return isinstance(value, str) and calendar.read(value) is not None
    except ExecutionError:
        return False


DATE_FUNCTIONS: Table = table(
    [
        Builtin("NOW", now, 0, 0, wants_context=True, total=True, cost=Cost.NONE),
        Builtin("NOW_ISO", now_iso, 0, 0, wants_context=True),
        _part(
            "DATE_YEAR",
            lambda at: at.year,
            """Return the year.

            DATE_YEAR("2024-02-29") => 2024
            DATE_YEAR(0) => 1970
            DATE_YEAR(null) => Execution error: Date must be a string or number, found null
            """,
        ),
        _part(
            "DATE_MONTH",
            lambda at: at.month,
            """Return the month, 1 to 12.

            DATE_MONTH("2024-02-29") => 2
            DATE_MONTH("2024-13-01") => Execution error: Cannot parse date string: 2024-13-01
            """,
        ),
        _part(
            "DATE_DAY",
            lambda at: at.day,
            """Return the day of the month.

            DATE_DAY("2024-02-29") => 29
            DATE_DAY("2023-02-29") => Execution error: Cannot parse date string: 2023-02-29
            """,
        ),
        _part(
            "DATE_HOUR",
            lambda at: at.hour,
            """Return the hour in UTC, 0 to 23.

            DATE_HOUR("2024-02-29T13:14:15Z") => 13
            DATE_HOUR("2024-02-29T23:00:00-02:00") => 1
            DATE_HOUR("13:14") => Execution error: Cannot parse date string: 13:14
            """,
        ),
        _part(
            "DATE_MINUTE",
            lambda at: at.minute,
            """Return the minute.

            DATE_MINUTE("2024-02-29T13:14:15Z") => 14
            DATE_MINUTE("2024-02-29") => 0
            DATE_MINUTE(true) => Execution error: Date must be a string or number, found bool
            """,
        ),
        _part(
            "DATE_SECOND",
            lambda at: at.second,
            """Return the whole second.

            DATE_SECOND("2024-02-29T13:14:15.9Z") => 15
            DATE_SECOND(-1) => 59
            DATE_SECOND([]) => Execution error: Date must be a string or number, found array
            """,
        ),
        _part(
            "DATE_DAYOFWEEK",
            lambda at: at.isoweekday() % 7,
            """Return the day of the week: 0 is Sunday, 6 Saturday.

            DATE_DAYOFWEEK("2024-01-07") => 0
            DATE_DAYOFWEEK("2024-01-13") => 6
            DATE_DAYOFWEEK("x") => Execution error: Cannot parse date string: x
            """,
        ),
        _part(
            "DATE_DAYOFYEAR",
            lambda at: at.timetuple().tm_yday,
            """Return the day of the year, 1 to 366.

            DATE_DAYOFYEAR("2024-12-31") => 366
            DATE_DAYOFYEAR("2023-12-31") => 365
            DATE_DAYOFYEAR(null) => Execution error: Date must be a string or number, found null
            """,
        ),
        _part(
            "DATE_WEEK",
            lambda at: at.isocalendar().week,
            """Return the week of ISO 8601, whose first has the year's first Thursday.

            DATE_WEEK("2024-01-07") => 1
            DATE_WEEK("2024-12-30") => 1
            DATE_WEEK("2021-01-03") => 53
            DATE_WEEK(null) => Execution error: Date must be a string or number, found null
            """,
        ),
        _part(
            "DATE_QUARTER",
            lambda at: (at.month + 2) // 3,
            """Return the quarter of the year, 1 to 4.

            DATE_QUARTER("2024-04-01") => 2
            DATE_QUARTER("2024-12-31") => 4
            DATE_QUARTER("Q1") => Execution error: Cannot parse date string: Q1
            """,
        ),
        _part(
            "DATE_DAYS_IN_MONTH",
            lambda at: monthrange(at.year, at.month)[1],
            """Return how many days the month has.

            DATE_DAYS_IN_MONTH("2024-02-10") => 29
            DATE_DAYS_IN_MONTH("2023-02-10") => 28
            DATE_DAYS_IN_MONTH({}) => Execution error: Date must be a string or number, found object
            """,
        ),
        Builtin("DATE_ISO8601", date_iso8601, 1, 1),
        Builtin("DATE_TIMESTAMP", date_timestamp, 1, 1),
        Builtin("DATE_FORMAT", date_format, 1, 3, grows=True),
        Builtin("DATE_ADD", date_add, 3, 3),
        Builtin("DATE_SUBTRACT", date_subtract, 3, 3),
        Builtin("DATE_DIFF", date_diff, 2, 4),
        Builtin("DATE_UTCTOLOCAL", date_to_local, 2, 2),
        Builtin("DATE_TRUNC", date_truncate, 2, 3),
        Builtin("TIME_BUCKET", time_bucket, 2, 2),
        Builtin("HUMAN_TIME", human_time, 1, 2, wants_context=True),
    ],
    aliases={
        "DATE_NOW": "NOW",
        "DATE_NOW_ISO": "NOW_ISO",
        "DATE_ISOWEEK": "DATE_WEEK",
        "DATE_SUB": "DATE_SUBTRACT",
    },
)
