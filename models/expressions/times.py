"""Parts of moments in a time zone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_104_060_800_000_000, 253_370_764_800_000_000
"""Years 2 to 9998: within them every zone's local time is a datetime."""
_CYCLE = 146_097 * 86_400_000_000
"""400 years, after which the calendar and the days of the week repeat."""

_MOMENT = re.compile(
    r"\s*(?P<y>\d{4})-(?P<mo>\d{1,2})-(?P<d>\d{1,2})"
    r"(?:(?:[Tt]|\s+)(?P<h>\d{1,2}):(?P<mi>\d{1,2})(?::(?P<s>\d{1,2})(?:\.(?P<f>\d*))?)?"
    r"\s*(?:[Zz]|UTC|(?P<sign>[+-])(?P<oh>\d\d)(?::?(?P<om>\d\d))?)?)?\s*",
    re.ASCII,
)
PARTS: dict[str, Callable[[datetime], int]] = {
    "year": lambda t: t.year,
    "quarter": lambda t: (t.month + 2) // 3,
    "month": lambda t: t.month,
    "week": lambda t: t.isocalendar().week,
    "day": lambda t: t.day,
    "dow": lambda t: t.isoweekday() % 7,
    "isodow": lambda t: t.isoweekday(),
    "doy": lambda t: t.timetuple().tm_yday,
    "hour": lambda t: t.hour,
    "minute": lambda t: t.minute,
    "second": lambda t: t.second,
}
"""What ``extract`` can take; ``dow`` counts from Sunday = 0."""

UNITS = {
    "microsecond": 1,
    "millisecond": 1_000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
    "week": 604_800_000_000,
}
"""Microseconds in the units of ``interval``."""


def extractor(part: str, zone: str) -> Callable[[int], int]:
    """A function from a moment (microseconds since 1970, UTC) to a part of its local time."""
    tz = ZoneInfo(zone)
    take = PARTS[part]

    def extract(time: int) -> int:
        local, cycles = local_time(time, tz)
        return take(local) + 400 * cycles if part == "year" else take(local)

    return extract


def local_time(time: int, tz: ZoneInfo) -> tuple[datetime, int]:
    """A moment's local time; where no datetime holds it that of so many times 400 years before (or, negative, after)."""
    cycles = 0 if _FIRST <= time < _LAST else (time - _FIRST) // _CYCLE if time < _FIRST else (time - _LAST) // _CYCLE + 1
    return (_EPOCH + timedelta(microseconds=time - cycles * _CYCLE)).astimezone(tz), cycles


def parse_moment(text: str) -> int:
    """Microseconds since 1970 of a date, or of a date and time as RFC 3339 or DuckDB write them; without an offset it is UTC.

    Raises:
        ValueError: for text that is no moment of the years 1 to 9999.
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    year, month, day, hour, minute, second = (int(found[name] or 0) for name in ("y", "mo", "d", "h", "mi", "s"))
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and (minute or second)):
        raise ValueError(text)
    shift = timedelta(hours=int(found["oh"] or 0), minutes=int(found["om"] or 0)) * (-1 if found["sign"] == "-" else 1)
    moment = timedelta(hours=hour, minutes=minute, seconds=second, microseconds=int((found["f"] or "").ljust(6, "0")[:6])) - shift
    return (datetime(year, month, day, tzinfo=UTC) - _EPOCH + moment) // timedelta(microseconds=1)


def parse_day(text: str) -> int:
    """Days since 1970 of a date's text, or of a moment's local date.

    Raises:
        ValueError: for text that is neither.
    """
    parse_moment(text)
    found = _MOMENT.fullmatch(text)
    assert found is not None
    return (date(int(found["y"]), int(found["mo"]), int(found["d"])) - date(1970, 1, 1)).days
