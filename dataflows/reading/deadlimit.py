"""A flood of dead letters stops the flow: a wrong schema must not drain an input in silence."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

WINDOW = 10_000
"""Consecutive rows of a partition over which dead ones are counted."""


class TooManyDead(Exception):
    """More of a partition's rows are dead letters than the stream's ``max_dead`` allows."""


class DeadLimit:
    """Counts one partition's dead rows; ``share`` of any 10,000 consecutive rows may be dead."""

    def __init__(self, share: float) -> None:
        self.share = share
        self.allowed = int(share * WINDOW)
        self.seen = 0
        self.dead = 0
        self.recent: deque[int] = deque(maxlen=self.allowed + 1)

    def count(self, rows: int, dead: Sequence[int], topic: str, first_number: int) -> None:
        """Count a batch; ``dead`` holds the dead rows' indices, ascending.

        Raises:
            TooManyDead: at the row that is one too many.
        """
        for row in dead:
            self.recent.append(self.seen + row)
            if len(self.recent) == self.allowed + 1 and self.recent[-1] - self.recent[0] < WINDOW:
                raise TooManyDead(self._message(topic, first_number + row, len(self.recent), WINDOW))
        self.seen += rows
        self.dead += len(dead)

    def end(self, topic: str) -> None:
        """At the end of an input shorter than the window: judge its rows all together.

        Raises:
            TooManyDead: when more than the share of all rows are dead.
        """
        if self.seen < WINDOW and self.dead > self.share * self.seen:
            raise TooManyDead(self._message(topic, self.seen - 1, self.dead, self.seen))

    def snapshot(self) -> dict[str, Any]:
        """All counts as plain values."""
        return {"seen": self.seen, "dead": self.dead, "recent": list(self.recent)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``snapshot`` gave."""
        self.seen, self.dead = state["seen"], state["dead"]
        self.recent = deque(state["recent"], maxlen=self.allowed + 1)

    def _message(self, topic: str, row: int, dead: int, of: int) -> str:
        return (
            f"{topic}, row {row}: {dead} of {of} rows are dead letters; expected at most {self.share:.0%}. Does the file fit the "
            "declared fields and format? See the dead letters for each reason; raise max_dead of the stream to go on anyway"
        )
