"""Durations as the language writes them: ``250ms 30s 10m 24h 7d`` and sums."""

from __future__ import annotations

import re

UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_PART = re.compile(r"(\d+)(us|ms|s|m|h|d)")
_WHOLE = re.compile(r"-?(\d+(us|ms|s|m|h|d))+|0")


def parse_duration(text: str) -> int | None:
    """Microseconds, None for text that is no duration.

    >>> parse_duration("1h30m")
    5400000000
    """
    if not _WHOLE.fullmatch(text):
        return None
    total = sum(int(count) * UNITS[unit] for count, unit in _PART.findall(text))
    return -total if text.startswith("-") else total
