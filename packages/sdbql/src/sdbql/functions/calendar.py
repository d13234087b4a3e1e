"""Reading, printing and shifting points in time; the date builtins are built on it.

A point in time is a `datetime` in UTC with whole milliseconds. Months and years follow the
calendar: one month after 31 January is the last day of February.
"""

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sdbql.errors import ExecutionError
from sdbql.values import Value, is_number, type_name

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

UNITS = {
    **dict.fromkeys(["y", "year", "years"], "year"),
    **dict.fromkeys(["m", "month", "months"], "month"),
    **dict.fromkeys(["w", "week", "weeks"], "week"),
    **dict.fromkeys(["d", "day", "days"], "day"),
    **dict.fromkeys(["h", "hour", "hours"], "hour"),
    **dict.fromkeys(["i", "minute", "minutes"], "minute"),
    **dict.fromkeys(["s", "second", "seconds"], "second"),
    **dict.fromkeys(["f", "ms", "millisecond", "milliseconds"], "millisecond"),
}
LENGTHS = {
    "week": timedelta(weeks=1),
    "day": timedelta(days=1),
    "hour": timedelta(hours=1),
    "minute": timedelta(minutes=1),
    "second": timedelta(seconds=1),
    "millisecond": MILLISECOND,
}

HOW_DATES_ARE_WRITTEN = "dates are written 2024-01-31 or 2024-01-31T10:30:00Z, or are milliseconds since 1970"
QUOTED_MAX = 60
"""How much of a text that is no date an error quotes."""

_WRITTEN = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:[Zz]|([+-])([01]\d|2[0-3]):?([0-5]\d))?)?",
    re.ASCII,
)
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def read(value: Value) -> datetime:
    """Return the time that a string or a number of milliseconds stands for. Raises ExecutionError."""
    if isinstance(value, str):
        return _parse(value)
    if not is_number(value):
        raise ExecutionError(f"Date must be a string or number, found {type_name(value)}", advice=HOW_DATES_ARE_WRITTEN)
    try:
        return EPOCH + timedelta(milliseconds=int(value))
    except OverflowError:
        raise ExecutionError(f"Date is out of range: {value}") from None


def _parse(written: str) -> datetime:
    found = _WRITTEN.fullmatch(written.strip())
    if found is None:
        raise ExecutionError(f"Cannot parse date string: {shown(written)}", advice=HOW_DATES_ARE_WRITTEN)
    year, month, day, hour, minute, second, fraction, sign, zone_hours, zone_minutes = found.groups()
    milliseconds = int((fraction or "").ljust(3, "0")[:3])
    offset = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
    try:
        local = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            milliseconds * 1000,
            UTC,
        )
        return local + offset if sign == "-" else local - offset
    except (ValueError, OverflowError):
        raise ExecutionError(f"Cannot parse date string: {shown(written)}", advice=HOW_DATES_ARE_WRITTEN) from None


def shown(written: str) -> str:
    """Return a text as an error quotes it: never empty, never long."""
    return f"{written[:QUOTED_MAX]}…" if len(written) > QUOTED_MAX else written or '""'


def timestamp(moment: datetime) -> int:
    """Return the milliseconds since 1970."""
    return (moment - EPOCH) // MILLISECOND


def iso(moment: datetime) -> str:
    """Return the time as `YYYY-MM-DDTHH:MM:SS.mmm` with a Z."""
    return f"{iso_local(moment)}Z"


