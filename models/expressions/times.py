"""Parts of moments in a time zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_104_060_800_000_000, 253_370_764_800_000_000
"""Years 2 to 9998: within them every zone's local time is a datetime."""
_CYCLE = 146_097 * 86_400_000_000
"""400 years, after which the calendar and the days of the week repeat."""

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
        cycles = 0 if _FIRST <= time < _LAST else (time - _FIRST) // _CYCLE if time < _FIRST else (time - _LAST) // _CYCLE + 1
        found = take((_EPOCH + timedelta(microseconds=time - cycles * _CYCLE)).astimezone(tz))
        return found + 400 * cycles if part == "year" else found

    return extract


def parse_moment(text: str) -> int:
    """Microseconds since 1970 of an ISO 8601 text; without an offset it is UTC.

    Raises:
        ValueError: for text that is no moment.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)
