"""When an effect is tried again: the endpoint's schedule, spread by up to a tenth, never before the receiver's Retry-After."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_SPREAD = 10
"""A wait is lengthened by up to one part in so many."""


def next_attempt(schedule: Sequence[int], attempts: int, key: str, now: int, retry_after: int | None = None) -> int | None:
    """When to try again after ``attempts`` tries; None: there is no further one.

    schedule: microseconds to wait before each attempt, the first included; retry_after: microseconds that the receiver asked for.
    The spread depends on key and attempt alone, so that a restart changes nothing.
    """
    if attempts >= len(schedule):
        return None
    wait = schedule[attempts]
    return now + max(wait + _spread(key, attempts, wait), min(retry_after or 0, _DAY))


def retry_after(text: str | None, now: int) -> int | None:
    """Microseconds that a Retry-After header asks for, seconds or a date (RFC 9110 §10.2.3); None if it says nothing usable.

    >>> retry_after("120", 0), retry_after("soon", 0), retry_after("Thu, 01 Jan 1970 00:00:10 GMT", 4_000_000)
    (120000000, None, 6000000)
    """
    if not text:
        return None
    if text.strip().isdecimal() and text.isascii():
        return min(int(text[:12]) * _SECOND, _DAY)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0, int(moment.timestamp()) * _SECOND - now)


def _spread(key: str, attempts: int, wait: int) -> int:
    part = int.from_bytes(hashlib.sha256(f"{key}/{attempts}".encode()).digest()[:8]) / 2**64
    return int(wait / _SPREAD * part)
