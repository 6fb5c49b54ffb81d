"""Local facts that an expression may consult: lists and calendars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from models.expressions.times import local_time
from models.values.types import STRING, Type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MINUTE = 60_000_000


@dataclass(frozen=True, slots=True)
class ListFact:
    """A named set of stored values; ``sha256`` of its source goes into a pattern's ruleset."""

    name: str
    values: frozenset[Any]
    type: Type = STRING
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Calendar:
    """Spans of local wall time: on each of ``days`` (0 = Monday) from minute ``begin`` to minute ``end`` of the day.

    Spans are half-open; one whose end is not after its begin runs over midnight and belongs to the day it starts.
    """

    name: str
    tz: str
    begin: int
    end: int
    days: frozenset[int]

    def contains(self, time: int) -> bool:
        """Whether a moment (microseconds since 1970, UTC) lies in a span."""
        local, _ = local_time(time, ZoneInfo(self.tz))
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.begin < self.end:
            return day in self.days and self.begin <= minute < self.end
        return (day in self.days and minute >= self.begin) or ((day - 1) % 7 in self.days and minute < self.end)

    def contains_all(self, times: NDArray[np.int64]) -> NDArray[np.bool_]:
        """``contains`` for many moments: decided once for each minute, since offsets and spans are whole minutes."""
        import numpy as np

        minutes, inverse = np.unique(times // _MINUTE, return_inverse=True)
        inside = np.array([self.contains(int(minute) * _MINUTE) for minute in minutes], np.bool_)
        return inside[inverse] if len(times) else np.zeros(0, np.bool_)


@dataclass(frozen=True, slots=True)
class Facts:
    """All lists and calendars of an application, by name."""

    lists: Mapping[str, ListFact] = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
