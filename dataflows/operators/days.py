"""Days of a time zone as moments."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

DAY = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = (date.min - date(1970, 1, 1)).days + 2, (date.max - date(1970, 1, 1)).days - 2
_MORE = 400


class Days:
    """Beginnings of local days (microseconds, int64), numbered from 1970-01-01 = 0; ``base`` is the number of the first known."""

    def __init__(self, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        self.base = 0
        self.begins: NDArray[np.int64] = np.zeros(0, np.int64)

    def cover(self, first: int, last: int) -> None:
        """Know all days from two before a moment to two after another."""
        low, high = first // DAY - 2, last // DAY + 3
        if len(self.begins) and self.base <= low and high <= self.base + len(self.begins):
            return
        if len(self.begins):
            low, high = min(low, self.base), max(high, self.base + len(self.begins))
        low, high = max(low, _FIRST), min(high + _MORE, _LAST)
        self.base, self.begins = low, np.array([self._begin(day) for day in range(low, high)], np.int64)

    def within(self, time: NDArray[np.int64]) -> NDArray[np.int64]:
        """Moments on an axis on which every day is as long as any other; int64[n] in the order of ``time``."""
        place = np.searchsorted(self.begins, time, side="right") - 1
        since: NDArray[np.int64] = np.minimum(time - self.begins[place], DAY - 1)
        return (self.base + place) * DAY + since

    def _begin(self, day: int) -> int:
        there = datetime(1970, 1, 1, tzinfo=self.zone) + timedelta(days=day)
        return (there - _EPOCH) // timedelta(microseconds=1)
