"""Parts of moments in a time zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

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


def extractor(part: str, zone: str) -> Callable[[int], int | None]:
    """A function from a moment (microseconds since 1970, UTC) to a part of its local time."""
    tz = ZoneInfo(zone)
    take = PARTS[part]

    def extract(time: int) -> int | None:
        try:
            return take((_EPOCH + timedelta(microseconds=time)).astimezone(tz))
        except (OverflowError, ValueError):
            return None

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