def iso_local(moment: datetime) -> str:
    """Return the same without the Z, for wall-clock time."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds")


def unit(name: Value) -> str:
    """Return the full name of a unit. Raises ExecutionError."""
    found = UNITS.get(name.lower()) if isinstance(name, str) else None
    if found is None:
        found_instead = shown(name) if isinstance(name, str) else type_name(name)
        raise ExecutionError(
            f"Unknown date unit: {found_instead}", advice="units: year month week day hour minute second millisecond"
        )
    return found


def shift(moment: datetime, amount: int, by: str) -> datetime:
    """Return the time so many units later; the day is clamped to the end of the month."""
    try:
        if by in LENGTHS:
            return moment + amount * LENGTHS[by]
        months = moment.year * 12 + moment.month - 1 + amount * (12 if by == "year" else 1)
        year, month = divmod(months, 12)
        if not 1 <= year <= 9999:
            raise OverflowError
        return moment.replace(year=year, month=month + 1, day=min(moment.day, monthrange(year, month + 1)[1]))
    except OverflowError:
        raise ExecutionError(f"Date is out of range: {iso(moment)} plus {amount} {by}") from None


def elapsed(start: datetime, end: datetime, by: str, *, exact: bool) -> int | float:
    """Return the units from `start` to `end`, whole ones unless `exact`; negative backwards."""
    if by in LENGTHS:
        units = (end - start) / LENGTHS[by]
        return units if exact else _toward_zero(end - start, LENGTHS[by])
    if end < start:
        return -elapsed(end, start, by, exact=exact)
    whole = (end.year - start.year) * 12 + end.month - start.month
    if shift(start, whole, "month") > end:
        whole -= 1
    size = 12 if by == "year" else 1
    if not exact:
        return whole // size
    here = shift(start, whole, "month")
    in_last_month = (here.year, here.month) == (9999, 12)
    length = timedelta(days=31) if in_last_month else shift(start, whole + 1, "month") - here
    return (whole + (end - here) / length) / size


def _toward_zero(span: timedelta, length: timedelta) -> int:
    return span // length if span >= timedelta(0) else -(-span // length)


def truncate(moment: datetime, to: str) -> datetime:
    """Return the beginning of the unit that the time is in; weeks begin on Monday."""
    if to == "week":
        midnight = truncate(moment, "day")
        try:
            return midnight - timedelta(days=midnight.weekday())
        except OverflowError:
            raise ExecutionError(f"Date is out of range: {iso(moment)}") from None
    zeroes: dict[str, int] = {}
    for name, least in (("month", 1), ("day", 1), ("hour", 0), ("minute", 0), ("second", 0)):
        if FINENESS[name] > FINENESS[to]:
            zeroes[name] = least
    if to != "millisecond":
        zeroes["microsecond"] = 0
    return moment.replace(**zeroes)  # type: ignore[arg-type]


FINENESS = {name: place for place, name in enumerate(["year", "month", "day", "hour", "minute", "second", "millisecond"])}


def zone(name: Value) -> ZoneInfo:
    """Return the time zone of an IANA name. Raises ExecutionError."""
    try:
        if isinstance(name, str) and name:
            return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        pass
    found = shown(name) if isinstance(name, str) else type_name(name)
    raise ExecutionError(f"Unknown time zone: {found}", advice="zones are named like Europe/Paris, America/New_York or UTC")


def in_zone(moment: datetime, name: Value) -> datetime:
    """Return the wall-clock time in a zone. Raises ExecutionError."""
    try:
        return moment.astimezone(zone(name))
    except OverflowError:
        raise ExecutionError(f"Date is out of range: {iso(moment)}") from None


def _offset(moment: datetime, colon: str) -> str:
    minutes = int((moment.utcoffset() or timedelta(0)).total_seconds() // 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{colon}{abs(minutes) % 60:02}"


DIRECTIVES: dict[str, Callable[[datetime], str]] = {
    "Y": lambda at: f"{at.year:04}",
    "y": lambda at: f"{at.year % 100:02}",
    "C": lambda at: f"{at.year // 100:02}",
    "m": lambda at: f"{at.month:02}",
    "d": lambda at: f"{at.day:02}",
    "e": lambda at: f"{at.day:2}",
    "B": lambda at: _MONTHS[at.month - 1],
    "b": lambda at: _MONTHS[at.month - 1][:3],
    "h": lambda at: _MONTHS[at.month - 1][:3],
    "A": lambda at: _DAYS[at.weekday()],
    "a": lambda at: _DAYS[at.weekday()][:3],
    "u": lambda at: str(at.isoweekday()),
    "w": lambda at: str(at.isoweekday() % 7),
    "j": lambda at: f"{at.timetuple().tm_yday:03}",
    "G": lambda at: f"{at.isocalendar().year:04}",
    "V": lambda at: f"{at.isocalendar().week:02}",
    "H": lambda at: f"{at.hour:02}",
    "k": lambda at: f"{at.hour:2}",
    "I": lambda at: f"{(at.hour + 11) % 12 + 1:02}",
    "l": lambda at: f"{(at.hour + 11) % 12 + 1:2}",
    "M": lambda at: f"{at.minute:02}",
    "S": lambda at: f"{at.second:02}",
    "f": lambda at: f"{at.microsecond // 1000:03}",
    "p": lambda at: "AM" if at.hour < 12 else "PM",
    "P": lambda at: "am" if at.hour < 12 else "pm",
    "z": lambda at: _offset(at, ""),
    "Z": lambda at: at.tzname() or "UTC",
    "s": lambda at: str(timestamp(at) // 1000),
    "F": lambda at: f"{at.year:04}-{at.month:02}-{at.day:02}",
    "D": lambda at: f"{at.month:02}/{at.day:02}/{at.year % 100:02}",
    "T": lambda at: f"{at.hour:02}:{at.minute:02}:{at.second:02}",
    "R": lambda at: f"{at.hour:02}:{at.minute:02}",
    "n": lambda at: "\n",
    "t": lambda at: "\t",
    "%": lambda at: "%",
}
"""What stands for each `%` directive, in English whatever the machine's language."""


def formatted(moment: datetime, template: str) -> str:
    """Return the time in a strftime format. Raises ExecutionError for an unknown directive."""

    def expanded(found: re.Match[str]) -> str:
        directive = DIRECTIVES.get(found[1])
        if directive is None:
            raise ExecutionError(f"Unknown date format: {found.group()}", advice=f"formats: {' '.join(DIRECTIVES)}")
        return directive(moment)

    return re.sub(r"%(.?)", expanded, template, flags=re.DOTALL)
