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
    """Return the time of the run in milliseconds since 1970."""
    return context.now_ms


def now_iso(context: ExecutionContext) -> Value:
    """Return the time of the run as a string."""
    return calendar.iso(calendar.read(context.now_ms))


def _part(name: str, read: Callable[[datetime], int]) -> Builtin:
    return Builtin(name, lambda value: read(calendar.read(value)), 1, 1)


def date_iso8601(value: Value) -> Value:
    """Return the date as a string."""
    return calendar.iso(calendar.read(value))


def date_timestamp(value: Value) -> Value:
    """Return the date as milliseconds since 1970."""
    return calendar.timestamp(calendar.read(value))


def date_format(value: Value, template: Value = None, zone: Value = None) -> Value:
    """Return the date in a strftime format, in UTC or in a time zone."""
    moment = calendar.read(value)
    if template is None:
        return calendar.iso(moment)
    if zone is not None:
        moment = calendar.in_zone(moment, zone)
    return calendar.formatted(moment, text(template))


def date_add(value: Value, amount: Value, unit: Value) -> Value:
    """Return the date so many units later."""
    moment = calendar.read(value)
    return calendar.iso(calendar.shift(moment, integer("DATE_ADD", amount), calendar.unit(unit)))


def date_subtract(value: Value, amount: Value, unit: Value) -> Value:
    """Return the date so many units earlier."""
    moment = calendar.read(value)
    return calendar.iso(calendar.shift(moment, -integer("DATE_SUBTRACT", amount), calendar.unit(unit)))


def date_diff(start: Value, end: Value, unit: Value = "d", exact: Value = False) -> Value:
    """Return the units from the first date to the second, whole ones unless `exact`."""
    found = calendar.elapsed(calendar.read(start), calendar.read(end), calendar.unit(unit), exact=bool(exact))
    return number(found)


def date_to_local(value: Value, zone: Value) -> Value:
    """Return the wall-clock time in a time zone, without a Z."""
    return calendar.iso_local(calendar.in_zone(calendar.read(value), zone))


def date_truncate(value: Value, unit: Value, zone: Value = None) -> Value:
    """Return the beginning of the unit that the date is in, as seen in a time zone."""
    moment, to = calendar.read(value), calendar.unit(unit)
    if zone is None:
        return calendar.iso(calendar.truncate(moment, to))
    return calendar.iso(calendar.truncate(calendar.in_zone(moment, zone), to).astimezone(UTC))


def time_bucket(value: Value, width: Value) -> Value:
    """Round down to a multiple of a width such as "5m"; here m is minutes."""
    found = _BUCKET.fullmatch(width.strip()) if isinstance(width, str) else None
    if found is None or int(found[1]) == 0:
        raise ExecutionError(f"TIME_BUCKET: expected a width such as 5m, found {text(width)}")
    size = int(found[1]) * _BUCKET_MS[found[2]]
    start = calendar.timestamp(calendar.read(value)) // size * size
    return start if is_number(value) else calendar.iso(calendar.read(start))


def human_time(context: ExecutionContext, value: Value, reference: Value = None) -> Value:
    """Return how long ago the date is, in words."""
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
    """Tell whether the value is a string that reads as a date."""
    try:
        return isinstance(value, str) and calendar.read(value) is not None
    except ExecutionError:
        return False


DATE_FUNCTIONS: Table = table(
    [
        Builtin("NOW", now, 0, 0, wants_context=True, total=True, cost=Cost.NONE),
        Builtin("NOW_ISO", now_iso, 0, 0, wants_context=True),
        _part("DATE_YEAR", lambda at: at.year),
        _part("DATE_MONTH", lambda at: at.month),
        _part("DATE_DAY", lambda at: at.day),
        _part("DATE_HOUR", lambda at: at.hour),
        _part("DATE_MINUTE", lambda at: at.minute),
        _part("DATE_SECOND", lambda at: at.second),
        _part("DATE_DAYOFWEEK", lambda at: at.isoweekday() % 7),
        _part("DATE_DAYOFYEAR", lambda at: at.timetuple().tm_yday),
        _part("DATE_WEEK", lambda at: at.isocalendar().week),
        _part("DATE_QUARTER", lambda at: (at.month + 2) // 3),
        _part("DATE_DAYS_IN_MONTH", lambda at: monthrange(at.year, at.month)[1]),
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
