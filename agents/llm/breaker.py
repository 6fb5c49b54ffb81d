"""A circuit breaker for one model at one endpoint: after failures in a row nobody calls for a while, then one tries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "half_open", "open"]


@dataclass(slots=True)
class Breaker:
    """Times are microseconds, given by the caller.

    failures: in a row, after which it opens; rest: how long it stays open before one call may try.
    """

    failures: int = 5
    rest: int = 30_000_000
    _counted: int = 0
    _opened: int | None = None
    _probing: bool = False
    _paused: int = 0

    def state(self, now: int) -> State:
        """closed: all may call; half_open: one may; open: none."""
        if self._opened is None:
            return "open" if now < self._paused else "closed"
        return "open" if now < max(self._opened + self.rest, self._paused) else "half_open"

    def allow(self, now: int) -> bool:
        """Whether a call may be made now; whoever is told so says afterwards how it went."""
        state = self.state(now)
        if state == "half_open":
            if self._probing:
                return False
            self._probing = True
        return state != "open"

    def success(self) -> None:
        """The endpoint answered, be it to say no (4xx)."""
        self._counted, self._opened, self._probing = 0, None, False

    def failure(self, now: int) -> None:
        """It did not answer in time, not at all, or with a 5xx."""
        self._counted += 1
        if self._probing or self._counted >= self.failures:
            self._opened = now
        self._probing = False

    def given_up(self) -> None:
        """The caller gave up for reasons of its own: that says nothing about the endpoint."""
        self._probing = False

    def pause(self, until: int) -> None:
        """Nobody calls before a moment that the endpoint named."""
        self._paused = max(self._paused, until)

    def ready_at(self) -> int:
        """When it will let a call through again; 0: it does already."""
        return max(self._paused, 0 if self._opened is None else self._opened + self.rest)
