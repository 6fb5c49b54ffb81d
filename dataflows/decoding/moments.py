"""RFC 3339 moments and ISO dates as the input may write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

MIN_TIME = -62_135_596_800_000_000
"""0001-01-01T00:00:00Z in microseconds since 1970."""
MAX_TIME = 253_402_300_799_999_999
"""9999-12-31T23:59:59.999999Z."""
MIN_DATE, MAX_DATE = -719_162, 2_932_896
"""0001-01-01 and 9999-12-31 in days since 1970."""

_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(text: str) -> int | None:
    """Microseconds since 1970 of an RFC 3339 text; no offset means UTC; nanoseconds are floored; None if it is none."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[i]) for i in range(1, 7))
    micros = int((found[7] or "0").ljust(6, "0")[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    offset = found[8] or "Z"
    shift = 0
    if offset not in "Zz":
        hours, minutes = int(offset[1:3]), int(offset[4:6])
        if hours > 23 or minutes > 59:
            return None
        shift = (hours * 60 + minutes) * (60_000_000 if offset[0] == "+" else -60_000_000)
    return (moment - _EPOCH) // timedelta(microseconds=1) + micros - shift


def parse_date(text: str) -> int | None:
    """Days since 1970 of an ISO date; None if it is none."""
    found = _DATE.fullmatch(text)
    try:
        return None if found is None else (date(int(found[1]), int(found[2]), int(found[3])) - date(1970, 1, 1)).days
    except ValueError:
        return None
