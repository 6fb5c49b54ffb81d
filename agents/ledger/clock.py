"""The one place from which the responder has the time."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Microseconds since 1970 UTC; tests give one that they move."""

    def now(self) -> int:
        """The present moment."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """The present moment."""
        return time.time_ns() // 1000


class FixedClock:
    """A clock that stands until it is moved."""

    def __init__(self, now: int) -> None:
        self._now = now

    def now(self) -> int:
        """Where the clock was moved to last."""
        return self._now

    def advance(self, by: int) -> None:
        """Move it ``by`` microseconds."""
        self._now += by
